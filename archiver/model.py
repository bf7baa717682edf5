"""The words of the product: what a provider lists, what is kept, and how it is proven.

Every other room speaks in these types. They are frozen, compare by value and hold no
behaviour beyond what their own fields say. All times are aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit


class Kind(StrEnum):
    """What a generation or an asset is. Only a generation is `text`: it has no file."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    OTHER = "other"


class Role(StrEnum):
    """What an asset is for, in the order in which it is fetched: outputs come first."""

    OUTPUT = "output"
    SEGMENT = "segment"
    SPEECH = "speech"
    LAST_FRAME = "last_frame"
    THUMBNAIL = "thumbnail"
    REFERENCE = "reference"
    MASK = "mask"


class Status(StrEnum):
    """How far the provider is with a generation."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class State(StrEnum):
    """How far the archive is with a generation or an asset; docs/design.md draws the machine."""

    IN_PROGRESS = "in_progress"
    PENDING = "pending"
    ARCHIVED = "archived"
    FAILED = "failed"
    EXCLUDED = "excluded"
    LOST = "lost"


class Fault(StrEnum):
    """What is wrong with a copy, or with a file at a destination."""

    MISSING = "missing"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    SWAPPED = "swapped"
    UNREADABLE = "unreadable"
    DISAGREES = "disagrees"
    TOO_NEW = "too new"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A place to fetch one file from. Its query may be a signature, so it is never printed."""

    url: str = field(repr=False)
    with_credentials: bool = False

    @property
    def public_url(self) -> str:
        """The address without user, query and fragment: what may be stored and shown."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def is_secret(self) -> bool:
        """Whether the address carries more than may be stored (a signature, a token)."""
        return self.url != self.public_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A file that the provider put into its answer."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One media file of a generation, as its provider lists it.

    `key` is unique inside the generation and made from the provider's ids and roles, never
    from an address. `sources` are alternatives for the same file, the best first.
    """

    key: str
    role: Role
    kind: Kind
    sources: tuple[Link | Embedded, ...]
    original_name: str | None = None
    stated_size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a generation cost, in the provider's own unit; the amount is a decimal string."""

    amount: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a generation failed at its provider."""

    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One item of a provider's history; (account, id) is its identity.

    `raw` holds the provider's own records by name ("list", "detail"), already free of signed
    queries and of large embedded data. `expires_at` is the provider's own word, or None.
    """

    provider: str
    account: str
    id: str
    kind: Kind
    status: Status
    created_at: datetime | None
    model: str | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    name: str | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    cost: Cost | None = None
    error: Failure | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    assets: tuple[Asset, ...] = ()
    raw: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row of a listing that could not be understood; it is counted and shown."""

    id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a listing. `next_cursor` asks for the page behind it, None ends the walk."""

    rows: tuple[Generation | BadRow, ...]
    total: int | None
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a whole file is: its length and its SHA-256 as 64 lower-case hex digits."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A destination's word that it holds a file. `verified` says how that was checked."""

    destination: str
    key: str
    digest: Digest
    stored_at: datetime
    verified: str
    etag: str | None = None
    version_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a destination says of one file it holds, without reading it."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One asset as it is kept: the entry of a sidecar's `media`."""

    key: str
    role: Role
    kind: Kind
    path: str
    original_name: str | None
    media_type: str
    digest: Digest
    source_url: str | None
    source_etag: str | None
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One asset that is not kept, and why: the entry of a sidecar's `missing`."""

    key: str
    role: Role
    state: State
    reason: str
    http_status: int | None
    at: datetime
