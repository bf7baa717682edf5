"""What every verb works on: an archive (index and destinations) and the accounts that fill it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the clock is taken from here by commands that need none of these
    from archiver.errors import ArchiverError
    from archiver.fetch.engine import Credentials
    from archiver.index import Index
    from archiver.model import Generation, Kind, Role
    from archiver.providers.base import Provider
    from archiver.providers.pace import Pace
    from archiver.storage.base import Destination

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An index and the destinations that hold the files.

    `destinations` are those that can be used now, `names` all that there are. `required` names
    the destinations that must hold a file; empty means any one of them. `writes_xmp` adds an XMP
    sidecar for photo tools to each media file.
    """

    index: Index
    destinations: Mapping[str, Destination]
    names: frozenset[str]
    required: frozenset[str]
    layout: str
    roles: frozenset[Role]
    writes_xmp: bool = False
    clock: Clock = utc_now

    def is_enough(self, holding: Sequence[str] | frozenset[str]) -> bool:
        """Tell whether a file that these destinations hold counts as captured."""
        held = frozenset(holding)
        return self.required <= held if self.required else bool(held)

    def without(self, unusable: frozenset[str]) -> Archive:
        """The same archive while some destinations cannot be used."""
        left = {name: self.destinations[name] for name in self.destinations.keys() - unusable}
        return replace(self, destinations=left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account: its provider, its pace, and the rules the user set for it."""

    name: str
    provider: Provider
    pace: Pace
    credentials: Credentials
    retention: timedelta | None = None
    kinds: frozenset[Kind] | None = None
    since: datetime | None = None

    @property
    def kept_for(self) -> timedelta | None:
        """How long the provider keeps what it made: the user's word, else the provider's own."""
        return self.retention or self.provider.capabilities.retention

    def deadline_of(self, generation: Generation) -> datetime | None:
        """The moment after which nothing can be fetched: the provider's word, else retention."""
        if generation.expires_at is not None:
            return generation.expires_at
        if self.kept_for is None or generation.created_at is None:
            return None
        try:
            return generation.created_at + self.kept_for
        except OverflowError:
            return None

    def exclusion_of(self, generation: Generation) -> str | None:
        """Name the rule that leaves a generation out, or None."""
        if self.kinds is not None and generation.kind not in self.kinds:
            return f"kind {generation.kind} is not kept"
        created_at = generation.created_at
        if self.since is not None and created_at is not None and created_at < self.since:
            return f"made before {self.since:%Y-%m-%d}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """An account that cannot be opened, as its key is missing: where it is, and why."""

    provider: str
    error: ArchiverError
