"""Reads multipart/form-data, byte for byte (RFC 7578)."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

_HEADER_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form: `filename` is None for text."""

    name: str
    filename: str | None
    content: bytes

    @property
    def text(self) -> str:
        """Return the content as text."""
        return self.content.decode("utf-8", "replace")


def parse_multipart(content_type: str, body: bytes) -> list[Part]:
    """Return the named parts of a body in their order; none where it is no form."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        return []
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    found = [_part(part) for part in parts[1:] if not part.startswith(b"--")]
    return [part for part in found if part is not None]


def _part(written: bytes) -> Part | None:
    """Read one part with its head; None for one without a name."""
    head, _, content = written.removeprefix(b"\r\n").partition(_HEADER_END)
    headers = BytesHeaderParser().parsebytes(head + _HEADER_END)
    name = headers.get_param("name", header="content-disposition")
    return Part(name, headers.get_filename(), content) if isinstance(name, str) else None
