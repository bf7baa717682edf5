"""Recorded answers give exactly the generations that stand beside them as data.

`<case>.json` is a vendor's answer, word for word where a page has one; `<case>.expected.json`
says how it is asked for or handed in (`call`, `id`, `listed`, `options`, `other_answers`) and
every field of what must come of it; of a mere hint, the id alone. `raw` names the records that
must be kept verbatim, signatures apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from archiver.model import Asset, BadRow, Cost, Embedded, Failure, Generation, Link
from archiver.providers.base import Progress, Provider, Told
from archiver.redaction import clean_record
from archiver.units import format_time

from .fakes import SERVICES, Answer, FakeApi, missing, open_provider

RECORDINGS = Path(__file__).parent / "recordings"
CASES = sorted(
    path for path in RECORDINGS.glob("*/*.json") if not path.name.endswith(".expected.json")
)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recorded_answer_gives_the_expected_generations(path: Path) -> None:
    """Every field of every generation and asset is as the data beside the recording says."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))

    assert expected["gives"] == outcome(path.parent.name, recorded, expected)


def outcome(provider: str, recorded: Any, case: Mapping[str, Any]) -> object:
    """Feed a recorded answer to its provider, and write what it gives as plain data."""
    api = FakeApi(_answer(provider, recorded, case))
    opened = open_provider(provider, api, **case.get("options", {}))
    if case["call"] == "pages":
        page = next(opened.pages())
        records = recorded if isinstance(recorded, list) else _rows_of(recorded)
        return {
            "total": page.total,
            "next_cursor": page.next_cursor,
            "rows": [
                as_data(row, {"list": record})
                for row, record in zip(page.rows, records, strict=True)
            ],
        }
    if case["call"] == "read":
        return _told(opened.read(recorded), opened, recorded)
    listed = case.get("listed")
    generation = getattr(opened, case["call"])(case["id"], listed)
    return as_data(generation, {"list": listed, "detail": _record_of(recorded)})


def _told(told: Told, opened: Provider, recorded: Mapping[str, Any]) -> object:
    if told.generation is None:
        return {"hint": told.id}
    progress = opened.progress(told.generation)
    return {
        "progress": {name: getattr(progress, name) for name in Progress.__slots__},
        **as_data(told.generation, {"list": _record_of(recorded)}),
    }


def as_data(row: Generation | BadRow, records: Mapping[str, object]) -> dict[str, object]:
    """Write a row of a page as JSON would hold it; `raw` as the names of what is verbatim."""
    if isinstance(row, BadRow):
        return {"bad_row": row.id, "reason": row.reason}
    kept = {name: clean_record(record) for name, record in records.items() if record is not None}
    assert kept == row.raw
    names = [name for name in Generation.__slots__ if name not in ("raw", "assets")]
    fields = {name: _plain(getattr(row, name)) for name in names}
    return {**fields, "assets": [_asset(asset) for asset in row.assets], "raw": sorted(row.raw)}


def _asset(asset: Asset) -> dict[str, object]:
    fields = {name: _plain(getattr(asset, name)) for name in Asset.__slots__}
    return {**fields, "sources": [_source(source) for source in asset.sources]}


def _source(source: Link | Embedded) -> object:
    if isinstance(source, Link):
        return f"with key {source.url}" if source.with_credentials else source.url
    return {"size": len(source.data), "sha256": hashlib.sha256(source.data).hexdigest()}


def _plain(value: object) -> object:
    if isinstance(value, Cost | Failure):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, datetime):
        return format_time(value)
    return dict(value) if isinstance(value, Mapping) else value


def _rows_of(answer: Mapping[str, Any]) -> list[object]:
    return next(value for value in answer.values() if isinstance(value, list))


def _record_of(answer: Mapping[str, Any]) -> object:
    for name in ("data", "result", "generation"):
        answer = answer.get(name, answer)
    return answer


def _answer(provider: str, recorded: object, case: Mapping[str, Any]) -> Answer:
    others = case.get("other_answers", {})

    def respond(path: str, parameters: Mapping[str, str | int]) -> object:
        if path in others:
            if others[path] == 404:
                raise missing(path)
            return others[path]
        is_listing = path == SERVICES[provider].list_path
        assert is_listing == (case["call"] == "pages"), path
        return recorded

    return respond
