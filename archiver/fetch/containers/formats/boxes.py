"""The box headers that the ISO base media file format and JPEG XL share.

Source: ISO/IEC 14496-12, 4.2: a 32-bit size that counts the header, a 4-byte type; size 1 means
that a 64-bit size follows, size 0 that the box goes on to the end of the file.
"""

from dataclasses import dataclass

from archiver.fetch.containers.stream import ByteStream, Steps

_PADDING_OR_END = (0, 4, 8)
"""How many zeros may stand for no further box: none, QuickTime's 32-bit terminator, or padding;
1 to 3 are the beginning of a size."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box header that has just been read; `payload_bytes` is None up to the end."""

    kind: bytes
    payload_bytes: int | None


def read_header(stream: ByteStream) -> Steps[Box | None]:
    """Read the next box header; None at the end of the body, or of its zero padding."""
    header = yield from stream.take(8, may_end=True)
    if not any(header) and len(header) in _PADDING_OR_END:
        yield from stream.rest()
        return None
    size, kind = int.from_bytes(header[:4], "big"), header[4:]
    if len(header) < 8:
        raise stream.cut()
    if not all(0x20 <= letter < 0x7F for letter in kind):
        raise stream.broken("no box begins here")
    stream.missing = f"the rest of its {kind.decode('ascii').strip()} box"
    if size == 0:
        return Box(kind, None)
    read = 8
    if size == 1:
        size, read = int.from_bytes((yield from stream.take(8)), "big"), 16
    if size < read:
        raise stream.broken(f"a {kind.decode('ascii')} box is shorter than its own header")
    return Box(kind, size - read)


def skip_payload(stream: ByteStream, box: Box) -> Steps[None]:
    """Pass over the content of a box; one without a size takes all there is."""
    if box.payload_bytes is None:
        yield from stream.rest()
    else:
        yield from stream.skip(box.payload_bytes)
