"""Makes destinations ready for a run, and takes over an archive that the index does not know."""

from __future__ import annotations

from dataclasses import dataclass, field

from archiver.actions.archive import Archive
from archiver.actions.marker import Found, check_marker
from archiver.actions.rebuild import RebuildReport, rebuild
from archiver.errors import ArchiveMissing, DestinationError
from archiver.index import ledger

LEFTOVER_SECONDS = 24 * 3600.0


@dataclass(slots=True)
class Prepared:
    """What was found. `unusable` names the destinations to do without, and why."""

    unusable: dict[str, DestinationError] = field(default_factory=dict)
    rebuilt: dict[str, RebuildReport] = field(default_factory=dict)
    leftovers: int = 0


def prepare(archive: Archive) -> Prepared:
    """Make every destination ready; raises ArchiveMissing when none can be used.

    An empty index beside an existing archive (a new machine, a lost state directory) is first
    filled from the sidecars: else every file would be fetched and written again.
    """
    prepared, is_new_index = Prepared(), ledger.is_empty(archive.index)
    for name, destination in archive.destinations.items():
        try:
            destination.prepare()
            found = check_marker(archive.index, destination, archive.clock)
            prepared.leftovers += destination.clean(LEFTOVER_SECONDS)
            if is_new_index and found is Found.UNKNOWN_TO_INDEX:
                prepared.rebuilt[name] = rebuild(archive.index, destination, clock=archive.clock)
        except DestinationError as error:
            prepared.unusable[name] = error
    if len(prepared.unusable) == len(archive.destinations):
        reasons = "; ".join(str(error) for error in prepared.unusable.values())
        raise ArchiveMissing(f"no destination can be used: {reasons}")
    return prepared
