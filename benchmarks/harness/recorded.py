"""The measurements on disk: one JSON document for full ones, which is kept, one for quick looks."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.harness.machine import describe, versions
from benchmarks.harness.settings import ROOT, SCALE

RESULTS = ROOT / "benchmarks" / "results"
FULL = RESULTS / "full.json"
QUICK = RESULTS / "quick.json"


def load(is_full: bool = SCALE == 1) -> dict[str, Any]:
    """Read what was measured before."""
    path = FULL if is_full else QUICK
    if not path.exists():
        return {"machine": "", "versions": "", "figures": {}}
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def save(name: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Put one figure in the place of what was measured of it before; returns all."""
    document = load()
    document |= {"machine": describe(), "versions": versions()}
    document["figures"][name] = parts
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    (FULL if SCALE == 1 else QUICK).write_text(text + "\n", encoding="utf-8")
    return document
