"""A second opinion on what a whole file is: each format's outer structure, read from its end.

Written from the formats' specifications and sharing nothing with `archiver.fetch.containers`, so
that the checks there are not tested against themselves. Bytes behind a whole file are allowed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable


def is_complete(body: bytes) -> bool:
    """Tell whether a body is a whole container of a format that is known here."""
    for magic, offset, walk in _WALKERS:
        if body[offset : offset + len(magic)] == magic:
            try:
                return walk(body)
            except (struct.error, IndexError):
                return False
    return False


def _png(body: bytes) -> bool:
    at = 8
    while at < len(body):
        length, kind = struct.unpack_from(">I4s", body, at)
        at += 12 + length
        if at > len(body):
            return False
        if kind == b"IEND":
            return True
    return False


def _jpeg(body: bytes) -> bool:
    at = 2
    while body[at] == 0xFF and body[at + 1] != 0xDA:
        at += 2 + int(struct.unpack_from(">H", body, at + 2)[0])
    return body.find(b"\xff\xd9", at) > 0


def _riff(body: bytes) -> bool:
    """The outer size is there; encoders forget a last pad byte, which holds nothing."""
    return len(body) + 1 >= 8 + int(struct.unpack_from("<I", body, 4)[0])


def _mp4(body: bytes) -> bool:
    at = 0
    kinds: set[bytes] = set()
    while at < len(body):
        length, kind = struct.unpack_from(">I4s", body, at)
        if length == 1:
            length = struct.unpack_from(">Q", body, at + 8)[0]
        if length == 0:
            length = len(body) - at
        if length < 8 or at + length > len(body):
            return {b"ftyp", b"moov", b"mdat"} <= kinds
        kinds.add(kind)
        at += length
    return {b"ftyp", b"moov", b"mdat"} <= kinds


def _mp3(body: bytes) -> bool:
    """A tag, then frames back to back; MPEG audio, layer III."""
    size = sum(
        (byte & 0x7F) << shift for byte, shift in zip(body[6:10], (21, 14, 7, 0), strict=True)
    )
    at, frames = 10 + size, 0
    while at < len(body):
        length = _frame_bytes(body[at : at + 4])
        if not length:
            return frames > 0
        if at + length > len(body):
            return False
        at, frames = at + length, frames + 1
    return frames > 0 and at == len(body)


_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_HERTZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _frame_bytes(head: bytes) -> int:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate = head[1] >> 3 & 3, head[2] >> 2 & 3
    kbits = _KBITS[version == 3][head[2] >> 4]
    if version == 1 or rate == 3 or not kbits:
        return 0
    samples = 144_000 if version == 3 else 72_000
    return samples * kbits // _HERTZ[version][rate] + (head[2] >> 1 & 1)


_WALKERS: tuple[tuple[bytes, int, Callable[[bytes], bool]], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, _png),
    (b"\xff\xd8\xff", 0, _jpeg),
    (b"RIFF", 0, _riff),
    (b"ftyp", 4, _mp4),
    (b"ID3", 0, _mp3),
)
