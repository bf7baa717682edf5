"""TIFF, classic: as long as its first directory demands.

Source: TIFF 6.0 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf), section 2: a
header points to a directory of 12-byte entries, which point to values, which point to strips.

Proves: the first directory is there, the values it points to, and the picture when it is one
strip. Cannot prove: pictures of several strips or tiles that stand behind the directory, and
further directories: that needs random access. BigTIFF is accepted as it comes.
After all that: anything is accepted; a TIFF has no end.
"""

from typing import Literal

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import TIFF, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

_CLASSIC = (b"II*\x00", b"MM\x00*")
_BIG = (b"II+\x00", b"MM\x00+")
_STRIP_OFFSETS, _STRIP_BYTE_COUNTS = 273, 279
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_ENTRY_BYTES = 12
_NEXT_DIRECTORY_BYTES = 4


def sniff(head: bytes) -> MediaType | None:
    """Recognise the byte order and version."""
    return TIFF if head.startswith(_CLASSIC + _BIG) else None


def walk(stream: ByteStream) -> Steps[None]:
    """Go forward to the first directory, then to the end of what it points to."""
    header = yield from stream.take(8)
    if not sniff(header):
        raise stream.broken("the header is wrong")
    if not header.startswith(_BIG):
        byte_order: Literal["little", "big"] = "little" if header[:2] == b"II" else "big"
        stream.missing = "its directory"
        yield from stream.skip(max(0, int.from_bytes(header[4:], byte_order) - 8))
        end = yield from _directory(stream, byte_order)
        stream.missing = f"the {end:,} bytes that its directory points to"
        yield from stream.skip(max(0, end - stream.position))
    yield from stream.rest()


def _directory(stream: ByteStream, byte_order: Literal["little", "big"]) -> Steps[int]:
    """Read one directory; return the end of the values, and of a single strip."""
    count = int.from_bytes((yield from stream.take(2)), byte_order)
    end, strip = 0, {_STRIP_OFFSETS: 0, _STRIP_BYTE_COUNTS: 0}
    for _ in range(count):
        entry = yield from stream.take(_ENTRY_BYTES)
        tag, kind = (int.from_bytes(entry[at : at + 2], byte_order) for at in (0, 2))
        values = int.from_bytes(entry[4:8], byte_order)
        width = _TYPE_BYTES.get(kind, 0)
        if values * width > 4:
            end = max(end, int.from_bytes(entry[8:], byte_order) + values * width)
        elif tag in strip and values == 1:
            strip[tag] = int.from_bytes(entry[8 : 8 + width], byte_order)
    yield from stream.take(_NEXT_DIRECTORY_BYTES)
    return max(end, sum(strip.values()) if all(strip.values()) else 0)


FORMAT = Format(name="TIFF", media_types=(TIFF,), sniff=sniff, walk=walk)
