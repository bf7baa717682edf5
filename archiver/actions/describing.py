"""Puts an XMP sidecar for photo tools beside a media file that came to its place later.

It says nothing that the sidecar does not, so it can be made anew at any time; one that is there
is left alone, as a photo tool may have written into it.
"""

from __future__ import annotations

from archiver import keys, xmp
from archiver.actions.archive import Archive
from archiver.model import Generation, Media
from archiver.storage.base import Destination, put


def describe_beside(
    archive: Archive, destination: Destination, generation: Generation, media: Media
) -> None:
    """Write the XMP sidecar of one file where the archive has them and this one has none."""
    key = keys.make_xmp_key(media.path)
    if archive.writes_xmp and destination.stat(key) is None:
        put(destination, key, [xmp.encode(generation, media)], xmp.MEDIA_TYPE)
