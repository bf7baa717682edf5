"""What a verify found wrong, one by one, each with what would heal it (promise 7)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from archiver import keys
from archiver.actions.archive import Archive
from archiver.index import census, faults, proofs
from archiver.index.faults import Stray
from archiver.index.proofs import Noted
from archiver.model import Fault
from archiver.units import format_time

BATCH = 500
TAKEN_OVER = "taken over into the index, when it proves right"
FROM_INDEX = "written anew from the index"
BY_A_PERSON = "a person: it is no file of the archive, and it is left alone"
NOTHING = "nothing here can: no good copy is left, and the provider's deadline is past"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One wrong copy, or one file that no copy accounts for (which has no generation)."""

    destination: str
    account: str | None
    id: str | None
    asset_key: str | None
    path: str
    fault: Fault
    expected_size: int | None
    expected_sha256: str | None
    found_size: int | None
    found_sha256: str | None
    heal: str


def findings(archive: Archive, destinations: Collection[str], now: datetime) -> Iterator[Finding]:
    """Name what the last look found at these destinations: wrong copies, then foreign files."""
    for noted in proofs.noted(archive.index):
        yield _of_copy(noted, archive, now)
    strays = faults.strays(archive.index, destinations)
    while batch := list(islice(strays, BATCH)):
        named = census.named(archive.index, [stray.path for stray in batch])
        for stray in batch:
            yield _of_stray(stray, stray.path in named)


def _of_copy(noted: Noted, archive: Archive, now: datetime) -> Finding:
    held = noted.held
    return Finding(
        destination=held.destination,
        account=held.account,
        id=held.generation_id,
        asset_key=held.asset_key,
        path=held.path,
        fault=noted.fault,
        expected_size=held.digest.size_bytes,
        expected_sha256=held.digest.sha256,
        found_size=noted.found_bytes,
        found_sha256=noted.found_sha256,
        heal=_heal(noted, archive, now),
    )


def _heal(noted: Noted, archive: Archive, now: datetime) -> str:
    if noted.held.is_sidecar:
        return FROM_INDEX
    good_at = [name for name in noted.good_at if name in archive.names]
    if good_at:
        return f"copied from {' or '.join(good_at)}"
    if noted.deadline_at is None:
        return "fetched again from the provider, if it still has it"
    if noted.deadline_at > now:
        return f"fetched again from the provider until {format_time(noted.deadline_at)}"
    return NOTHING


def _of_stray(stray: Stray, is_named: bool) -> Finding:
    """What has a name of the archive, or of a sidecar, may be ours all the same."""
    may_be_ours = is_named or stray.path.endswith(keys.SIDECAR_SUFFIX)
    return Finding(
        destination=stray.destination,
        account=None,
        id=None,
        asset_key=None,
        path=stray.path,
        fault=Fault.FOREIGN,
        expected_size=None,
        expected_sha256=None,
        found_size=stray.size_bytes,
        found_sha256=None,
        heal=TAKEN_OVER if may_be_ours else BY_A_PERSON,
    )
