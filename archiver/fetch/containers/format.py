"""What a format is: the port that each module in `formats` fills.

sniff(head)     the media type if the head, HEAD_BYTES or the whole body when shorter, is this
                format's; else None. It looks at magic numbers only, and MUST NOT raise.
walk(stream)    a generator that reads the body from its first byte to its end. It raises
                `Damaged` when the structure is broken, and returns only once the body has
                ended and is whole. It MUST take small pieces only (a few KiB), and MUST
                raise nothing but `Damaged`, whatever the bytes are.
"""

from collections.abc import Callable
from dataclasses import dataclass

from archiver.fetch.containers.media_types import MediaType
from archiver.fetch.containers.stream import ByteStream, Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One container format: its name in messages, its media types, and how to read it."""

    name: str
    media_types: tuple[MediaType, ...]
    sniff: Callable[[bytes], MediaType | None]
    walk: Callable[[ByteStream], Steps[None]]
