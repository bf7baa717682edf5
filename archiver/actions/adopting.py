"""One sidecar, read and made into what the index takes over of it (promise 2)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from archiver import sidecar
from archiver.actions.roots import stem_of
from archiver.index import Index, adopted
from archiver.index.adopted import Adoptable
from archiver.index.captured import SIDECAR, Captured
from archiver.model import Digest, Receipt, State, Status
from archiver.states import MISSING_EVENTS, Event
from archiver.storage.base import Destination, read_whole


@dataclass(frozen=True, slots=True)
class ReadSidecar:
    """One sidecar as it was read."""

    key: str
    digest: Digest
    content: sidecar.Sidecar


def read_sidecar(destination: Destination, key: str) -> ReadSidecar:
    """Read one sidecar; raises CopyMissing, and CopyDamaged when it is none."""
    body = read_whole(destination, key, sidecar.MAX_BYTES)
    digest = Digest(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
    return ReadSidecar(key, digest, sidecar.decode(body, key))


def take_over(index: Index, destination: str, read: ReadSidecar, now: datetime) -> None:
    """Adopt one sidecar; raises CopyDamaged or ValueError when it contradicts its own place."""
    adopted.adopt(index, make_adoptable(destination, read, now))


def make_adoptable(destination: str, read: ReadSidecar, now: datetime) -> Adoptable:
    """Make the rows of one sidecar; raises CopyDamaged when it contradicts its own place."""
    stem = stem_of(read.key, [media.path for media in read.content.media])
    return adopted.make_adoptable(read.content.generation, stem, _outcome(destination, read, now))


def _outcome(destination: str, read: ReadSidecar, now: datetime) -> Captured:
    content = read.content
    event, reason = _judge(content)
    receipts = [(SIDECAR, _receipt(destination, read.key, read.digest, content.archived_at))]
    receipts += [
        (media.key, _receipt(destination, media.path, media.digest, media.fetched_at))
        for media in content.media
    ]
    return Captured(
        event=event,
        reason=reason,
        media=content.media,
        missing=content.missing,
        receipts=tuple(receipts),
        archived_at=content.archived_at,
        next_try_at=now if event is Event.TRY_FAILED else None,
    )


def _judge(content: sidecar.Sidecar) -> tuple[Event, str | None]:
    """Name the event that the last try before this sidecar ended in.

    What is in progress gets a sidecar only when it vanished so (`actions/listing/unfinished.py`).
    """
    for state in (State.FAILED, State.LOST):
        found = next((one for one in content.missing if one.state is state), None)
        if found is not None:
            return MISSING_EVENTS[state], found.reason
    if content.generation.status is Status.IN_PROGRESS:
        return Event.PROVEN_GONE, "vanished while it was in progress"
    return Event.SECURED, None


def _receipt(destination: str, key: str, digest: Digest, stored_at: datetime) -> Receipt:
    return Receipt(
        destination=destination,
        key=key,
        digest=digest,
        stored_at=stored_at,
        verified="sidecar",
    )
