"""MP3 and AAC (ADTS): one frame after another, with tags between and behind them.

Sources: ISO/IEC 11172-3, 2.4.1 (frame header) and 13818-3 (lower sampling rates); MPEG-2.5 as in
http://www.mp3-tech.org/programmer/frame_header.html; ADTS, ISO/IEC 14496-3, 1.A.2.2; ID3v2,
https://id3.org/id3v2.4.0-structure, 3.1; ID3v1, https://id3.org/ID3v1; APEv2,
https://wiki.hydrogenaud.io/index.php?title=APEv2_specification; Lyrics3,
https://id3.org/Lyrics3v2; Xing and VBRI headers,
https://www.codeproject.com/Articles/8295/MPEG-Audio-Frame-Header.

Proves: every frame up to the last is whole, tags too, and the body is as long as the Xing, Info
or VBRI header in its first frame says. Cannot prove: a file without such a header (CBR from some
encoders, all ADTS) that is cut exactly between two frames.
After the frames: known tags and zero padding are accepted; anything else is damage, because
only the next frame shows that this one was whole. Both may come anywhere: services that speak
glue whole MP3 files together.
Layers I and II and the free bit rate are not recognised.
"""

import re
from dataclasses import dataclass
from functools import cache

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.formats import id3
from archiver.fetch.containers.media_types import AAC, MP3, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

_KBITS_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}

_MAX_FIRST_FRAME_BYTES = 4000
"""So that a head of 4096 bytes shows the second header. MP3 frames have 1441 bytes at most, ADTS
frames 768 for each channel."""

_LYRICS_END = re.compile(rb"LYRICS(?:200|END)")
_NOT_ZERO = re.compile(rb"[^\x00]", re.DOTALL)


@dataclass(slots=True)
class _Promise:
    """Where the frames must reach, as the first of them says (0: it does not)."""

    end: int = 0
    first_frame_seen: bool = False


def sniff(head: bytes) -> MediaType | None:
    """Recognise ID3v2, or two frame headers in a row (one, where the head holds no second)."""
    start = id3.tag_bytes(head)
    first = _frame_bytes(head[start : start + 6])
    if not first or first > _MAX_FIRST_FRAME_BYTES:
        return MP3 if start else None
    following = head[start + first : start + first + 6]
    if len(following) == 6 and not (start or _frame_bytes(following) or _opens_tag(following)):
        return None
    return AAC if _is_adts(head[start + 1]) else MP3


def walk(stream: ByteStream) -> Steps[None]:
    """Read frames and tags to the end of the body."""
    promise = _Promise()
    while header := (yield from _next_header(stream)):
        stream.missing = "the rest of its last frame"
        if size := _mp3_bytes(header):
            if promise.first_frame_seen:
                yield from stream.skip(size - 4)
            else:
                yield from _first_frame(stream, header, size, promise)
        elif len(header) == 4 and header[0] == 0xFF and _is_adts(header[1]):
            yield from _adts_frame(stream, header)
            promise.first_frame_seen = True
        else:
            yield from _tag(stream, header)
    _judge(stream, promise)


def _next_header(stream: ByteStream) -> Steps[bytes]:
    """Return the next 4 bytes that do not begin with padding; fewer at the end."""
    header = yield from stream.take(4, may_end=True)
    while header and not header[0]:
        header = header.lstrip(b"\x00") or (yield from stream.find(_NOT_ZERO, 1, may_end=True))
        header += yield from stream.take(4 - len(header), may_end=True)
    return header


def _judge(stream: ByteStream, promise: _Promise) -> None:
    if not promise.first_frame_seen:
        stream.missing = "any audio"
        raise stream.cut()
    if stream.position < promise.end:
        stream.missing = f"the {promise.end:,} bytes that its first frame states"
        raise stream.cut()


def _frame_bytes(header: bytes) -> int:
    """Return the size of the MP3 or ADTS frame whose first 6 bytes these are, or 0."""
    if len(header) < 6 or header[0] != 0xFF:
        return 0
    return _adts_bytes(header) if _is_adts(header[1]) else _mp3_bytes(header)


def _mp3_bytes(header: bytes) -> int:
    """Return the size of the MP3 frame whose first 4 bytes these are, or 0."""
    if len(header) < 4 or header[0] != 0xFF:
        return 0
    return _mp3_bytes_of(header[1], header[2])


@cache
def _mp3_bytes_of(second: int, third: int) -> int:
    version, layer = second >> 3 & 3, second >> 1 & 3
    rate_index, sample_index, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if second < 0xE0 or version == 1 or layer != 1 or sample_index == 3 or rate_index in (0, 15):
        return 0
    kbits = (_KBITS_MPEG1 if version == 3 else _KBITS_MPEG2)[rate_index]
    bits_per_byte_and_samples = 144000 if version == 3 else 72000
    return bits_per_byte_and_samples * kbits // _SAMPLE_RATES[version][sample_index] + padding


def _is_adts(second: int) -> bool:
    return second & 0xF6 == 0xF0


def _adts_bytes(header: bytes) -> int:
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size >= 7 and header[2] >> 2 & 15 < 13 else 0


def _first_frame(stream: ByteStream, header: bytes, size: int, promise: _Promise) -> Steps[None]:
    """Read the frame in which encoders say how long the stream is."""
    start = stream.position - 4
    frame = header + (yield from stream.take(size - 4))
    promise.first_frame_seen = True
    at = max(frame[:48].find(b"Xing"), frame[:48].find(b"Info"))
    flags = int.from_bytes(frame[at + 7 : at + 8]) if at >= 0 else 0
    if flags & 2:
        at += 12 if flags & 1 else 8
        promise.end = start + int.from_bytes(frame[at : at + 4], "big")
    elif frame[36:40] == b"VBRI":
        promise.end = start + int.from_bytes(frame[46:50], "big")


def _adts_frame(stream: ByteStream, header: bytes) -> Steps[None]:
    size = _adts_bytes(header + (yield from stream.take(2)))
    if not size:
        raise stream.broken("an ADTS header is wrong")
    yield from stream.skip(size - 6)


def _opens_tag(header: bytes) -> bool:
    return header.startswith((b"ID3", b"TAG", b"APET", b"LYRI", b"\x00\x00\x00\x00"))


def _tag(stream: ByteStream, header: bytes) -> Steps[None]:
    """Pass over what is not a frame: a tag."""
    stream.missing = "the rest of a tag"
    if header.startswith(b"ID3"):
        size = id3.tag_bytes(header + (yield from stream.take(6)))
        if not size:
            raise stream.broken("an ID3v2 header is wrong")
        yield from stream.skip(size - id3.HEADER_BYTES)
    elif header.startswith(b"TAG"):
        yield from stream.skip((227 if header == b"TAG+" else 128) - 4)
    elif header == b"APET":
        yield from _ape_tag(stream)
    elif header == b"LYRI":
        yield from stream.find(_LYRICS_END, 9)
    else:
        raise stream.cut() if len(header) < 4 else stream.broken("no frame or tag begins here")


def _ape_tag(stream: ByteStream) -> Steps[None]:
    """Pass over an APEv2 tag that begins with a header; its size counts items and footer."""
    header = yield from stream.take(28)
    yield from stream.skip(int.from_bytes(header[8:12], "little"))


FORMAT = Format(name="MP3 or AAC", media_types=(MP3, AAC), sniff=sniff, walk=walk)
