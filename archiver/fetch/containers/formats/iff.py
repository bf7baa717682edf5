"""Chunked files of the IFF family: WebP, WAV (RIFF, RF64, BW64), AVI and AIFF.

Sources: RIFF and WAV, https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html;
RF64 and BW64, ITU-R BS.2088 (`ds64` holds the 64-bit sizes, 4.1); WebP, RFC 9649, 2.3 to 2.7;
AVI with OpenDML 1.02 (further `RIFF AVIX` lists after the first); AIFF, "Audio Interchange File
Format" 1.3 (Apple, 1989), the same layout with big-endian sizes.

Proves: the outer size is there, the chunks fill it, and the one that holds the media is among
them. A missing last pad byte is forgiven: encoders forget it, and it holds nothing. Where a chunk
of a WAV or AVI goes beyond the outer size, the chunk is believed.
Cannot prove: WAV and AVI from a streaming encoder, which cannot go back to fill in the sizes (0,
0xFFFFFFFF, or from 0x7FFFF000 up to 2 GiB: "not known"). Such a WAV is accepted when there is
data, whatever its length; such an AVI when its last chunk is whole.
After the outer size: anything is accepted (tags are commonly appended), but in an AVI a further
RIFF list must be whole, too.
"""

from dataclasses import dataclass
from typing import Literal

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import AIFF, AVI, WAV, WEBP, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

_MEDIA_TYPE_OF_FORM = {b"WEBP": WEBP, b"WAVE": WAV, b"AVI ": AVI, b"AIFF": AIFF, b"AIFC": AIFF}

_MEDIA_CHUNKS = {
    b"WEBP": {b"VP8 ", b"VP8L", b"ANMF"},
    b"WAVE": {b"data"},
    b"AVI ": {b"movi"},
    b"AIFF": {b"SSND"},
    b"AIFC": {b"SSND"},
}

_STREAMABLE = {b"WAVE", b"AVI "}


@dataclass(slots=True)
class _Form:
    """The outer chunk: what it is, where it ends (None: not known), and what is in it."""

    form: bytes
    byte_order: Literal["big", "little"]
    end: int | None
    long_data_bytes: int | None = None
    in_open_list: bool = False
    has_media: bool = False


def sniff(head: bytes) -> MediaType | None:
    """Recognise the outer chunk and its form."""
    groups = (b"FORM",) if head[8:11] == b"AIF" else (b"RIFF", b"RF64", b"BW64")
    return _MEDIA_TYPE_OF_FORM.get(head[8:12]) if head[:4] in groups else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read the chunks of the outer chunk, and of further ones in an AVI."""
    outer = yield from _open(stream)
    yield from _chunks(stream, outer)
    if not outer.has_media:
        raise stream.broken("it holds no media chunk")
    while outer.form == b"AVI " and (yield from stream.take(4, may_end=True)) == b"RIFF":
        stream.missing = "the rest of a further RIFF list"
        yield from _skip_padded(stream, int.from_bytes((yield from stream.take(4)), "little"))
    yield from stream.rest()


def _open(stream: ByteStream) -> Steps[_Form]:
    header = yield from stream.take(12)
    if not sniff(header):
        raise stream.broken("it does not begin with a RIFF or FORM header")
    outer = _Form(header[8:12], "big" if header[:4] == b"FORM" else "little", None)
    size = int.from_bytes(header[4:8], outer.byte_order)
    if header[:4] in (b"RF64", b"BW64"):
        size, outer.long_data_bytes = yield from _long_sizes(stream)
    if not (outer.form in _STREAMABLE and _is_unknown(size)):
        outer.end = 8 + size
    return outer


def _long_sizes(stream: ByteStream) -> Steps[tuple[int, int]]:
    """Read the `ds64` chunk: the sizes of the whole and of the `data` chunk."""
    header = yield from stream.take(8)
    size = int.from_bytes(header[4:], "little")
    if header[:4] != b"ds64" or size < 16:
        raise stream.broken("its first chunk is not ds64")
    sizes = yield from stream.take(16)
    yield from stream.skip(size - 16 + size % 2)
    return int.from_bytes(sizes[:8], "little"), int.from_bytes(sizes[8:], "little")


def _is_unknown(size: int) -> bool:
    return size in (0, 0xFFFFFFFF) or 0x7FFFF000 <= size <= 0x80000000


def _chunks(stream: ByteStream, outer: _Form) -> Steps[None]:
    """Read chunks to the end of the outer one, or of the body when that is not known."""
    while _goes_on(stream, outer):
        stream.missing = "the rest of its chunks"
        header = yield from stream.take(8, may_end=outer.end is None)
        if not any(header):  # padding of a sloppy writer; the outer size holds all the same
            yield from stream.skip(max(0, (outer.end or 0) - 1 - stream.position))
            yield from stream.rest()
            return
        if len(header) < 8:
            raise stream.cut()
        yield from _chunk(stream, outer, header)


def _goes_on(stream: ByteStream, outer: _Form) -> bool:
    if outer.end is None or stream.position < outer.end - 1:
        return True
    return outer.form in _STREAMABLE and not outer.has_media


def _chunk(stream: ByteStream, outer: _Form, header: bytes) -> Steps[None]:
    kind, size = header[:4], int.from_bytes(header[4:], outer.byte_order)
    stream.missing = f"the rest of its {kind.decode('ascii', 'replace').strip()} chunk"
    if kind == b"data" and size == 0xFFFFFFFF and outer.long_data_bytes is not None:
        size = outer.long_data_bytes
    is_unknown = outer.form in _STREAMABLE and _is_unknown(size)
    if kind == b"LIST" and size >= 4 and outer.form == b"AVI ":
        kind = yield from stream.take(4)
        size -= 4
    is_media = kind in _MEDIA_CHUNKS[outer.form] or outer.in_open_list
    if kind == b"data" and is_unknown:
        yield from _media_to_the_end(stream, outer)
        return
    if kind == b"movi" and is_unknown:
        outer.in_open_list = True  # its chunks are read as if they stood here
        return
    if outer.end is not None and stream.position + size > outer.end:
        if outer.form not in _STREAMABLE:
            raise stream.broken("a chunk goes beyond the stated size")
        outer.end = stream.position + size
    outer.has_media = outer.has_media or is_media
    yield from _skip_padded(stream, size)


def _media_to_the_end(stream: ByteStream, outer: _Form) -> Steps[None]:
    """Accept a `data` chunk of unknown size: some data, then whatever comes."""
    yield from stream.take(1)
    yield from stream.skip(max(0, (outer.end or 0) - stream.position))
    outer.has_media = True
    yield from stream.rest()


def _skip_padded(stream: ByteStream, size: int) -> Steps[None]:
    yield from stream.skip(size)
    if size % 2:
        yield from stream.skip(1, may_end=True)


FORMAT = Format(name="RIFF file", media_types=(WEBP, WAV, AVI, AIFF), sniff=sniff, walk=walk)
