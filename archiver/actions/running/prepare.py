"""Makes destinations ready for a run, and takes over what they hold and the index does not know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from archiver import keys
from archiver.actions.archive import Archive
from archiver.actions.marker import Found, check_marker, read_marker
from archiver.errors import (
    ArchiveMissing,
    DestinationError,
    DestinationForbidden,
    DestinationUnavailable,
)
from archiver.index import captured, ledger
from archiver.storage.base import Destination

if TYPE_CHECKING:
    from archiver.actions.rebuild import RebuildReport

LEFTOVER_SECONDS = 24 * 3600.0
CLEAN_EVERY = timedelta(hours=24)
_ONE_AT_A_TIME = threading.Lock()


@dataclass(slots=True)
class Prepared:
    """What was found. `unusable` names the destinations to do without, and why.

    `unwritable` names those that were to be written and cannot be, though some may be read.
    `is_incomplete` is set when a destination is new: the others' files are to be brought there.
    `warnings` are lines on leftovers that could not be cleaned away: a nuisance, no loss.
    """

    unusable: dict[str, DestinationError] = field(default_factory=dict)
    unwritable: dict[str, DestinationError] = field(default_factory=dict)
    rebuilt: dict[str, RebuildReport] = field(default_factory=dict)
    is_incomplete: bool = False
    warnings: list[str] = field(default_factory=list)


def prepare(
    archive: Archive, on_progress: Callable[[RebuildReport], None] = lambda _: None
) -> Prepared:
    """Make every destination ready; raises ArchiveMissing when none can be used.

    Where each refuses its credentials that is what is raised: DestinationForbidden.

    An archive that the index does not know (a new machine, a lost state directory, a disk that
    was away meanwhile) is first taken over from its sidecars: else its files would be fetched
    again, and written over those that are there. One at a time in a process: of a daemon's pass
    and its hints, the second finds what the first has made.
    """
    with _ONE_AT_A_TIME:
        return _prepare_each(archive, partial(_open_to_write, archive, on_progress=on_progress))


def prepare_places(archive: Archive, targets: frozenset[str]) -> Prepared:
    """Make the targets ready to be written, and all other destinations ready to be read.

    A target that cannot be written is `unwritable`, and is read all the same where it can be: a
    failing disk that became read-only may hold the only good copy. Nothing is written to what is
    no target. Raises as `prepare` does, when not even one can be read.
    """

    def open_one(destination: Destination, prepared: Prepared) -> RebuildReport | None:
        if destination.name not in targets:
            return _open_to_read(archive, destination)
        try:
            return _open_to_write(archive, destination, prepared)
        except DestinationError as error:
            prepared.unwritable[destination.name] = error
            return _open_to_read(archive, destination)

    return _prepare_each(archive, open_one)


def look_for_any(archive: Archive) -> None:
    """Find a destination that holds its archive, without the run lock: nothing is written.

    Raises as `prepare` does. Where none was ever begun there is nothing to be found yet.
    """

    def look(destination: Destination, _prepared: Prepared) -> None:
        if ledger.archive_id(archive.index, destination.name) is None:
            raise DestinationUnavailable(f"{destination.name} holds no archive yet")
        check_marker(archive.index, destination)

    if any(ledger.archive_id(archive.index, name) for name in archive.destinations):
        _prepare_each(archive, look)


def _prepare_each(
    archive: Archive, open_one: Callable[[Destination, Prepared], RebuildReport | None]
) -> Prepared:
    prepared, is_known = Prepared(), not ledger.is_empty(archive.index)
    for name, destination in archive.destinations.items():
        try:
            is_added = is_known and ledger.archive_id(archive.index, name) is None
            report = open_one(destination, prepared)
        except DestinationError as error:
            prepared.unusable[name] = prepared.unwritable.get(name, error)
            continue
        prepared.is_incomplete |= is_added
        if report is not None:
            prepared.rebuilt[name] = report
    if len(prepared.unusable) == len(archive.destinations):
        reasons = "; ".join(str(error) for error in prepared.unusable.values())
        kinds = {type(error) for error in prepared.unusable.values()}
        kind = DestinationForbidden if kinds == {DestinationForbidden} else ArchiveMissing
        raise kind(f"no destination can be used: {reasons}")
    if prepared.rebuilt or prepared.is_incomplete:
        captured.complete_everywhere(archive.index, archive.names, archive.clock())
    return prepared


def _open_to_write(
    archive: Archive,
    destination: Destination,
    prepared: Prepared,
    on_progress: Callable[[RebuildReport], None] = lambda _: None,
) -> RebuildReport | None:
    if ledger.archive_id(archive.index, destination.name) is not None:
        check_marker(archive.index, destination)  # before an empty root is made in its place
    destination.prepare()
    report = _take_over(archive, destination, on_progress)
    _clean(archive, destination, prepared)
    return report


def _open_to_read(archive: Archive, destination: Destination) -> RebuildReport | None:
    """Take over what is there; raises DestinationUnavailable where no archive was ever begun."""
    is_known = ledger.archive_id(archive.index, destination.name) is not None
    if not is_known and read_marker(destination) is None:
        raise DestinationUnavailable(f"{destination.name} holds no archive yet")
    return _take_over(archive, destination)


def rebuild_from(archive: Archive, source: Destination) -> RebuildReport:
    """Fill the index from one place, which must be a destination of the config.

    An address is matched with the config by the identity of its archive: copies are recorded
    under the name by which they can be found again. Raises ArchiveMissing when none matches.
    """
    from archiver.actions.rebuild import RebuildReport

    identity = read_marker(source)
    for destination in archive.destinations.values():
        if _is_same(destination, source, identity):
            report = _take_over(archive, destination)
            captured.complete_everywhere(archive.index, archive.names, archive.clock())
            return report or RebuildReport()
    raise ArchiveMissing(
        f"{source.name} is no destination of the config, so its copies could not be found again; "
        "add it to the config, or restore from it directly with `archiver restore --from`"
    )


def _is_same(destination: Destination, source: Destination, identity: str | None) -> bool:
    """Compare a destination with the place that is read; one that is away is another."""
    if destination.name == source.name:
        return True
    try:
        return identity is not None and read_marker(destination) == identity
    except DestinationError:
        return False


def _take_over(
    archive: Archive,
    destination: Destination,
    on_progress: Callable[[RebuildReport], None] = lambda _: None,
) -> RebuildReport | None:
    """Read an unknown archive's sidecars; it counts as known only when all were read.

    A copy of an archive may have lost its marker, which begins with a dot, on the way.
    """
    marker = check_marker(archive.index, destination)
    report = None
    is_new = marker.found is Found.NEW
    if marker.found is Found.UNKNOWN_TO_INDEX or (is_new and _holds_files(destination)):
        from archiver.actions.rebuild import rebuild

        report = rebuild(archive.index, destination, on_progress, archive.clock)
    if marker.found is not Found.KNOWN:
        ledger.remember_archive(archive.index, destination.name, marker.identity, archive.clock())
    return report


def _holds_files(destination: Destination) -> bool:
    return any(not stored.key.startswith(keys.OWN_FOLDER) for stored in destination.list())


def _clean(archive: Archive, destination: Destination, prepared: Prepared) -> None:
    """Remove what dead uploads left, once a day: looking for it reads the whole listing."""
    now = archive.clock()
    last = ledger.cleaned_at(archive.index, destination.name)
    if last is None or now - last >= CLEAN_EVERY:
        try:
            destination.clean(LEFTOVER_SECONDS)
        except DestinationError as error:
            prepared.warnings.append(f"leftovers were not looked for: {error}")
            return
        ledger.remember_cleaning(archive.index, destination.name, now)
