"""FLAC: metadata blocks by their lengths, then frames in an unbroken count to the last sample.

Source: RFC 9639 (8 metadata blocks, 8.2 STREAMINFO, 9.1 frame header, 9.3 frame footer). An ID3v2
tag before, and an ID3v1 tag behind, are against the RFC but in use.

A frame does not say how long it is: the next one is found by its header, whose CRC-8 and number
must be right. Frames are held one at a time, for the CRC-16 of the last one.

Proves: the metadata; that no frame is missing between the first and the last (each is numbered);
that the last frame is whole (CRC-16), and that it ends with the last sample that STREAMINFO
announces. Cannot prove: the content of frames before the last; a file from a streaming encoder
(total of 0 samples) that is cut exactly between two frames.
After the last frame: an ID3v1 tag is accepted; anything else is damage, because it cannot be told
from an unfinished frame.
"""

import re
from dataclasses import dataclass
from functools import cache

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.formats import id3
from archiver.fetch.containers.media_types import FLAC, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

MAGIC = b"fLaC"
_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_MAX_HEADER_BYTES = 16
_MAX_FRAME_BYTES = 4 << 20
"""No real frame is longer: 65,535 samples of 8 channels at 32 bits, stored raw, take 2 MiB."""

_ID3V1_BYTES = 128
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Header:
    """A frame header: whether it counts samples or frames, from where, and how many samples."""

    counts_samples: bool
    number: int
    samples: int

    def is_followed_by(self, other: "_Header") -> bool:
        """Tell whether the other header can be the next one (9.1.5)."""
        step = self.samples if self.counts_samples else 1
        same_kind = self.counts_samples == other.counts_samples
        return same_kind and other.number == self.number + step


def sniff(head: bytes) -> MediaType | None:
    """Recognise the marker, at the start or after an ID3v2 tag."""
    start = id3.tag_bytes(head)
    return FLAC if head[start : start + 4] == MAGIC else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read the metadata, then the frames to the end of the body."""
    marker = yield from stream.take(4)
    if marker[:3] == b"ID3":
        size = id3.tag_bytes(marker + (yield from stream.take(6)))
        yield from stream.skip(max(0, size - id3.HEADER_BYTES))
        marker = yield from stream.take(4)
    if marker != MAGIC:
        raise stream.broken("the marker is wrong")
    total_samples = yield from _metadata(stream)
    yield from _frames(stream, total_samples)


def _metadata(stream: ByteStream) -> Steps[int]:
    """Read all metadata blocks; return the samples that STREAMINFO states (0: not known)."""
    stream.missing = "the rest of its metadata"
    header = yield from stream.take(4)
    if header[0] & 0x7F != 0 or header[1:] != b"\x00\x00\x22":
        raise stream.broken("its first block is not STREAMINFO")
    info = yield from stream.take(34)
    while not header[0] & 0x80:
        header = yield from stream.take(4)
        yield from stream.skip(int.from_bytes(header[1:], "big"))
    return int.from_bytes(info[13:18], "big") & (1 << 36) - 1


def _frames(stream: ByteStream, total_samples: int) -> Steps[None]:
    """Follow the headers, holding the bytes of one frame, and judge the last one."""
    stream.missing = "any audio frame"
    frame, searched, samples = bytearray(), 0, 0
    last: _Header | None = None
    while piece := (yield from stream.some(_PIECE_BYTES)):
        frame += piece
        while found := _next_header(frame, searched, last):
            at, last = found
            samples += last.samples
            del frame[:at]
            searched = 1
        searched = max(searched, len(frame) - _MAX_HEADER_BYTES)
        if len(frame) > (_MAX_FRAME_BYTES if last else _MAX_HEADER_BYTES):
            raise stream.broken("no frame begins where one must")
    if last is None:
        raise stream.cut()
    _judge(stream, frame, total_samples - samples)


def _judge(stream: ByteStream, frame: bytearray, samples_left: int) -> None:
    has_tag = frame[-_ID3V1_BYTES : 3 - _ID3V1_BYTES] == b"TAG"
    stream.missing = "the rest of its last frame"
    if _crc16(frame[:-_ID3V1_BYTES] if has_tag else frame):
        raise stream.cut()
    if samples_left > 0:
        stream.missing = f"its last {samples_left:,} samples"
        raise stream.cut()


def _next_header(frame: bytearray, start: int, last: _Header | None) -> tuple[int, _Header] | None:
    """Find the next header from `start` on that can follow the last; the first one is at 0."""
    for match in _SYNC.finditer(frame, start):
        header = _header(bytes(frame[match.start() : match.start() + _MAX_HEADER_BYTES]))
        if header and (last.is_followed_by(header) if last else match.start() == 0):
            return match.start(), header
    return None


def _header(head: bytes) -> _Header | None:
    """Read a frame header (9.1); None if it is none, or not yet all there."""
    if len(head) < 6 or head[2] & 15 == 15 or head[3] >> 4 > 10 or head[3] & 1:
        return None
    block_code, rate_code = head[2] >> 4, head[2] & 15
    number_end = 4 + max(1, 8 - (head[4] ^ 0xFF).bit_length())
    block_end = number_end + {6: 1, 7: 2}.get(block_code, 0)
    end = block_end + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if block_code == 0 or len(head) <= end or _crc8(head[: end + 1]):
        return None
    return _Header(
        counts_samples=bool(head[1] & 1),
        number=_coded_number(head[4:number_end]),
        samples=_block_samples(block_code, head[number_end:block_end]),
    )


def _coded_number(coded: bytes) -> int:
    """Read a frame or sample number, coded as UTF-8 is, up to 36 bits (9.1.5)."""
    number = coded[0] & (0x7F >> len(coded) if len(coded) > 1 else 0x7F)
    for byte in coded[1:]:
        number = number << 6 | byte & 0x3F
    return number


def _block_samples(code: int, stated: bytes) -> int:
    """Return how many samples a frame holds (9.1.1)."""
    if stated:
        return int.from_bytes(stated, "big") + 1
    if code == 1:
        return 192
    return 576 << (code - 2) if code < 6 else 256 << (code - 8)


def _crc8(data: bytes) -> int:
    """Return the CRC-8 of a frame header (polynomial 0x07); 0 when its own CRC is included."""
    value = 0
    table = _crc_table(0x07, 8)
    for byte in data:
        value = table[value ^ byte]
    return value


def _crc16(data: bytearray) -> int:
    """Return the CRC-16 of a frame (polynomial 0x8005); 0 when its own CRC is included."""
    value = 0
    table = _crc_table(0x8005, 16)
    for byte in data:
        value = (value << 8 & 0xFF00) ^ table[value >> 8 ^ byte]
    return value


@cache
def _crc_table(polynomial: int, width: int) -> tuple[int, ...]:
    """Return the CRC of each single byte, highest bit first."""
    table = []
    for byte in range(256):
        value = byte << (width - 8)
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> (width - 1) else 0)
            value &= (1 << width) - 1
        table.append(value)
    return tuple(table)


FORMAT = Format(name="FLAC", media_types=(FLAC,), sniff=sniff, walk=walk)
