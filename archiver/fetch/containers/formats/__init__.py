"""The table of formats. A new one costs a module here, a line below and samples in the tests.

The order is that of asking: long magic numbers first, guesses from frame headers last.
"""

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.formats import (
    bmp,
    flac,
    gif,
    glb,
    iff,
    isobmff,
    jpeg,
    jxl,
    matroska,
    mpeg_audio,
    ogg,
    png,
    tiff,
    unknown,
)
from archiver.fetch.containers.media_types import MediaType

FORMATS: tuple[Format, ...] = (
    png.FORMAT,
    jpeg.FORMAT,
    gif.FORMAT,
    iff.FORMAT,
    jxl.FORMAT,
    isobmff.FORMAT,
    matroska.FORMAT,
    ogg.FORMAT,
    flac.FORMAT,
    glb.FORMAT,
    tiff.FORMAT,
    bmp.FORMAT,
    mpeg_audio.FORMAT,
    unknown.FORMAT,
)

_FORMAT_OF = {media_type: known for known in FORMATS for media_type in known.media_types}


def format_of(media_type: MediaType) -> Format:
    """Return the format that a media type of the allow-list belongs to."""
    return _FORMAT_OF[media_type]
