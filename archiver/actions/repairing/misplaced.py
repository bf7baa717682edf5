"""Looks for a file of which no copy is good where it may lie by mistake: in a swapped one's place.

Two files that changed places are both whole: each lies under the other's name, or in quarantine
when that one was healed before it, today or on another day.
"""

from __future__ import annotations

from collections.abc import Iterator

from archiver.actions.copying import copy_file, digest_of
from archiver.actions.repairing.finding import Means
from archiver.actions.repairing.setting_aside import SettingAside
from archiver.errors import DestinationError
from archiver.index import faults
from archiver.model import Fault, Media, Receipt
from archiver.storage.base import Destination


def copy_misplaced(means: Means, media: Media, target: SettingAside) -> tuple[Receipt, str] | None:
    """Copy a file from a wrong place to its own; the receipt, and where it lay.

    Raises DestinationError when the target itself is in the way.
    """
    for source, key in _places(means, media):
        try:
            stored = source.stat(key)
            if stored is None or stored.size_bytes != media.digest.size_bytes:
                continue
            if digest_of(source, key) == media.digest:
                receipt = copy_file(
                    source, target, key, media.digest, media.media_type, target_key=media.path
                )
                return receipt, f"{source.name}, where it lay as {key}"
        except DestinationError:
            if target.trouble is not None:
                raise
            continue  # no good source; what cannot be healed is told as such
    return None


def _places(means: Means, media: Media) -> Iterator[tuple[Destination, str]]:
    for name, path in faults.paths_at_fault(means.archive.index, Fault.SWAPPED):
        source = means.archive.destinations.get(name)
        if source is not None:
            yield source, path
    for name in sorted(means.archive.destinations):
        source = means.archive.destinations[name]
        try:
            found = means.quarantine.of_size(source, media.digest.size_bytes)
        except DestinationError:
            continue  # what cannot be listed is no source
        yield from ((source, key) for key in found)
