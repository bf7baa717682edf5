"""What a simulated provider holds: items, and the files that they made.

Nothing here depends on the time of day: an item says when it finishes and how it
ends, and whoever shows it asks for its state at a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from archiver.simulator.media import MEDIA_TYPES, fitting_size

PROVIDERS: Final = ("geminigen", "oxen", "sync", "neuralbox")

Outcome = Literal["completed", "failed", "rejected", "cancelled"]
State = Literal["queued", "processing", "completed", "failed", "rejected", "cancelled"]
"""A service that knows no "rejected" or "cancelled" calls both failed."""

OMITTED: Final = object()
"""A value for `Item.patch` that removes the key from the provider's answer."""

INPUT_ROLES: Final = ("reference", "reference_thumbnail", "mask")
"""Files that the user brought, which exist before the item is complete."""

NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""When an item starts or finishes that a test holds back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One media file on the media host.

    `path` is its address there without a query, `file_format` decides its bytes
    (see `media`), `version` changes them. `signed` files are served only to a signed
    link. `url` stands in for the real link in the provider's answers, for hostile ones.
    `stated_size_bytes` is what the provider claims, when that is not the truth. `content`
    is what a user uploaded, served as it came.
    """

    role: str
    file_format: str
    size_bytes: int
    path: str
    output: int = 0
    signed: bool = True
    version: int = 0
    url: str | None = None
    stated_size_bytes: int | None = None
    content: bytes | None = field(default=None, repr=False)

    @property
    def media_type(self) -> str:
        """Return the Content-Type under which the media host serves it."""
        return MEDIA_TYPES[self.file_format]

    @property
    def claimed_size_bytes(self) -> int:
        """Return the size that the provider's API states."""
        return self.size_bytes if self.stated_size_bytes is None else self.stated_size_bytes

    def resized(self, size_bytes: int) -> File:
        """Return the same file with other bytes, of the nearest size that its format allows."""
        return replace(self, size_bytes=fitting_size(self.file_format, size_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One generation at one provider.

    `key` is the reversible 32-digit name in media paths, `id` what the API calls it,
    `number` its other, integer id (GeminiGen, NeuralBox). `patch` is laid over the
    item's JSON object as the last step, so that a test can make malformed rows.
    """

    provider: str
    namespace: str
    ordinal: int
    key: str
    id: str
    number: int
    kind: str
    model: str
    prompt: str
    created_at: datetime
    started_at: datetime
    finishes_at: datetime
    outcome: Outcome
    negative_prompt: str = ""
    files: tuple[File, ...] = ()
    text: str | None = None
    error_code: str = ""
    error_message: str = ""
    cost_cents: int = 0
    expires_at: datetime | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    patch: Mapping[str, object] = field(default_factory=dict)

    def state(self, at: datetime) -> State:
        """Return what the item is doing at a moment."""
        if at >= self.finishes_at:
            return self.outcome
        return "queued" if at < self.started_at else "processing"

    def has_failed(self, at: datetime) -> bool:
        """Say whether it has ended badly, in whichever way."""
        return at >= self.finishes_at and self.outcome != "completed"

    def progress_percent(self, at: datetime) -> int:
        """Return 0 to 99 while it is made, 100 when it has ended."""
        if at >= self.finishes_at:
            return 100
        whole = max(self.finishes_at - self.created_at, timedelta(microseconds=1))
        return max(0, int(99 * ((at - self.created_at) / whole)))

    def files_of(self, *roles: str) -> tuple[File, ...]:
        """Return its files that have one of these roles, in order."""
        return tuple(file for file in self.files if file.role in roles)

    def patched(self, row: dict[str, object]) -> dict[str, object]:
        """Lay `patch` over the item's JSON object and drop what it omits."""
        if not self.patch:
            return row
        merged = {**row, **self.patch}
        return {name: value for name, value in merged.items() if value is not OMITTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a populated history is like.

    `size_bytes` is a range for every file; without it sizes are believable for the
    format. The newest `in_progress` items are still being made, for some minutes
    after the history was populated.
    """

    span: timedelta = timedelta(days=21)
    kinds: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    size_bytes: tuple[int, int] | None = None
    failed_share: float = 0.06
    in_progress: int = 2
    outputs: int | None = None
    """How many outputs an image has; by default mostly one and at times up to four."""
    extras: bool = True
    """Whether thumbnails, last frames, segments, speech, references and masks are made."""

    def plain(self, *, size_bytes: int, file_format: str = "png") -> Recipe:
        """Return a recipe for benchmarks: one image of one size for each item, none failed."""
        return replace(
            self,
            kinds=("image",),
            formats=(file_format,),
            size_bytes=(size_bytes, size_bytes),
            failed_share=0.0,
            in_progress=0,
            outputs=1,
            extras=False,
        )
