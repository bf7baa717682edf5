"""Makes an index from the sidecars of one destination: no provider and no config is needed.

What cannot be read is named and left alone; the rest of the archive is not held up by it.
Sidecars are read, checked and made into rows on some threads, and written in the order in which
they are listed, a batch a transaction: memory stays flat however many there are. While a batch is
written the next one is read, on another core: SQLite takes hundreds of rows in a statement, and
needs the interpreter's lock only between two of them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from archiver import keys, sidecar
from archiver.actions.archive import Clock, utc_now
from archiver.actions.parallel import open_pool
from archiver.actions.roots import Displaced, refuse_other_root, stem_of
from archiver.errors import CopyDamaged, CopyFrozen, CopyMissing, DestinationUnavailable, KeyInvalid
from archiver.index import Index, adopted
from archiver.index.adopted import Adoptable
from archiver.index.captured import SIDECAR, Captured
from archiver.model import Digest, Receipt, State, Status
from archiver.states import MISSING_EVENTS, Event
from archiver.storage.base import Destination, read_whole

BATCH = 1024
CHUNK = 64
MAX_SHOWN_BROKEN = 100
MAX_FAILURES = 5


@dataclass(slots=True)
class RebuildReport:
    """How many sidecars were taken over, and which could not be (the first ones).

    `placed` of them name files, and lie beside them; the `displaced` ones do not. The `frozen`
    ones lie in an archive tier.
    """

    sidecars: int = 0
    placed: int = 0
    displaced: int = 0
    broken_count: int = 0
    broken: list[str] = field(default_factory=list)
    frozen: int = 0


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
    *,
    is_rescue: bool = False,
    on_frozen: Callable[[str], None] = lambda _: None,
) -> RebuildReport:
    """Take every sidecar of a destination into the index; may be called for several in turn.

    `is_rescue` counts what the disk or store will not give as broken, unless nothing else comes,
    and tells `on_frozen` the key of each sidecar that lies in an archive tier.
    Raises ArchiveMissing, with the right place, when the archive's root is another one.
    """
    writer = _Writer(index, destination.name, is_rescue, on_frozen)
    with index.filling():
        for batch, read in _read_all(destination, clock()):
            writer.take_over(batch, read)
            refuse_other_root(destination, writer.last_displaced, writer.report.placed)
            on_progress(writer.report)
    return writer.report


def _read_all(
    destination: Destination, now: datetime
) -> Iterator[tuple[list[str], list[Adoptable | Exception]]]:
    """Read all sidecars, a batch at a time; the next one while this one is written."""

    def read(some: Sequence[str]) -> list[Adoptable | Exception]:
        return [_read_adoptable(destination, key, now) for key in some]

    with open_pool(destination.capabilities.small_reads, "rebuild") as readers:
        try:
            found = _sidecar_keys(destination)
            batch: list[str] = []
            reads: list[Future[list[Adoptable | Exception]]] = []
            while True:
                whole = [one for chunk in reads for one in chunk.result()]
                before, batch = batch, list(islice(found, BATCH))
                chunks = [batch[at : at + CHUNK] for at in range(0, len(batch), CHUNK)]
                reads = [readers.submit(read, chunk) for chunk in chunks]
                if before:
                    yield before, whole
                if not batch:
                    return
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


def _read_adoptable(destination: Destination, key: str, now: datetime) -> Adoptable | Exception:
    """Read one sidecar; gives back what went wrong, as that must not hold up the others."""
    try:
        return make_adoptable(destination.name, read_sidecar(destination, key), now)
    except Exception as error:  # `_Writer` decides about each
        return error


def _sidecar_keys(destination: Destination) -> Iterator[str]:
    return (
        stored.key
        for stored in destination.list()
        if stored.key.endswith(keys.SIDECAR_SUFFIX) and not _is_own(stored.key)
    )


def _is_own(key: str) -> bool:
    """Whether it is the marker, or was set aside; also as seen from above the archive."""
    return f"/{keys.OWN_FOLDER}" in f"/{key}"


def read_sidecar(destination: Destination, key: str) -> ReadSidecar:
    """Read one sidecar; raises CopyMissing, and CopyDamaged when it is none."""
    body = read_whole(destination, key, sidecar.MAX_BYTES)
    digest = Digest(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
    return ReadSidecar(key, digest, sidecar.decode(body, key))


class _Writer:
    """Puts sidecars into the index; what is wrong with one takes back only that one."""

    def __init__(
        self, index: Index, name: str, is_rescue: bool, on_frozen: Callable[[str], None]
    ) -> None:
        self.report = RebuildReport()
        self.last_displaced: Displaced | None = None
        self._index = index
        self._name = name
        self._is_rescue = is_rescue
        self._on_frozen = on_frozen
        self._failures = 0

    def take_over(self, batch: Sequence[str], read: Sequence[Adoptable | Exception]) -> None:
        """Adopt a batch of sidecars; counts those that cannot be, with what is wrong with them."""
        whole = []
        for key, one in zip(batch, read, strict=True):
            if isinstance(one, Exception):
                self._count(key, one)
            else:
                self._failures = 0
                whole.append(one)
        refused = adopted.adopt_all(self._index, whole)
        for one, error in refused:
            self._count(keys.make_sidecar_key(one.stem), error)
        self.report.sidecars += len(whole) - len(refused)
        self.report.placed += _count_placed(whole) - _count_placed(one for one, _ in refused)

    def _count(self, key: str, error: Exception) -> None:
        """Count a sidecar that is not adopted; raises what ends the whole."""
        match error:
            case CopyFrozen() if self._is_rescue:
                self.report.frozen += 1
                self._on_frozen(key)
            case CopyFrozen():  # an archive counts as known only when all of it was read
                raise error
            case Displaced():
                self.last_displaced = error
                self.report.displaced += 1
                self._count_broken(str(error))
            case CopyDamaged() | CopyMissing() | KeyInvalid():
                self._count_broken(str(error))
            case DestinationUnavailable():
                self._failures += 1
                if not self._is_rescue or self._failures >= MAX_FAILURES:
                    raise error
                self._count_broken(str(error))
            case (
                sqlite3.IntegrityError()
                | sqlite3.DataError()
                | OverflowError()
                | ValueError()
                | RecursionError()
            ):
                self._count_broken(f"{self._name}: {key} contradicts another sidecar: {error}")
            case _:
                raise error

    def _count_broken(self, line: str) -> None:
        self.report.broken_count += 1
        if len(self.report.broken) < MAX_SHOWN_BROKEN:
            self.report.broken.append(line)


def _count_placed(many: Iterable[Adoptable]) -> int:
    return sum(bool(one.captured.media) for one in many)


def take_over(index: Index, destination: str, read: ReadSidecar, now: datetime) -> None:
    """Adopt one sidecar; raises CopyDamaged or ValueError when it contradicts its own place."""
    adopted.adopt(index, make_adoptable(destination, read, now))


def make_adoptable(destination: str, read: ReadSidecar, now: datetime) -> Adoptable:
    """Make the rows of one sidecar; raises CopyDamaged when it contradicts its own place."""
    stem = stem_of(read.key, [media.path for media in read.content.media])
    return adopted.make_adoptable(read.content.generation, stem, _outcome(destination, read, now))


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

    What is in progress gets a sidecar only when it vanished so (`actions/listing/unfinished.py`).
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
