"""Ogg (Vorbis, Opus, FLAC, Speex, Theora): every page whole, every stream to its end.

Source: RFC 3533, 6 (page layout, flags, CRC). The CRC is that of the polynomial 0x04C11DB7 with
the highest bit first and no inversion; zlib's is the same polynomial with the lowest bit first.
So zlib computes it, over bytes whose bits are reversed.

Proves: every page, by its CRC; that each stream that begins (BOS) also ends (EOS). Chained files
pass. Cannot prove: nothing of importance.
After the last page: anything is damage, because only EOS on the last page ends a stream.
"""

import zlib

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import OGG, OGV, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

CAPTURE = b"OggS\x00"
_HEADER_BYTES = 27
_BOS, _EOS = 2, 4
_VIDEO_CODECS = (b"\x80theora", b"OVP80", b"BBCD\x00")
_MAX_STREAMS = 256

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def sniff(head: bytes) -> MediaType | None:
    """Recognise the first page; it is video if a video codec's header is in the head."""
    if not head.startswith(CAPTURE):
        return None
    return OGV if any(codec in head for codec in _VIDEO_CODECS) else OGG


def walk(stream: ByteStream) -> Steps[None]:
    """Read pages to the end of the body."""
    stream.missing = "any page"
    unfinished: set[bytes] = set()
    header = yield from stream.take(_HEADER_BYTES)
    while header:
        yield from _page(stream, header)
        flags, serial = header[5], header[14:18]
        if flags & _EOS:
            unfinished.discard(serial)
        elif flags & _BOS:
            unfinished.add(serial)
        if len(unfinished) > _MAX_STREAMS:
            raise stream.broken(f"it holds more than {_MAX_STREAMS} streams at once")
        header = yield from stream.take(_HEADER_BYTES, may_end=True)
    if unfinished:
        stream.missing = "the last page of a stream"
        raise stream.cut()


def _page(stream: ByteStream, header: bytes) -> Steps[None]:
    """Read the rest of one page and check its CRC."""
    stream.missing = "the rest of its last page"
    if not header.startswith(CAPTURE):
        raise stream.broken("no page begins here")
    if len(header) < _HEADER_BYTES:
        raise stream.cut()
    segments = yield from stream.take(header[26])
    left = sum(segments)
    crc = _crc(header[:22] + bytes(4) + header[26:] + segments, 0xFFFFFFFF)
    while left:
        piece = yield from stream.some(left)
        if not piece:
            raise stream.cut()
        left -= len(piece)
        crc = _crc(piece, crc)
    if (crc ^ 0xFFFFFFFF).to_bytes(4, "big").translate(_REVERSED)[::-1] != header[25:21:-1]:
        raise stream.broken("the checksum of a page is wrong")


def _crc(piece: bytes, value: int) -> int:
    return zlib.crc32(piece.translate(_REVERSED), value)


FORMAT = Format(name="Ogg", media_types=(OGG, OGV), sniff=sniff, walk=walk)
