"""Makes an index from the sidecars of one destination: no provider and no config is needed.

What cannot be read is named and left alone; the rest of the archive is not held up by it.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from archiver import keys, sidecar
from archiver.actions.archive import Clock, utc_now
from archiver.errors import CopyDamaged, CopyMissing
from archiver.index import Index, captured
from archiver.index.captured import SIDECAR, Captured
from archiver.model import Digest, Receipt, State, Status
from archiver.states import MISSING_EVENTS, Event
from archiver.storage.base import Destination, read_whole

READERS = 16
BATCH = 256
MAX_SHOWN_BROKEN = 100


@dataclass(slots=True)
class RebuildReport:
    """How many sidecars were taken over, and which could not be (the first ones)."""

    sidecars: int = 0
    broken_count: int = 0
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReadSidecar:
    """One sidecar as it was read."""

    key: str
    digest: Digest
    content: sidecar.Sidecar


def rebuild(
    index: Index,
    destination: Destination,
    on_progress: Callable[[RebuildReport], None] = lambda _: None,
    clock: Clock = utc_now,
) -> RebuildReport:
    """Take every sidecar of a destination into the index; may be called for several in turn."""
    report = RebuildReport()
    found = _sidecar_keys(destination)
    with ThreadPoolExecutor(READERS, "rebuild") as readers:
        while batch := list(islice(found, BATCH)):
            reads = [readers.submit(read_sidecar, destination, key) for key in batch]
            with index.transaction():
                for read in reads:
                    _take_over(index, destination.name, read, report, clock())
            on_progress(report)
    return report


def _sidecar_keys(destination: Destination) -> Iterator[str]:
    return (
        stored.key
        for stored in destination.list()
        if stored.key.endswith(keys.SIDECAR_SUFFIX) and stored.key != keys.MARKER_KEY
    )


def read_sidecar(destination: Destination, key: str) -> ReadSidecar:
    """Read one sidecar; raises CopyMissing, and CopyDamaged when it is none."""
    body = read_whole(destination, key, sidecar.MAX_BYTES)
    digest = Digest(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
    return ReadSidecar(key, digest, sidecar.decode(body, key))


def _take_over(
    index: Index, destination: str, read: Future[ReadSidecar], report: RebuildReport, now: datetime
) -> None:
    """Adopt one sidecar; whatever is wrong with it is its own affair and takes back only itself."""
    key = "a sidecar"
    try:
        one = read.result()
        key = one.key
        take_over(index, destination, one, now)
    except (CopyDamaged, CopyMissing) as error:
        _count_broken(report, str(error))
    except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, ValueError) as error:
        _count_broken(report, f"{destination}: {key} contradicts another sidecar: {error}")
    else:
        report.sidecars += 1


def take_over(index: Index, destination: str, read: ReadSidecar, now: datetime) -> None:
    """Adopt one sidecar; raises CopyDamaged or ValueError when it contradicts its own place."""
    outcome = _outcome(destination, read, now)
    captured.adopt(index, read.content.generation, _stem_of(read), outcome)


def _count_broken(report: RebuildReport, line: str) -> None:
    report.broken_count += 1
    if len(report.broken) < MAX_SHOWN_BROKEN:
        report.broken.append(line)


def _stem_of(read: ReadSidecar) -> str:
    """The sidecar's own place names its files: one that was moved would be taken for another."""
    stem = read.key.removesuffix(keys.SIDECAR_SUFFIX)
    is_own = re.compile(re.escape(stem) + r"[-.][^/]+").fullmatch
    if not stem or not all(is_own(media.path) for media in read.content.media):
        raise CopyDamaged(f"{read.key} names files that are not its own: it was moved or renamed")
    return stem


def _outcome(destination: str, read: ReadSidecar, now: datetime) -> Captured:
    content = read.content
    event, reason = _judge(content)
    receipts = [(SIDECAR, _receipt(destination, read.key, read.digest, content.archived_at))]
    receipts += [
        (media.key, _receipt(destination, media.path, media.digest, media.fetched_at))
        for media in content.media
    ]
    return Captured(
        event=event,
        reason=reason,
        media=content.media,
        missing=content.missing,
        receipts=tuple(receipts),
        archived_at=content.archived_at,
        next_try_at=now if event is Event.TRY_FAILED else None,
    )


def _judge(content: sidecar.Sidecar) -> tuple[Event, str | None]:
    """Name the event that the last try before this sidecar ended in.

    What is in progress gets a sidecar only when it vanished so (`actions/unfinished.py`).
    """
    for state in (State.FAILED, State.LOST):
        found = next((one for one in content.missing if one.state is state), None)
        if found is not None:
            return MISSING_EVENTS[state], found.reason
    if content.generation.status is Status.IN_PROGRESS:
        return Event.PROVEN_GONE, "vanished while it was in progress"
    return Event.SECURED, None


def _receipt(destination: str, key: str, digest: Digest, stored_at: datetime) -> Receipt:
    return Receipt(
        destination=destination,
        key=key,
        digest=digest,
        stored_at=stored_at,
        verified="sidecar",
    )
