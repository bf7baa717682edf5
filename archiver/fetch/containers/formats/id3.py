"""The ID3v2 tag, which may stand before MP3, ADTS and, against its rules, FLAC.

Source: https://id3.org/id3v2.4.0-structure, 3.1: "ID3", version 2, 3 or 4, a revision, flags, and
a size of four bytes below 0x80, without the header's 10 bytes and the optional footer's 10.
"""

HEADER_BYTES = 10
_VERSIONS = (2, 3, 4)
_HAS_FOOTER = 0x10


def tag_bytes(head: bytes) -> int:
    """Return the size of the tag that the head begins with, all counted; 0 if there is none."""
    if len(head) < HEADER_BYTES or head[:3] != b"ID3":
        return 0
    if head[3] not in _VERSIONS or max(head[6:10]) >= 0x80:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return HEADER_BYTES + size + (10 if head[5] & _HAS_FOOTER else 0)
