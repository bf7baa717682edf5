"""The marker that tells an archive from an empty directory (promise 2).

Each destination carries `.archiver/archive.json` with an identity of its own. A place that held
an archive when it was last seen and now holds none is most likely not mounted: writing there
would look like success and be found out at the worst moment.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from enum import StrEnum

from archiver import keys
from archiver.errors import CopyMissing, DestinationUnavailable
from archiver.index import Index, ledger
from archiver.storage.base import Created, Destination, read_whole

FORMAT = "archiver.archive/1"
MAX_BYTES = 4096
SETTLING_SECONDS = 5.0
"""How long another's marker may still arrive at a store that cannot refuse a second one."""


class Found(StrEnum):
    """What a destination turned out to hold."""

    NEW = "new"
    KNOWN = "known"
    UNKNOWN_TO_INDEX = "unknown_to_index"


@dataclass(frozen=True, slots=True)
class Marker:
    """The archive at a destination: its identity, and whether the index knows it."""

    identity: str
    found: Found


def check_marker(index: Index, destination: Destination) -> Marker:
    """Compare a destination's marker with what the index remembers; write it where it is new.

    Raises DestinationUnavailable when the archive that should be there is not. What is unknown
    to the index is remembered by the caller, once it was taken over.
    """
    remembered = ledger.archive_id(index, destination.name)
    present = read_marker(destination)
    if remembered is not None and present is None:
        raise DestinationUnavailable(
            f"{destination.name} held an archive when it was last seen and holds none now: is it "
            "mounted? To begin anew there, give it another name in the config"
        )
    if remembered is not None and present != remembered:
        raise DestinationUnavailable(
            f"{destination.name} holds another archive than before: is the right disk mounted? "
            "To use it all the same, give it another name in the config"
        )
    if remembered is not None:
        return Marker(remembered, Found.KNOWN)
    if present is None:
        identity, present = _write_marker(destination)
        if identity == present:
            return Marker(identity, Found.NEW)
    twin = ledger.same_archive(index, destination.name, present)
    if twin is not None:
        raise DestinationUnavailable(
            f"{destination.name} is the same place as {twin}: two names for one copy are no two "
            "copies; remove one from the config"
        )
    return Marker(present, Found.UNKNOWN_TO_INDEX)


def read_marker(destination: Destination) -> str | None:
    """Read the identity of the archive at a destination; None when there is none."""
    try:
        document = json.loads(read_whole(destination, keys.MARKER_KEY, MAX_BYTES))
        return str(document["id"])
    except CopyMissing:
        return None
    except (ValueError, KeyError, TypeError):
        raise DestinationUnavailable(
            f"{destination.name}: {keys.MARKER_KEY} is damaged; look at the place, then remove it"
        ) from None


def _write_marker(destination: Destination) -> tuple[str, str]:
    """Write the marker where there is none; return its identity, and the one that is there now.

    Two machines may begin the same archive at once: the one that comes second takes the other's.
    Where the store cannot refuse a second marker, the last one stays and both read it back; what
    a slower one still overwrites is found at the next run, which knows what it has read.
    """
    identity = str(uuid.uuid4())
    document = json.dumps({"format": FORMAT, "id": identity}, sort_keys=True) + "\n"
    created = destination.create(keys.MARKER_KEY, document.encode(), "application/json")
    if created is Created.NEW:
        return identity, identity
    time.sleep(SETTLING_SECONDS)  # also where there is one now: it came just this moment
    present = read_marker(destination)
    if present is None:
        raise DestinationUnavailable(
            f"{destination.name}: {keys.MARKER_KEY} went away as soon as it was there; look at "
            "who else writes to this place"
        )
    return identity, present
