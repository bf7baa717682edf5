"""BMP: as long as its header says, or as its pixels need.

Source: BITMAPFILEHEADER and BITMAPINFOHEADER,
https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapinfoheader. The file size
field is wrong in many files, so for uncompressed pixels the size is computed from the picture.

Proves: all pixels are there. Cannot prove: compressed bitmaps whose size field is 0 or too small.
After the pixels: anything is accepted (colour profiles stand there, padding is common).
"""

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import BMP, MediaType
from archiver.fetch.containers.stream import ByteStream, Steps

_CORE_HEADER_BYTES = 12
_HEADER_SIZES = (_CORE_HEADER_BYTES, 40, 52, 56, 64, 108, 124)
_UNCOMPRESSED = (0, 3, 6)  # BI_RGB, BI_BITFIELDS, BI_ALPHABITFIELDS


def sniff(head: bytes) -> MediaType | None:
    """Recognise the magic letters and the size of the header behind them."""
    known = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _HEADER_SIZES
    return BMP if known else None


def walk(stream: ByteStream) -> Steps[None]:
    """Read the headers, then as many bytes as they demand."""
    header = yield from stream.take(26)
    if not sniff(header):
        raise stream.broken("the header is wrong")
    end = int.from_bytes(header[2:6], "little")
    if header[14] != _CORE_HEADER_BYTES:
        header += yield from stream.take(8)
        end = _pixels_end(header) or end
    stream.missing = f"the {end:,} bytes that its header demands"
    yield from stream.skip(max(1, end - stream.position))
    yield from stream.rest()


def _pixels_end(header: bytes) -> int:
    """Return where uncompressed pixels end; 0 for compressed ones."""
    width, height = (int.from_bytes(header[at : at + 4], "little", signed=True) for at in (18, 22))
    bits, compression = header[28], int.from_bytes(header[30:34], "little")
    if compression not in _UNCOMPRESSED:
        return 0
    row_bytes = (abs(width) * bits + 31) // 32 * 4
    return int.from_bytes(header[10:14], "little") + row_bytes * abs(height)


FORMAT = Format(name="BMP", media_types=(BMP,), sniff=sniff, walk=walk)
