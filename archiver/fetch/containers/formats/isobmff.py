"""The ISO base media file format: MP4, M4V, MOV, 3GP, M4A, AVIF and HEIC.

Sources: ISO/IEC 14496-12 (4.2 boxes, 4.3 `ftyp`, 8.8 movie fragments, 8.16.3 `sidx`); QuickTime
File Format (Apple), which may lack `ftyp`; ISO/IEC 23008-12 (HEIF); AVIF 1.1,
https://aomediacodec.github.io/av1-avif/; brands, https://mp4ra.org/registered-types/brands.

Proves: every box at the top is whole; video and audio have `moov` and `mdat`, images `meta` or
`moov`, and `mdat` or an `idat` inside `meta`; each `moof` is followed by its `mdat`; where a
segment index (`sidx`) states how much follows, that much does.
Cannot prove: a fragmented file without `sidx` that is cut exactly between two fragments; a last
box of size 0, which means "to the end of the file"; a lost last box that holds only metadata.
After the last box: zero padding is accepted, anything else is damage.
The kind is that of the brand: an MP4 with sound only is still called video, because its track
list may come last.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.formats.boxes import Box, read_header, skip_payload
from archiver.fetch.containers.media_types import (
    AVIF,
    HEIC,
    M4A,
    M4V,
    MOV,
    MP4,
    THREE_GP,
    MediaType,
)
from archiver.fetch.containers.stream import ByteStream, Steps

_MEDIA_TYPE_OF_BRAND = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), HEIC),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), M4A),
    **dict.fromkeys((b"M4V ", b"M4VH", b"M4VP"), M4V),
    b"qt  ": MOV,
}

_STRUCTURAL_BRANDS = {b"mif1", b"msf1", b"mif2"}
"""Brands that say "some HEIF image"; the compatible brands say which."""

_QUICKTIME_FIRST_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}

_MAX_FTYP_BYTES = 1024
_REFERENCE_BYTES = 12


@dataclass(slots=True)
class _Seen:
    """What the boxes so far have shown."""

    is_image: bool = False
    kinds: set[bytes] = field(default_factory=set)
    open_fragment: bool = False
    indexed_end: int = 0


def sniff(head: bytes) -> MediaType | None:
    """Recognise `ftyp` and its brands, or a QuickTime file of before there were brands."""
    if head[4:8] == b"ftyp":
        size = int.from_bytes(head[:4], "big")
        return _media_type_of_brands(head[8 : min(size, _MAX_FTYP_BYTES)])
    return MOV if head[4:8] in _QUICKTIME_FIRST_BOXES and len(head) >= 8 else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read the boxes at the top of the file, then judge what was there."""
    seen = _Seen()
    while box := (yield from read_header(stream)):
        yield from _read(stream, box, seen)
        seen.kinds.add(box.kind)
        stream.missing = "a whole box"
    if missing := _missing(seen, stream.position):
        stream.missing = missing
        raise stream.cut()


def _media_type_of_brands(payload: bytes) -> MediaType:
    for brand in _brands(payload):
        if brand[:3] in (b"3gp", b"3g2"):
            return THREE_GP
        if brand in _MEDIA_TYPE_OF_BRAND:
            return _MEDIA_TYPE_OF_BRAND[brand]
    return MP4


def _brands(payload: bytes) -> Iterator[bytes]:
    """Give the major brand and, where that says nothing about the codec, the compatible ones."""
    major = payload[:4]
    yield major
    if major in _STRUCTURAL_BRANDS:
        for start in range(8, len(payload) - 3, 4):
            yield payload[start : start + 4]


def _read(stream: ByteStream, box: Box, seen: _Seen) -> Steps[None]:
    if not seen.kinds and box.kind != b"ftyp" and box.kind not in _QUICKTIME_FIRST_BOXES:
        raise stream.broken("it does not begin with ftyp")
    if box.payload_bytes is None:
        yield from skip_payload(stream, box)
    elif box.kind == b"ftyp":
        yield from _read_brands(stream, box.payload_bytes, seen)
    elif box.kind == b"sidx":
        yield from _read_index(stream, box.payload_bytes, seen)
    elif box.kind == b"meta" and seen.is_image:
        yield from _read_meta(stream, box.payload_bytes, seen)
    else:
        yield from skip_payload(stream, box)
    if box.kind in (b"moof", b"mdat"):
        seen.open_fragment = box.kind == b"moof"


def _read_brands(stream: ByteStream, size: int, seen: _Seen) -> Steps[None]:
    payload = yield from stream.take(min(size, _MAX_FTYP_BYTES))
    yield from stream.skip(size - len(payload))
    seen.is_image = _media_type_of_brands(payload) in (AVIF, HEIC)


def _read_index(stream: ByteStream, size: int, seen: _Seen) -> Steps[None]:
    """Note where the media that a `sidx` describes must end (8.16.3)."""
    end = stream.position + size
    wide = (yield from stream.take(12))[0] > 0
    times = yield from stream.take(20 if wide else 12)
    indexed_end = end + int.from_bytes(times[8:16] if wide else times[4:8], "big")
    for _ in range(int.from_bytes(times[-2:], "big")):
        reference = yield from stream.take(_REFERENCE_BYTES)
        indexed_end += int.from_bytes(reference[:4], "big") & 0x7FFFFFFF
    if stream.position > end:
        raise stream.broken("a sidx box is shorter than its own content")
    yield from stream.skip(end - stream.position)
    seen.indexed_end = max(seen.indexed_end, indexed_end)


def _read_meta(stream: ByteStream, size: int, seen: _Seen) -> Steps[None]:
    """Look whether an image's `meta` holds the image itself, in an `idat` box."""
    end = stream.position + size
    yield from stream.take(min(4, size))
    while stream.position < end and (box := (yield from read_header(stream))):
        if box.payload_bytes is None or stream.position + box.payload_bytes > end:
            raise stream.broken("a box goes beyond the meta box around it")
        yield from skip_payload(stream, box)
        seen.kinds.add(box.kind)


def _missing(seen: _Seen, position: int) -> str | None:
    if not seen.kinds & ({b"moov", b"meta"} if seen.is_image else {b"moov"}):
        return "a moov or meta box" if seen.is_image else "a moov box"
    if not seen.kinds & ({b"mdat", b"idat"} if seen.is_image else {b"mdat"}):
        return "a mdat box"
    if seen.open_fragment:
        return "the mdat box of its last fragment"
    if position < seen.indexed_end:
        return f"the {seen.indexed_end:,} bytes that its sidx box states"
    return None


FORMAT = Format(
    name="MP4 or HEIF file",
    media_types=(MP4, M4V, MOV, THREE_GP, M4A, AVIF, HEIC),
    sniff=sniff,
    walk=walk,
)
