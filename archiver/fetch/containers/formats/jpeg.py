"""JPEG: segments by their lengths, scans by their markers, up to EOI.

Source: ITU-T T.81 (https://www.w3.org/Graphics/JPEG/itu-t81.pdf), B.1.1 markers, F.1.2.3 byte
stuffing: inside entropy-coded data FF is followed by 00, or by a restart marker D0 to D7.

Proves: that a scan was begun and that the image's EOI came. Cannot prove: the entropy-coded data
itself; what follows EOI.
After EOI: anything is accepted. Multi-picture files (MPF), gain maps (Ultra HDR) and motion
photos put whole further files there, so a cut inside those is not seen.
Stray bytes between segments are passed over, as every decoder does.
"""

import re

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import JPEG, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

MAGIC = b"\xff\xd8\xff"
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""The next marker that is not part of a scan; FF FF is a fill byte and the start of another."""

SOI, EOI, SOS, TEM = 0xD8, 0xD9, 0xDA, 0x01


def sniff(head: bytes) -> MediaType | None:
    """Recognise SOI and the first byte of the marker after it."""
    return JPEG if head.startswith(MAGIC) else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read segments and scans up to EOI, then accept whatever comes."""
    if (yield from stream.take(2)) != MAGIC[:2]:
        raise stream.broken("it does not begin with SOI")
    stream.missing = "its end marker (EOI)"
    has_scan = False
    while (marker := (yield from stream.find(MARKER, 2))[1]) != EOI:
        if marker not in (SOI, TEM):
            yield from _segment(stream)
        has_scan = has_scan or marker == SOS
    if not has_scan:
        raise stream.broken("there is no scan before its end marker")
    yield from stream.rest()


def _segment(stream: ByteStream) -> Steps[None]:
    size = int.from_bytes((yield from stream.take(2)), "big")
    if size < 2:
        raise stream.broken("a segment is shorter than its own length field")
    yield from stream.skip(size - 2)


FORMAT = Format(name="JPEG", media_types=(JPEG,), sniff=sniff, walk=walk)
