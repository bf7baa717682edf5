"""GIF: blocks up to the trailer, still and animated.

Source: GIF89a (https://www.w3.org/Graphics/GIF/spec-gif89a.txt), 15 sub-blocks, 18 screen
descriptor, 20 image descriptor, 27 trailer.

Proves: every block from the header to the trailer, with at least one image. Cannot prove: the
compressed data itself.
After the trailer: anything is accepted; it is common, and every reader ignores it.
"""

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import GIF, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

MAGICS = (b"GIF87a", b"GIF89a")
EXTENSION, IMAGE, TRAILER = b"\x21", b"\x2c", b"\x3b"


def sniff(head: bytes) -> MediaType | None:
    """Recognise the signature and version."""
    return GIF if head.startswith(MAGICS) else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read the screen, then blocks up to the trailer."""
    header = yield from stream.take(13)
    if not header.startswith(MAGICS):
        raise stream.broken("the signature is wrong")
    stream.missing = "its trailer"
    yield from stream.skip(_color_table_bytes(header[10]))
    images = 0
    while (block := (yield from stream.take(1))) != TRAILER:
        if block == EXTENSION:
            yield from stream.skip(1)
        elif block == IMAGE:
            descriptor = yield from stream.take(9)
            yield from stream.skip(_color_table_bytes(descriptor[8]) + 1)  # 1: LZW code size
            images += 1
        else:
            raise stream.broken(f"no block begins with 0x{block.hex()}")
        yield from _sub_blocks(stream)
    if not images:
        raise stream.broken("there is no image before its trailer")
    yield from stream.rest()


def _color_table_bytes(flags: int) -> int:
    """Return the size of the colour table that a flags byte announces, or 0."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(stream: ByteStream) -> Steps[None]:
    while size := (yield from stream.take(1))[0]:
        yield from stream.skip(size)


FORMAT = Format(name="GIF", media_types=(GIF,), sniff=sniff, walk=walk)
