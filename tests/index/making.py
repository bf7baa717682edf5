"""Generations, listings and outcomes made in a line, and an index to put them into."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from archiver.index import Index, adopted, listed, queries
from archiver.index.captured import SIDECAR, Captured
from archiver.index.listed import Listed, Seen
from archiver.index.rows import Known
from archiver.model import (
    Asset,
    Digest,
    Generation,
    Kind,
    Link,
    Media,
    Missing,
    Receipt,
    Role,
    State,
    Status,
)
from archiver.states import Event

NOW = datetime(2025, 9, 27, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ENDS_AT = NOW + timedelta(days=29)
WANTED = frozenset({Role.OUTPUT, Role.THUMBNAIL})
OUTPUT = Asset(
    key="output/0",
    role=Role.OUTPUT,
    kind=Kind.IMAGE,
    sources=(Link(url="https://cdn.example.com/a.png?signature=secret"),),
    original_name="a.png",
    stated_size_bytes=4,
)
SECOND = replace(OUTPUT, key="output/1", original_name="b.png")
THUMBNAIL = replace(OUTPUT, key="thumbnail", role=Role.THUMBNAIL)
MASK = replace(OUTPUT, key="mask", role=Role.MASK)


def make(generation_id: str = "g1", **facts: object) -> Generation:
    """Make a finished generation with one output, in which some facts differ."""
    generation = Generation(
        provider="geminigen",
        account="studio",
        id=generation_id,
        kind=Kind.IMAGE,
        status=Status.COMPLETED,
        created_at=NOW - timedelta(days=1),
        model="imagen-4",
        prompt="a cat under a red moon",
        parameters={"seed": 7},
        assets=(OUTPUT,),
        raw={"list": {"uuid": generation_id}},
    )
    return replace(generation, **facts)  # type: ignore[arg-type]  # facts are Generation's fields


def make_listed(generation: Generation, **facts: object) -> Listed:
    """Make what a walk says of a generation."""
    told = Listed(
        generation=generation,
        fingerprint=f"{generation.status}/{generation.prompt}",
        stem=f"{generation.provider}/{generation.account}/{generation.id}",
        deadline_at=generation.expires_at,
        assets=generation.assets,
        excluded_because=None,
    )
    return replace(told, **facts)  # type: ignore[arg-type]  # facts are Listed's fields


def record(index: Index, *entries: Listed | Generation, now: datetime = NOW) -> list[Seen]:
    """Record one page."""
    page = [make_listed(one) if isinstance(one, Generation) else one for one in entries]
    return listed.record_page(index, page, WANTED, now)


def add(index: Index, generation: Generation | None = None, **facts: object) -> Known:
    """Record one generation; return it as the index knows it."""
    [seen] = record(index, make_listed(generation or make(), **facts))
    return queries.load(index, seen.number)


def known(index: Index, generation_id: str = "g1") -> Known:
    """Load the one generation of an id."""
    [found] = queries.by_id(index, generation_id)
    return found


def make_media(one: Known, asset: Asset = OUTPUT, extension: str = "png", **facts: object) -> Media:
    """Make the entry of a file as it was kept."""
    path = f"{one.stem}.{asset.key.replace('/', '-')}.{extension}"
    media = Media(
        key=asset.key,
        role=asset.role,
        kind=asset.kind,
        path=path,
        original_name=asset.original_name,
        media_type="image/png",
        digest=digest_of(path),
        source_url="https://cdn.example.com/a.png",
        source_etag='"e"',
        fetched_at=NOW,
    )
    return replace(media, **facts)  # type: ignore[arg-type]  # facts are Media's fields


def digest_of(text: str) -> Digest:
    """Make some digest."""
    return Digest(size_bytes=4, sha256=hashlib.sha256(text.encode()).hexdigest())


def make_missing(asset: Asset = OUTPUT, state: State = State.FAILED) -> Missing:
    """Make the entry of a file that did not come."""
    return Missing(
        key=asset.key,
        role=asset.role,
        state=state,
        reason="the media host answered 503",
        http_status=503,
        at=NOW,
    )


def make_receipt(destination: str, path: str) -> Receipt:
    """Make a destination's word that it holds a file."""
    return Receipt(
        destination=destination,
        key=path,
        digest=digest_of(path),
        stored_at=NOW,
        verified="sha256",
        etag='"r"',
        version_id="v1",
    )


EVENTS = {
    State.ARCHIVED: Event.SECURED,
    State.FAILED: Event.TRY_FAILED,
    State.LOST: Event.PROVEN_GONE,
}
"""How a try ends that leads to a state."""


def make_captured(
    one: Known,
    media: Sequence[Media] = (),
    *destinations: str,
    state: State = State.ARCHIVED,
    **facts: object,
) -> Captured:
    """Make the outcome of a try that brought these files to these destinations."""
    receipts = [
        (key, make_receipt(name, path))
        for name in destinations
        for key, path in [(SIDECAR, f"{one.stem}.json"), *((file.key, file.path) for file in media)]
    ]
    outcome = Captured(
        event=EVENTS[state],
        reason=None,
        fingerprint=one.fingerprint,
        media=tuple(media),
        receipts=tuple(receipts),
        archived_at=NOW,
    )
    return replace(outcome, **facts)  # type: ignore[arg-type]  # facts are Captured's fields


def adopt(index: Index, generation: Generation, stem: str, captured: Captured) -> None:
    """Take over what a sidecar tells."""
    adopted.adopt(index, adopted.make_adoptable(generation, stem, captured))
