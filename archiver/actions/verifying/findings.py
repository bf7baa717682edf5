"""What a verify found wrong, one by one, each with what would heal it (promise 7).

What is said of a file that no copy accounts for is what `repairing/strays.py` would do with it,
so a sidecar among them is read first: a stranger's file may have any name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from archiver import keys
from archiver.actions.adopting import make_adoptable, read_sidecar
from archiver.actions.archive import Archive
from archiver.errors import CopyDamaged, CopyMissing, DestinationError, SidecarTooNew
from archiver.index import census, faults, proofs, queries
from archiver.index.faults import Stray
from archiver.index.proofs import Noted
from archiver.model import Fault
from archiver.units import format_time

BATCH = 500
TAKEN_OVER = "taken over into the index, when it proves right"
FROM_INDEX = "written anew from the index"
BY_A_PERSON = "by a person: no file of the archive, so repair leaves it alone; remove or move it"
BY_A_NEWER = "by nobody: a newer archiver wrote it; update archiver"
BY_A_RUN = "by the next run, if it writes this file; else by a person: remove or move it"
NOTHING = "nothing here can: no good copy is left, and the provider's deadline is past"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One wrong copy, or one file that no copy accounts for (which has no generation).

    A `known` one was found by an earlier verify, and this one did not read it again.
    """

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
    known: bool = False


def findings(archive: Archive, destinations: Collection[str], now: datetime) -> Iterator[Finding]:
    """Name what the last look found at these destinations: wrong copies, then foreign files."""
    for noted in proofs.noted(archive.index):
        yield _of_copy(noted, archive, now)
    strays = faults.strays(archive.index, destinations)
    while batch := list(islice(strays, BATCH)):
        paths = [stray.path for stray in batch]
        named, awaited = census.named(archive.index, paths), census.awaited(archive.index, paths)
        for stray in batch:
            heal = _heal_stray(archive, stray, stray.path in named)
            if heal == BY_A_PERSON and stray.path in awaited:
                heal = BY_A_RUN
            yield _of_stray(stray, heal)


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
        known=noted.is_known,
    )


def _heal(noted: Noted, archive: Archive, now: datetime) -> str:
    if noted.fault is Fault.TOO_NEW:
        return BY_A_NEWER
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


def _heal_stray(archive: Archive, stray: Stray, is_named: bool) -> str:
    """What has a name of the archive, or is a sidecar of what is unknown, may be ours after all."""
    if not stray.path.endswith(keys.SIDECAR_SUFFIX):
        return TAKEN_OVER if is_named else BY_A_PERSON
    destination = archive.destinations[stray.destination]
    try:
        read = read_sidecar(destination, stray.path)
        make_adoptable(destination.name, read, archive.clock())
    except SidecarTooNew:
        return BY_A_NEWER
    except (CopyDamaged, CopyMissing, ValueError, OverflowError):
        return BY_A_PERSON
    except DestinationError as error:
        return f"not known yet, as it cannot be read: {error}"
    theirs = read.content.generation
    for known in queries.by_id(archive.index, theirs.id, theirs.account):
        is_in_place = stray.path == keys.make_sidecar_key(known.stem)
        return TAKEN_OVER if is_in_place else BY_A_PERSON
    return TAKEN_OVER


def _of_stray(stray: Stray, heal: str) -> Finding:
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
        heal=heal,
    )
