"""The sidecar: one JSON document for one generation, beside its media (format 1).

The sidecars of a destination are the archive's own record: an index can be made from them
alone, so what is written here is what survives. `sidecar.schema.json` is the published schema;
a document that was written once can be read for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archiver import __version__, keys
from archiver.errors import CopyDamaged
from archiver.model import (
    Cost,
    Digest,
    Failure,
    Generation,
    Kind,
    Media,
    Missing,
    Role,
    State,
    Status,
)
from archiver.units import format_time, parse_time

FORMAT = "archiver.sidecar/1"
MEDIA_TYPE = "application/json"
MAX_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What a sidecar says: the generation (without links), its files, and what is missing."""

    generation: Generation
    media: tuple[Media, ...]
    missing: tuple[Missing, ...]
    archived_at: datetime


def encode(sidecar: Sidecar) -> bytes:
    """Write a sidecar: UTF-8, sorted keys, newline at the end; equal input gives equal bytes."""
    generation = sidecar.generation
    document = {
        "format": FORMAT,
        "archiver_version": __version__,
        "provider": generation.provider,
        "account": generation.account,
        "id": generation.id,
        "kind": generation.kind.value,
        "status": generation.status.value,
        "model": generation.model,
        "prompt": generation.prompt,
        "negative_prompt": generation.negative_prompt,
        "parameters": generation.parameters,
        "cost": _cost(generation.cost),
        "name": generation.name,
        "created_at": _time(generation.created_at),
        "completed_at": _time(generation.completed_at),
        "expires_at": _time(generation.expires_at),
        "error": _failure(generation.error),
        "media": [_media(media) for media in sidecar.media],
        "missing": [_missing(missing) for missing in sidecar.missing],
        "raw": generation.raw,
        "archived_at": _time(sidecar.archived_at),
    }
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def decode(body: bytes, name: str) -> Sidecar:
    """Read a sidecar; raises CopyDamaged, naming it, when it is none or of a newer format."""
    try:
        document = json.loads(body)
        if document["format"] != FORMAT:
            raise CopyDamaged(f"{name} has the format {document['format']!r}, not {FORMAT!r}")
        return Sidecar(
            generation=_read_generation(document),
            media=tuple(_read_media(entry) for entry in document["media"]),
            missing=tuple(_read_missing(entry) for entry in document["missing"]),
            archived_at=parse_time(document["archived_at"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CopyDamaged(f"{name} is no readable sidecar: {error!r}") from None


def _cost(cost: Cost | None) -> dict[str, str] | None:
    return None if cost is None else {"amount": cost.amount, "unit": cost.unit}


def _failure(error: Failure | None) -> dict[str, str | None] | None:
    return None if error is None else {"code": error.code, "message": error.message}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _media(media: Media) -> dict[str, object]:
    return {
        "key": media.key,
        "role": media.role.value,
        "kind": media.kind.value,
        "path": media.path,
        "original_name": media.original_name,
        "media_type": media.media_type,
        "size": media.digest.size_bytes,
        "sha256": media.digest.sha256,
        "source_url": media.source_url,
        "source_etag": media.source_etag,
        "fetched_at": format_time(media.fetched_at),
    }


def _missing(missing: Missing) -> dict[str, object]:
    return {
        "key": missing.key,
        "role": missing.role.value,
        "state": missing.state.value,
        "reason": missing.reason,
        "http_status": missing.http_status,
        "at": format_time(missing.at),
    }


def _read_time(text: object) -> datetime | None:
    return None if text is None else parse_time(text)


def _read_generation(document: Mapping[str, Any]) -> Generation:
    return Generation(
        provider=document["provider"],
        account=document["account"],
        id=document["id"],
        kind=Kind(document["kind"]),
        status=Status(document["status"]),
        model=document["model"],
        prompt=document["prompt"],
        negative_prompt=document["negative_prompt"],
        name=document["name"],
        created_at=_read_time(document["created_at"]),
        completed_at=_read_time(document["completed_at"]),
        expires_at=_read_time(document["expires_at"]),
        cost=Cost(**document["cost"]) if document["cost"] else None,
        error=Failure(**document["error"]) if document["error"] else None,
        parameters=document["parameters"],
        raw=document["raw"],
    )


def _read_media(entry: Mapping[str, Any]) -> Media:
    return Media(
        key=entry["key"],
        role=Role(entry["role"]),
        kind=Kind(entry["kind"]),
        path=keys.validate_key(entry["path"]),
        original_name=entry["original_name"],
        media_type=entry["media_type"],
        digest=Digest(size_bytes=int(entry["size"]), sha256=str(entry["sha256"])),
        source_url=entry["source_url"],
        source_etag=entry["source_etag"],
        fetched_at=parse_time(entry["fetched_at"]),
    )


def _read_missing(entry: Mapping[str, Any]) -> Missing:
    return Missing(
        key=entry["key"],
        role=Role(entry["role"]),
        state=State(entry["state"]),
        reason=entry["reason"],
        http_status=entry["http_status"],
        at=parse_time(entry["at"]),
    )
