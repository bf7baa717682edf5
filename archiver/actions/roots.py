"""Tells the root of an archive from a folder above or inside it, by where its sidecars lie.

A forgotten prefix or a folder too much is the commonest mistake of somebody who restores in a
hurry: one line with the right place is worth more than one for each file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from archiver import keys
from archiver.errors import ArchiveMissing, CopyDamaged
from archiver.storage.base import Destination


class Displaced(CopyDamaged):
    """A sidecar whose files are elsewhere: it was moved, or the archive's root is another.

    `below` is the path from here to the root that it fits, `inside` the one from there to here.
    """

    def __init__(self, key: str, path: str) -> None:
        super().__init__(f"{key} names files that are not its own: it was moved or renamed")
        own_key = posixpath.join(posixpath.dirname(path), posixpath.basename(key))
        self.below = key.removesuffix(f"/{own_key}") if key.endswith(f"/{own_key}") else ""
        self.inside = own_key.removesuffix(f"/{key}") if own_key.endswith(f"/{key}") else ""


def stem_of(key: str, paths: Sequence[str]) -> str:
    """Return a sidecar's stem, which names its files; raises Displaced when it does not.

    One that was moved would be taken for another's.
    """
    stem = key.removesuffix(keys.SIDECAR_SUFFIX)
    for path in paths:
        if not _is_of(stem, path):
            raise Displaced(key, path)
    if not stem:
        raise CopyDamaged(f"{key} is a sidecar without a name")
    return stem


def _is_of(stem: str, path: str) -> bool:
    rest = path.removeprefix(stem)
    return bool(stem) and rest != path and len(rest) > 1 and rest[0] in "-." and "/" not in rest


def refuse_other_root(place: Destination, displaced: Displaced | None, placed: int) -> None:
    """Raise ArchiveMissing, with the place that fits, when this is not the root of an archive.

    That is so when sidecars fit another root, none fits this one, and no marker says otherwise.
    """
    if displaced is None or placed or place.stat(keys.MARKER_KEY) is not None:
        return
    here = place.name.rstrip("/")
    if displaced.below:
        better = f"{here}/{displaced.below}"
    elif displaced.inside and here.endswith(f"/{displaced.inside}"):
        better = here.removesuffix(f"/{displaced.inside}")
    else:
        return
    raise ArchiveMissing(f"{here} is not the root of the archive; that is most likely {better}")
