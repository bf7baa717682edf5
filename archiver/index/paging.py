"""Reads what is looked for, the newest first, page by page: memory stays flat.

Of a million generations only those are read that come onto the page. What few have is read
whole and sorted; else they are walked in the order of their time. A word that many have is looked
for in a window of that walk, a larger one where it was not found often enough: the full-text index
knows only row numbers, which follow time in parts, as each run lists what came since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archiver.index.database import Index, Row

PAGE_ROWS = 500
COMMON_ROWS = 2000
"""A text that so many have is common. Fewer are sorted in some 20 ms."""
WINDOW_ROWS = 5000
_WIDER = 10
FOUND = "number IN (SELECT rowid FROM generations_fts WHERE generations_fts MATCH :match)"
_FOUND_WITHIN = (
    "+number IN (SELECT rowid FROM generations_fts WHERE generations_fts MATCH :match"
    " AND rowid BETWEEN :lowest AND :highest)"
)
_MOMENT = "COALESCE(created_at, '')"
_WALKED = "generations INDEXED BY generations_by_time"
_MOST = (1 << 63) - 1
_NEWEST = {"moment": "~", "before": _MOST}
_ALL = {"from_moment": "", "from_number": -_MOST, "lowest": -_MOST, "highest": _MOST}


def newest_first(
    index: Index, where: str, values: Mapping[str, object], limit: int | None, *, are_few: bool
) -> Iterator[Row]:
    """Read generations with their `moment`; `are_few` when the conditions name them one by one."""
    is_common = FOUND in where and not are_few and _is_common(index, values)
    are_few = are_few or (FOUND in where and not is_common)
    if is_common:
        where = where.replace(FOUND, _FOUND_WITHIN)
    cursor, many, left = dict[str, object](_NEWEST), WINDOW_ROWS, limit
    while left is None or left > 0:
        wanted = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        window = _window(index, cursor, many) if is_common else _ALL
        rows = index.rows(
            _page(where, are_few=are_few), {**values, **cursor, **window, "limit": wanted}
        )
        yield from rows
        left = None if left is None else left - len(rows)
        if len(rows) == wanted:
            cursor = {"moment": rows[-1]["moment"], "before": rows[-1]["number"]}
        elif window is _ALL:
            return
        else:
            cursor = {"moment": window["from_moment"], "before": window["from_number"]}
            many *= _WIDER


def _is_common(index: Index, values: Mapping[str, object]) -> bool:
    found = index.rows(
        "SELECT COUNT(*) AS many FROM (SELECT 1 FROM generations_fts"
        " WHERE generations_fts MATCH :match LIMIT :enough)",
        {"match": values["match"], "enough": COMMON_ROWS},
    )
    return found[0]["many"] == COMMON_ROWS


def _window(index: Index, cursor: Row, many: int) -> Row:
    """Bound so many generations before a place by time, and by their row numbers."""
    last = index.row(
        f"SELECT {_MOMENT} AS from_moment, number AS from_number FROM {_WALKED}"
        f" WHERE {_before(_MOMENT)} ORDER BY {_MOMENT} DESC, number DESC LIMIT 1 OFFSET :many",
        {**cursor, "many": many - 1},
    )
    if last is None:
        return _ALL
    numbers = index.row(
        f"SELECT MIN(+number) AS lowest, MAX(+number) AS highest FROM {_WALKED}"
        f" WHERE {_before(_MOMENT)} AND {_since(_MOMENT)}",
        {**cursor, **last},
    )
    return {**last, **(numbers or {})}


def _page(where: str, *, are_few: bool) -> str:
    """The query of one page; a plus keeps SQLite from the walk where few are named."""
    source, moment = ("generations", f"+{_MOMENT}") if are_few else (_WALKED, _MOMENT)
    return (
        f"SELECT *, {_MOMENT} AS moment FROM {source} WHERE {where}"
        f" AND {_before(moment)} AND {_since(moment)}"
        f" ORDER BY {moment} DESC, number DESC LIMIT :limit"
    )


def _before(moment: str) -> str:
    """What is older than a place; said twice, as SQLite seeks by one column of an expression."""
    return f"{moment} <= :moment AND ({moment} < :moment OR number < :before)"


def _since(moment: str) -> str:
    return f"{moment} >= :from_moment AND ({moment} > :from_moment OR number >= :from_number)"
