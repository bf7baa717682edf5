"""GLB: a 3D scene in one file, as image-to-3D services give it.

Source: glTF 2.0, 4.4 "GLB File Format Specification"
(Khronos, "glTF 2.0 Specification", section "GLB File Format Specification").

Proves: the stated length is there, and the chunks fill it. Cannot prove: nothing of importance.
After the stated length: anything is damage, as the specification makes it the file's length.
"""

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import GLB, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

MAGIC = b"glTF"


def sniff(head: bytes) -> MediaType | None:
    """Recognise the magic number and a version below 256, which no text has there."""
    return GLB if head[:4] == MAGIC and head[5:8] == bytes(3) else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read the header and the chunks."""
    header = yield from stream.take(12)
    end = int.from_bytes(header[8:], "little")
    if not sniff(header) or end < 20:
        raise stream.broken("the header is wrong")
    stream.missing = f"the {end:,} bytes that it states"
    while stream.position < end:
        size = int.from_bytes((yield from stream.take(8))[:4], "little")
        if stream.position + size > end:
            raise stream.broken("a chunk goes beyond the stated length")
        yield from stream.skip(size)
    yield from stream.nothing_more()


FORMAT = Format(name="GLB", media_types=(GLB,), sniff=sniff, walk=walk)
