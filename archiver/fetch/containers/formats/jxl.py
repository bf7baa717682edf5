"""JPEG XL, as a container of boxes or as a bare codestream.

Source: ISO/IEC 18181-2, 9: boxes as in ISO/IEC 14496-12; the codestream is one `jxlc` box, or
several `jxlp` boxes, each with a 32-bit index whose highest bit marks the last one.

Proves: in a container, that every box is whole and the last part of the codestream is there.
Cannot prove: a bare codestream, and a last box of size 0: their end shows only by decoding.
After the last box: zero padding is accepted, anything else is damage.
"""

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.formats.boxes import read_header, skip_payload
from archiver.fetch.containers.media_types import JXL, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

CODESTREAM = b"\xff\x0a"
SIGNATURE = b"\x00\x00\x00\x0cJXL \r\n\x87\n"


def sniff(head: bytes) -> MediaType | None:
    """Recognise the signature box, or the two bytes that open a codestream."""
    return JXL if head.startswith((SIGNATURE, CODESTREAM)) else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read the boxes of a container; accept any codestream."""
    if (yield from stream.take(2)) == CODESTREAM:
        stream.missing = "any codestream"
        yield from stream.take(1)
        yield from stream.rest()
    elif (yield from stream.take(10)) != SIGNATURE[2:]:
        raise stream.broken("the signature is wrong")
    else:
        yield from _boxes(stream)


def _boxes(stream: ByteStream) -> Steps[None]:
    has_end = False
    while box := (yield from read_header(stream)):
        has_end = has_end or box.kind == b"jxlc"
        if box.kind == b"jxlp" and box.payload_bytes != 0:
            has_end = bool((yield from stream.take(1))[0] & 0x80)
            yield from stream.skip((box.payload_bytes or 1) - 1)
        else:
            yield from skip_payload(stream, box)
    if not has_end:
        stream.missing = "the last part of its codestream"
        raise stream.cut()


FORMAT = Format(name="JPEG XL", media_types=(JXL,), sniff=sniff, walk=walk)
