"""PNG and APNG: every chunk whole, every checksum right, up to IEND.

Source: PNG third edition, https://www.w3.org/TR/png-3/ (5.2 signature, 5.3 chunk layout, 5.6
order). APNG frames (`fcTL`, `fdAT`) and C2PA manifests (`caBX`) are chunks like others.

Proves: every byte from the signature to IEND. Cannot prove: nothing of importance.
After IEND: anything is accepted; tools do append data there, and every reader ignores it.
"""

import zlib

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import PNG, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNK_BYTES = 2**31 - 1


def sniff(head: bytes) -> MediaType | None:
    """Recognise the signature."""
    return PNG if head.startswith(SIGNATURE) else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read chunks up to IEND."""
    if (yield from stream.take(8)) != SIGNATURE:
        raise stream.broken("the signature is wrong")
    if (yield from _chunk(stream)) != b"IHDR":
        raise stream.broken("the first chunk is not IHDR")
    has_image = False
    while (kind := (yield from _chunk(stream))) != b"IEND":
        has_image = has_image or kind == b"IDAT"
    if not has_image:
        raise stream.broken("there is no IDAT chunk")
    yield from stream.rest()


def _chunk(stream: ByteStream) -> Steps[bytes]:
    """Read one chunk, check its CRC, and return its type."""
    stream.missing = "its IEND chunk"
    header = yield from stream.take(8)
    size, kind = int.from_bytes(header[:4], "big"), header[4:]
    if size > MAX_CHUNK_BYTES or not kind.isalpha():
        raise stream.broken("no chunk begins here")
    stream.missing = f"the rest of its {kind.decode('ascii')} chunk"
    computed = yield from stream.crc32(size, zlib.crc32(kind))
    stated = yield from stream.take(4)
    if computed != int.from_bytes(stated, "big"):
        raise stream.broken(f"the checksum of a {kind.decode('ascii')} chunk is wrong")
    return kind


FORMAT = Format(name="PNG", media_types=(PNG,), sniff=sniff, walk=walk)
