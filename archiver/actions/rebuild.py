"""Makes an index from the sidecars of one destination: no provider and no config is needed.

What cannot be read is named and left alone; the rest of the archive is not held up by it.
Sidecars are read, checked and made into rows (`rebuilding`), and written in the order in which
they are listed, a batch a transaction: memory stays flat however many there are. While a batch is
written the next one is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from archiver import keys
from archiver.actions.archive import Clock, utc_now
from archiver.actions.rebuilding.reading import read_all
from archiver.actions.roots import Displaced, refuse_other_root
from archiver.errors import CopyDamaged, CopyFrozen, CopyMissing, DestinationUnavailable, KeyInvalid
from archiver.index import Index, adopted
from archiver.index.adopted import Adoptable
from archiver.storage.base import Destination

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
        for batch, read in read_all(destination, _sidecar_keys(destination), clock()):
            writer.take_over(batch, read)
            refuse_other_root(destination, writer.last_displaced, writer.report.placed)
            on_progress(writer.report)
    return writer.report


def _sidecar_keys(destination: Destination) -> Iterator[str]:
    return (
        stored.key
        for stored in destination.list()
        if stored.key.endswith(keys.SIDECAR_SUFFIX) and not _is_own(stored.key)
    )


def _is_own(key: str) -> bool:
    """Whether it is the marker, or was set aside; also as seen from above the archive."""
    return f"/{keys.OWN_FOLDER}" in f"/{key}"


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
    return sum(one.has_files for one in many)
