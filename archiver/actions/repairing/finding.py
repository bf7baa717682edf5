"""What a repair works with, and what it says of each thing that was found wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from archiver.actions.archive import Account, Archive
from archiver.actions.copying import digest_of
from archiver.actions.repairing.setting_aside import Quarantine
from archiver.errors import CopyDamaged, CopyMissing, DestinationUnavailable
from archiver.fetch.engine import MediaEngine
from archiver.index.queries import Copy
from archiver.index.rows import Known
from archiver.model import Digest, Fault
from archiver.storage.base import Destination

INDEX = "the index"


class Outcome(StrEnum):
    """What became of one finding."""

    HEALED = "healed"
    CLEARED = "cleared"
    """It was looked at again and is right, or gone: there was nothing to heal."""
    TAKEN_OVER = "taken over"
    LEFT_ALONE = "left alone"
    REFUSED = "refused"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """One finding and its end. `source` is what healed it, `aside` where the bad file is kept."""

    destination: str
    path: str
    fault: Fault
    outcome: Outcome
    account: str | None = None
    generation: str | None = None
    source: str | None = None
    aside: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What heals: the archive (with the destinations that can be used), and who can be asked.

    `open_account` gives an account that can be asked, or None. `scope` names the destinations
    that are healed; all of the archive's may be read. `unusable` says why some cannot be written:
    those of them that can be read are sources all the same.
    """

    archive: Archive
    scope: frozenset[str]
    unusable: Mapping[str, str]
    open_account: Callable[[str], Account | None]
    engine: MediaEngine
    now: datetime
    quarantine: Quarantine = field(default_factory=Quarantine)

    @property
    def writable(self) -> Archive:
        """The archive with the destinations that can be written."""
        return self.archive.without(frozenset(self.unusable))

    def target(self, name: str) -> Destination:
        """Give a destination to write; raises DestinationUnavailable, saying why it cannot be."""
        if name in self.unusable:
            raise DestinationUnavailable(f"{name} cannot be used now: {self.unusable[name]}")
        return self.source(name)

    def source(self, name: str) -> Destination:
        """Give a destination to read; raises DestinationUnavailable, saying why it cannot be."""
        if name not in self.archive.destinations:
            reason = self.unusable.get(name, "it is no destination of the config")
            raise DestinationUnavailable(f"{name} cannot be used now: {reason}")
        return self.archive.destinations[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at one copy found: right, or what is wrong, in words for a person."""

    is_right: bool
    fault: Fault | None
    words: str


def look_again(destination: Destination, key: str, digest: Digest) -> Seen:
    """Read a copy whole; raises DestinationUnavailable when it cannot be looked at now."""
    name = destination.name
    try:
        found = digest_of(destination, key)
    except CopyMissing:
        return Seen(is_right=False, fault=Fault.MISSING, words=f"{name} holds none")
    except CopyDamaged:
        words = f"{name}'s cannot be read"
        return Seen(is_right=False, fault=Fault.UNREADABLE, words=words)
    words = f"{name} holds {describe(found)}"
    if found == digest:
        return Seen(is_right=True, fault=None, words=words)
    is_short = found.size_bytes < digest.size_bytes
    fault = Fault.TRUNCATED if is_short else Fault.DAMAGED
    return Seen(is_right=False, fault=fault, words=words)


def describe(digest: Digest) -> str:
    """Name a file by what it is."""
    return f"{digest.size_bytes} bytes with SHA-256 {digest.sha256}"


def tell(
    known: Known,
    copy: Copy,
    outcome: Outcome,
    *,
    source: str | None = None,
    aside: str | None = None,
    message: str | None = None,
) -> Repaired:
    """Say what became of a copy at fault."""
    assert copy.fault is not None, "only what is at fault is repaired"
    return Repaired(
        destination=copy.receipt.destination,
        path=copy.receipt.key,
        fault=copy.fault,
        outcome=outcome,
        account=known.generation.account,
        generation=known.generation.id,
        source=source,
        aside=aside,
        message=message,
    )
