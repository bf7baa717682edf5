"""The sidecar: one JSON document for one generation, beside its media (format 1).

The sidecars of a destination are the archive's own record: an index can be made from them
alone, so what is written here is what survives. `sidecar.schema.json` is the published schema;
a document that was written once can be read for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archiver import __version__, keys
from archiver.errors import CopyDamaged, SidecarTooNew
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
MAX_FILE_BYTES = 1 << 62
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OTHER_FORMAT = re.compile(r"archiver\.sidecar/[1-9][0-9]{0,5}")


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
    return text.encode("utf-8", "replace") + b"\n"


def decode(body: bytes, name: str) -> Sidecar:
    """Read a sidecar; raises CopyDamaged, naming it: SidecarTooNew when its format is newer."""
    try:
        document = _read_json(body)
        _check_format(document["format"], name)
        return Sidecar(
            generation=_read_generation(document),
            media=tuple(_read_media(entry) for entry in document["media"]),
            missing=tuple(_read_missing(entry) for entry in document["missing"]),
            archived_at=parse_time(document["archived_at"]),
        )
    except (
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise CopyDamaged(f"{name} is no readable sidecar: {error!r}") from None


def _read_json(body: bytes) -> Any:
    """Read JSON; raises ValueError for halves of characters, which only escapes can bring."""
    text = body.decode(json.detect_encoding(body))
    document = _DECODER.decode(text)
    if "\\u" in text:  # seldom: to write everything again takes as long as to read it
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    return document


def _check_format(found: object, name: str) -> None:
    if found == FORMAT:
        return
    if isinstance(found, str) and _OTHER_FORMAT.fullmatch(found):
        raise SidecarTooNew(
            f"{name} was made by a newer archiver ({found!r}, this one knows {FORMAT!r}): update "
            "this archiver"
        )
    raise CopyDamaged(f"{name} has the format {found!r}, not {FORMAT!r}")


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number that JSON has")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is not a text")
    return value


def _text_or_none(value: object, name: str) -> str | None:
    return value if value is None or value == "" else _text(value, name)


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def _digest(entry: Mapping[str, Any]) -> Digest:
    size, sha256 = entry["size"], entry["sha256"]
    if type(size) is not int or not 0 < size < MAX_FILE_BYTES:
        raise ValueError("a size is no number of bytes")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError("a sha256 is not 64 hex digits")
    return Digest(size_bytes=size, sha256=sha256)


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
        provider=_text(document["provider"], "provider"),
        account=_text(document["account"], "account"),
        id=_text(document["id"], "id"),
        kind=Kind(document["kind"]),
        status=Status(document["status"]),
        model=_text_or_none(document["model"], "model"),
        prompt=_text_or_none(document["prompt"], "prompt"),
        negative_prompt=_text_or_none(document["negative_prompt"], "negative_prompt"),
        name=_text_or_none(document["name"], "name"),
        created_at=_read_time(document["created_at"]),
        completed_at=_read_time(document["completed_at"]),
        expires_at=_read_time(document["expires_at"]),
        cost=Cost(**document["cost"]) if document["cost"] else None,
        error=Failure(**document["error"]) if document["error"] else None,
        parameters=_object(document["parameters"], "parameters"),
        raw=_object(document["raw"], "raw"),
    )


def _read_media(entry: Mapping[str, Any]) -> Media:
    return Media(
        key=_text(entry["key"], "key"),
        role=Role(entry["role"]),
        kind=Kind(entry["kind"]),
        path=keys.validate_key(entry["path"]),
        original_name=_text_or_none(entry["original_name"], "original_name"),
        media_type=_text(entry["media_type"], "media_type"),
        digest=_digest(entry),
        source_url=_text_or_none(entry["source_url"], "source_url"),
        source_etag=_text_or_none(entry["source_etag"], "source_etag"),
        fetched_at=parse_time(entry["fetched_at"]),
    )


def _read_missing(entry: Mapping[str, Any]) -> Missing:
    return Missing(
        key=_text(entry["key"], "key"),
        role=Role(entry["role"]),
        state=State(entry["state"]),
        reason=_text_or_none(entry["reason"], "reason") or "",
        http_status=None if entry["http_status"] is None else int(entry["http_status"]),
        at=parse_time(entry["at"]),
    )
