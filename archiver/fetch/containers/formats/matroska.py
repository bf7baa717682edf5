"""WebM and Matroska: EBML elements by their sizes.

Sources: RFC 8794 (EBML: 4 variable-size integers, 6.2 unknown sizes, 11.2.4 the document type);
RFC 9559 (Matroska: 5.1 Segment and its children); https://www.webmproject.org/docs/container/.

Proves: a segment of known size, to its last byte, with every element at its top inside it. In a
segment of unknown size (live recorders, browsers, encoders that write to a pipe): that the last
element is whole.
Cannot prove: a segment of unknown size that is cut exactly between two elements (a block, a
cluster).
After a segment of known size: anything is accepted; it states its own end.
The kind is video, for sound alone too: the list of tracks may be longer than the head.
"""

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import MKV, WEBM, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
CLUSTER = b"\x1f\x43\xb6\x75"
_BLOCKS = (b"\xa3", b"\xa0")  # SimpleBlock, BlockGroup
_DOCUMENT_TYPE = b"\x42\x82"
_MEDIA_TYPE_OF = {b"webm": WEBM, b"matroska": MKV}


def sniff(head: bytes) -> MediaType | None:
    """Recognise the EBML header and its document type."""
    if not head.startswith(EBML):
        return None
    at = head.find(_DOCUMENT_TYPE, 4, 128) + 2
    size = head[at] & 0x7F if 2 < at < len(head) else 0
    return _MEDIA_TYPE_OF.get(head[at + 1 : at + 1 + size].rstrip(b"\x00"))


def walk(stream: ByteStream) -> Steps[None]:
    """Read the header, then the segment to its end, or to that of the body."""
    kind, size = yield from _element(stream, (yield from stream.take(1)))
    if kind != EBML or size is None:
        raise stream.broken("it does not begin with an EBML header")
    yield from stream.skip(size)
    while True:
        stream.missing = "its segment"
        kind, size = yield from _element(stream, (yield from stream.take(1)))
        if kind == SEGMENT:
            break
        yield from stream.skip(_known(stream, size))
    if not (yield from _segment(stream, None if size is None else stream.position + size)):
        raise stream.broken("there is no cluster in its segment")
    yield from stream.rest()


def _segment(stream: ByteStream, end: int | None) -> Steps[bool]:
    """Read the elements of a segment; return whether media was among them."""
    has_media = False
    stream.missing = "the rest of its segment"
    while end is None or stream.position < end:
        first = yield from stream.take(1, may_end=end is None)
        if not first:
            break
        stream.missing = "the rest of an element"
        kind, size = yield from _element(stream, first)
        has_media = has_media or kind in _BLOCKS or (kind == CLUSTER and bool(size))
        if kind == CLUSTER and size is None:
            continue  # its children are read as if they stood here; all of them state a size
        if end is not None and stream.position + _known(stream, size) > end:
            raise stream.broken("an element goes beyond the segment around it")
        yield from stream.skip(_known(stream, size))
    return has_media


def _known(stream: ByteStream, size: int | None) -> int:
    if size is None:
        raise stream.broken("an element that must state its size does not")
    return size


def _element(stream: ByteStream, first: bytes) -> Steps[tuple[bytes, int | None]]:
    """Read the header of an element after its first byte: its id, and its size if known."""
    width = 9 - first[0].bit_length()
    if width > 4:
        raise stream.broken("no element begins here")
    kind = first + (yield from stream.take(width - 1))
    lead = yield from stream.take(1)
    width = 9 - lead[0].bit_length()
    if width > 8:
        raise stream.broken("the size of an element is wrong")
    value = int.from_bytes(lead + (yield from stream.take(width - 1)), "big")
    mask = (1 << 7 * width) - 1
    return kind, None if value & mask == mask else value & mask


FORMAT = Format(name="Matroska", media_types=(WEBM, MKV), sniff=sniff, walk=walk)
