"""Reads what destinations lack that others hold (promise 5)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from archiver.index.database import Index
from archiver.index.queries import Filters, conditions

PAGE_ROWS = 500
_HELD_ELSEWHERE = (
    "copies s JOIN json_each(:targets) t ON s.destination <> t.value"
    " WHERE s.destination IN (SELECT value FROM json_each(:sources))"
    " AND NOT EXISTS (SELECT 1 FROM copies h WHERE h.generation = s.generation"
    " AND h.key = s.key AND h.destination = t.value)"
)


def lacking(
    index: Index, filters: Filters, targets: Collection[str], sources: Collection[str]
) -> Iterator[int]:
    """Number the generations of which a source holds what one of the targets lacks."""
    where, values = _conditions(index, filters, targets, sources)
    after, left = 0, filters.limit
    while left is None or left > 0:
        rows = index.rows(
            f"SELECT number FROM generations WHERE {where} AND number > :after"
            f" AND EXISTS (SELECT 1 FROM {_HELD_ELSEWHERE} AND s.generation = number)"
            " ORDER BY number LIMIT :many",
            {
                **values,
                "after": after,
                "many": PAGE_ROWS if left is None else min(PAGE_ROWS, left),
            },
        )
        if not rows:
            return
        yield from (int(str(row["number"])) for row in rows)
        after = int(str(rows[-1]["number"]))
        left = None if left is None else left - len(rows)


def count_lacking(
    index: Index, filters: Filters, targets: Collection[str], sources: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Count the files, and their bytes, that each target lacks."""
    where, values = _conditions(index, filters, targets, sources)
    rows = index.rows(
        "SELECT target, COUNT(*) AS files, SUM(size_bytes) AS bytes FROM ("
        "SELECT t.value AS target, MAX(s.size_bytes) AS size_bytes"
        f" FROM {_HELD_ELSEWHERE} AND s.generation IN (SELECT number FROM generations"
        f" WHERE {where}) GROUP BY t.value, s.generation, s.key) GROUP BY target",
        values,
    )
    return {str(row["target"]): (int(str(row["files"])), int(str(row["bytes"]))) for row in rows}


def _conditions(
    index: Index, filters: Filters, targets: Collection[str], sources: Collection[str]
) -> tuple[str, dict[str, object]]:
    where, values = conditions(index, filters)
    names = {"targets": json.dumps(sorted(targets)), "sources": json.dumps(sorted(sources))}
    return where, {**values, **names}
