"""Maps between the tables of the index and the words of `archiver.model`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from archiver.model import (
    Asset,
    Cost,
    Digest,
    Failure,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAsset:
    """One asset as the index knows it: what was listed, and what became of it.

    `ordinal` counts from 1 inside the role and never changes: file names are made of it.
    `link_is_whole` tells that the stored address may be fetched as it is.
    """

    asset: Asset
    ordinal: int
    state: State
    media: Media | None
    missing: Missing | None
    link_is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One generation as the index knows it.

    `may_be_committed` is set when a run died: its sidecar may be at a destination although the
    index does not know, so that has to be looked up before anything is fetched. `misses` is how
    often in a row the provider did not know it when it was asked by id.
    """

    number: int
    generation: Generation
    state: State
    reason: str | None
    stem: str
    deadline_at: datetime | None
    archived_at: datetime | None
    attempts: int
    misses: int
    fingerprint: str | None
    may_be_committed: bool
    assets: tuple[KnownAsset, ...]
    next_try_at: datetime | None = None

    @property
    def listed_record(self) -> Mapping[str, object] | None:
        """The provider's own row from its listing, where there was one."""
        record = self.generation.raw.get("list")
        return record if isinstance(record, Mapping) else None


def stamp(moment: datetime) -> str:
    """Write a time so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def stamp_or_none(moment: datetime | None) -> str | None:
    """Write a time that may be unknown."""
    return None if moment is None else stamp(moment)


def unstamp(text: object) -> datetime | None:
    """Read a time written by `stamp`; None stays None."""
    return None if text is None else datetime.fromisoformat(str(text))


encode_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
"""Write JSON for a column. To make the encoder takes longer than to use it."""


def generation_row(generation: Generation) -> dict[str, object]:
    """The columns that come from the generation alone."""
    details = {
        "parameters": generation.parameters,
        "cost": None
        if generation.cost is None
        else {"amount": generation.cost.amount, "unit": generation.cost.unit},
        "error": None
        if generation.error is None
        else {"code": generation.error.code, "message": generation.error.message},
        "raw": generation.raw,
    }
    return {
        "account": generation.account,
        "id": generation.id,
        "provider": generation.provider,
        "kind": generation.kind.value,
        "status": generation.status.value,
        "model": generation.model,
        "prompt": generation.prompt,
        "negative_prompt": generation.negative_prompt,
        "name": generation.name,
        "created_at": stamp_or_none(generation.created_at),
        "completed_at": stamp_or_none(generation.completed_at),
        "expires_at": stamp_or_none(generation.expires_at),
        "details": encode_json(details),
    }


def generation_from(row: Mapping[str, Any], assets: tuple[Asset, ...]) -> Generation:
    """Read a generation back; its links are only those that may be stored."""
    details = json.loads(row["details"])
    return Generation(
        provider=row["provider"],
        account=row["account"],
        id=row["id"],
        kind=Kind(row["kind"]),
        status=Status(row["status"]),
        created_at=unstamp(row["created_at"]),
        model=row["model"],
        prompt=row["prompt"],
        negative_prompt=row["negative_prompt"],
        name=row["name"],
        completed_at=unstamp(row["completed_at"]),
        expires_at=unstamp(row["expires_at"]),
        cost=Cost(**details["cost"]) if details["cost"] else None,
        error=Failure(**details["error"]) if details["error"] else None,
        parameters=details["parameters"],
        assets=assets,
        raw=details["raw"],
    )


def asset_row(asset: Asset, position: int) -> dict[str, object]:
    """The columns that come from a listed asset: of its first link, only what is no secret."""
    link = next((source for source in asset.sources if isinstance(source, Link)), None)
    return {
        "key": asset.key,
        "position": position,
        "role": asset.role.value,
        "kind": asset.kind.value,
        "source_url": link.public_url if link else None,
        "link_is_whole": int(link is not None and not link.is_secret),
        "with_credentials": int(link is not None and link.with_credentials),
        "stated_size_bytes": asset.stated_size_bytes,
        "original_name": asset.original_name,
    }


def copy_row(key: str, receipt: Receipt) -> dict[str, object]:
    """The columns that come from a receipt; `key` is the asset's."""
    return {
        "key": key,
        "destination": receipt.destination,
        "path": receipt.key,
        "size_bytes": receipt.digest.size_bytes,
        "sha256": receipt.digest.sha256,
        "stored_at": stamp(receipt.stored_at),
        "verified": receipt.verified,
        "etag": receipt.etag,
        "version_id": receipt.version_id,
    }


def known_asset_from(row: Mapping[str, Any]) -> KnownAsset:
    """Read one row of assets."""
    link = Link(url=row["source_url"] or "", with_credentials=bool(row["with_credentials"]))
    asset = Asset(
        key=row["key"],
        role=Role(row["role"]),
        kind=Kind(row["kind"]),
        sources=(link,) if row["source_url"] else (),
        original_name=row["original_name"],
        stated_size_bytes=row["stated_size_bytes"],
    )
    state = State(row["state"])
    return KnownAsset(
        asset=asset,
        ordinal=row["ordinal"],
        state=state,
        media=_media_from(row) if state is State.ARCHIVED else None,
        missing=_missing_from(row, state),
        link_is_whole=bool(row["link_is_whole"]),
    )


def _media_from(row: Mapping[str, Any]) -> Media:
    fetched_at = unstamp(row["fetched_at"])
    assert fetched_at is not None, "an archived asset has always been fetched"
    return Media(
        key=row["key"],
        role=Role(row["role"]),
        kind=Kind(row["kind"]),
        path=row["path"],
        original_name=row["original_name"],
        media_type=row["media_type"],
        digest=Digest(size_bytes=row["size_bytes"], sha256=row["sha256"]),
        source_url=row["source_url"],
        source_etag=row["source_etag"],
        fetched_at=fetched_at,
    )


def _missing_from(row: Mapping[str, Any], state: State) -> Missing | None:
    failed_at = unstamp(row["failed_at"])
    if state not in (State.FAILED, State.EXCLUDED, State.LOST) or failed_at is None:
        return None
    return Missing(
        key=row["key"],
        role=Role(row["role"]),
        state=state,
        reason=row["reason"] or state.value,
        http_status=row["http_status"],
        at=failed_at,
    )
