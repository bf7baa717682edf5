"""Tell media from everything else by the first bytes of a body (promises 1 and 8 of SPEC.md).

What providers and their storage send instead of media: HTML pages, JSON and XML errors (S3's
`<Error>` among them), a line of plain text, an empty body, any of these compressed. All of these
are refused. So is media that is text, such as SVG or glTF JSON: it cannot be told from an error
page, nor can its end be proven in general. Brotli has no magic number and cannot be refused.

Binary content of no known format is accepted as `bin`, so that nothing is lost, unless it is too
short to be anything but the beginning of a file whose magic number was cut.
"""

import codecs
import re

from archiver.fetch.containers import formats
from archiver.fetch.containers.faults import NotMedia
from archiver.fetch.containers.media_types import UNKNOWN, MediaType

HEAD_BYTES = 4096
"""How much `recognise` wants to see: one MP3 frame and the header after it, an EBML header, the
codec headers of each stream of an Ogg file."""

_MIN_UNKNOWN_BYTES = 64
"""Every known format is recognised by fewer bytes (EBML needs the most, some 40)."""

_COMPRESSED = {
    b"\x1f\x8b": "gzip-compressed data",  # RFC 1952, 2.3.1
    b"\x28\xb5\x2f\xfd": "zstd-compressed data",  # RFC 8878, 3.1.1
    b"\x78\x01": "zlib-compressed data",  # RFC 1950, 2.2: its four levels, 32 KiB window
    b"\x78\x5e": "zlib-compressed data",
    b"\x78\x9c": "zlib-compressed data",
    b"\x78\xda": "zlib-compressed data",
}

_BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no text has, in UTF-8 as in Latin-1, Shift JIS or GB 18030 (ESC is in ISO-2022-JP)."""

_SPACE = b" \t\r\n\f\v"


def recognise(head: bytes) -> MediaType:
    """Return what the body is, from its first HEAD_BYTES (or all of it, when shorter).

    Raises `NotMedia` with what it is instead.
    """
    if not head:
        raise NotMedia("the body is empty")
    for known in formats.FORMATS:
        if media_type := known.sniff(head):
            return media_type
    if reason := _compression(head) or _document(head):
        raise NotMedia(f"the body is {reason}")
    if len(head) < _MIN_UNKNOWN_BYTES:
        raise NotMedia(f"the body has {len(head)} bytes and is of no known format")
    return UNKNOWN


def _compression(head: bytes) -> str | None:
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            return name
    return None


def _document(head: bytes) -> str | None:
    """Name the kind of text that the head is, if it is text."""
    text = _as_ascii_superset(head).lstrip(_SPACE)
    if not text:
        return "blank"
    if text.startswith(b"<"):
        return _markup(text[:512].lower())
    if text.startswith((b"{", b"[")):
        return "a JSON document"
    if not _CONTROL.search(text):
        return "plain text"
    return None


def _markup(text: bytes) -> str:
    if b"<svg" in text:
        return "an SVG document, which is text and cannot be told from an error page"
    if b"<!doctype html" in text or b"<html" in text:
        return "an HTML page"
    if text.startswith(b"<?xml") or b"<error>" in text:
        return "an XML document"
    return "a markup document"


def _as_ascii_superset(head: bytes) -> bytes:
    """Return the head without its byte order mark, and UTF-16 or UTF-32 text as UTF-8.

    What claims such an encoding but is not text in it is returned as it came.
    """
    encoding, text = _encoding(head)
    if encoding is None:
        return text
    try:
        return codecs.getincrementaldecoder(encoding)().decode(text).encode()
    except UnicodeError:
        return head


def _encoding(head: bytes) -> tuple[str | None, bytes]:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding, head[len(mark) :]
    # UTF-16 without a mark: a document begins with ASCII, so every other byte is zero.
    if len(head) >= 8 and not any(head[1:8:2]) and all(head[0:8:2]):
        return "utf-16-le", head
    if len(head) >= 8 and not any(head[0:8:2]) and all(head[1:8:2]):
        return "utf-16-be", head
    return None, head
