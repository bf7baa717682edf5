"""Real media of any size: an original plus a legal filler part that holds a seed text.

Two different seed texts give two different files, nothing is encoded again, and a
decoder sees a whole and valid file. Where the filler goes is chosen so that a cut
file is a broken file: PNG and MP4 lose their end (IEND, moov), JPEG, MP3 and WAV
lose their picture or sound.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache

from archiver.simulator.originals import VARIANTS, original
from archiver.simulator.payload import Payload, Run

MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
}
FORMATS = tuple(MEDIA_TYPES)

SMALLEST_BYTES = {"png": 4096, "jpg": 4096, "webp": 4096, "mp4": 8192, "mp3": 4096, "wav": 9216}
"""No file is smaller: room for the original and for one filler part."""

LARGEST_BYTES = {
    "png": 2**31 - 1,  # one chunk: 31-bit length, PNG specification 5.3
    "webp": 2**32 - 2,  # one RIFF form: 32-bit length
    "wav": 2**32 - 2,
    "mp3": 2**28 - 1,  # one ID3v2 tag: 28-bit length, id3.org 2.4 structure 3.1
}

_JPEG_SEGMENT_BYTES = 2 + 65_535
"""The longest COM segment: marker, then a 16-bit length that counts itself."""


def fitting_size(file_format: str, size_bytes: int) -> int:
    """Return the size that a file of this format really gets when `size_bytes` is wanted.

    Small wishes are raised to the format's smallest, RIFF files (WAV, WebP) are even.
    Raises ValueError when the format cannot be so large.
    """
    size_bytes = max(size_bytes, SMALLEST_BYTES[file_format])
    if file_format in ("webp", "wav"):
        size_bytes += size_bytes % 2
    if size_bytes > LARGEST_BYTES.get(file_format, size_bytes):
        raise ValueError(f"a {file_format} file cannot hold {size_bytes} bytes")
    return size_bytes


@lru_cache(maxsize=64)
def media(file_format: str, size_bytes: int, seed: str) -> Payload:
    """Make the one file that belongs to a format, a size and a seed text.

    The size must be a `fitting_size`. Raises MediaExtraMissingError without PyAV.
    """
    text = f"simulated media {seed}; ".encode()
    source = original(file_format, zlib.crc32(text) % VARIANTS)
    payload = _GROWERS[file_format](source, size_bytes, text)
    if payload.size_bytes != size_bytes:
        raise ValueError(f"{size_bytes} is no fitting size of {file_format}")
    return payload


def _payload(*parts: bytes | Run) -> Payload:
    """Put parts together."""
    return Payload(tuple(Run.once(part) if isinstance(part, bytes) else part for part in parts))


def _png(source: bytes, size_bytes: int, text: bytes) -> Payload:
    """Grow a PNG by a tEXt chunk before IEND (PNG specification 11.3.4.3)."""
    body, end = source[:-12], source[-12:]
    keyword = b"Comment\0"
    filler = Run.filled(text, size_bytes - len(source) - 12 - len(keyword))
    checksum = _payload(b"tEXt" + keyword, filler).crc32()
    head = struct.pack(">I", len(keyword) + filler.length) + b"tEXt" + keyword
    return _payload(body + head, filler, struct.pack(">I", checksum) + end)


def _jpeg(source: bytes, size_bytes: int, text: bytes) -> Payload:
    """Grow a JPEG by COM segments after SOI (ITU T.81 B.2.4.5)."""
    wanted = size_bytes - len(source)
    full, rest = divmod(wanted, _JPEG_SEGMENT_BYTES)
    tail = [rest] if rest else []
    if 0 < rest < 4:
        full, tail = full - 1, [_JPEG_SEGMENT_BYTES - 4, rest + 4]
    segment = _comment(text, _JPEG_SEGMENT_BYTES) if full else b"\0"
    segments = Run(segment, full * _JPEG_SEGMENT_BYTES)
    return _payload(source[:2], segments, *(_comment(text, size) for size in tail), source[2:])


def _comment(text: bytes, size_bytes: int) -> bytes:
    """Make one COM segment of exactly `size_bytes`, marker and length included."""
    return struct.pack(">HH", 0xFFFE, size_bytes - 2) + _repeat(text, size_bytes - 4)


def _repeat(text: bytes, length: int) -> bytes:
    """Repeat a text to an exact length."""
    return (text * (length // len(text) + 1))[:length]


def _webp(source: bytes, size_bytes: int, text: bytes) -> Payload:
    """Grow a WebP by an unknown chunk at its end, which readers must ignore (RFC 9649 2.3)."""
    filler = Run.filled(text, size_bytes - len(source) - 8)
    head = b"RIFF" + struct.pack("<I", size_bytes - 8) + source[8:]
    return _payload(head + b"SEED" + struct.pack("<I", filler.length), filler)


def _mp4(source: bytes, size_bytes: int, text: bytes) -> Payload:
    """Grow an MP4 by a `free` box between mdat and moov (ISO 14496-12 8.1.2).

    Media offsets count from the start of the file, so what stands after mdat moves none.
    """
    boundary = source.rindex(b"moov") - 4
    wanted = size_bytes - len(source)
    if wanted < 2**32:
        head = struct.pack(">I4s", wanted, b"free")
    else:
        head = struct.pack(">I4sQ", 1, b"free", wanted)
    filler = Run.filled(text, wanted - len(head))
    return _payload(source[:boundary] + head, filler, source[boundary:])


def _mp3(source: bytes, size_bytes: int, text: bytes) -> Payload:
    """Grow an MP3 by an ID3v2.4 tag at its start that holds one TXXX frame."""
    intro = b"\0seed\0"  # Latin-1, then the description
    filler = Run.filled(text, size_bytes - len(source) - 20 - len(intro))
    frame = b"TXXX" + _syncsafe(len(intro) + filler.length) + b"\0\0" + intro
    tag = b"ID3\x04\0\0" + _syncsafe(len(frame) + filler.length)
    return _payload(tag + frame, filler, source)


def _syncsafe(number: int) -> bytes:
    """Encode a 28-bit number, seven bits in a byte (ID3v2.4 structure 6.2)."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def _wav(source: bytes, size_bytes: int, text: bytes) -> Payload:
    """Grow a WAV by a LIST/INFO chunk with one comment before its data chunk."""
    boundary = source.index(b"data")
    filler = Run.filled(text, size_bytes - len(source) - 20)
    comment = b"INFOICMT" + struct.pack("<I", filler.length)
    head = b"RIFF" + struct.pack("<I", size_bytes - 8) + source[8:boundary]
    head += b"LIST" + struct.pack("<I", len(comment) + filler.length) + comment
    return _payload(head, filler, source[boundary:])


_GROWERS: dict[str, Callable[[bytes, int, bytes], Payload]] = {
    "png": _png,
    "jpg": _jpeg,
    "webp": _webp,
    "mp4": _mp4,
    "mp3": _mp3,
    "wav": _wav,
}
