"""Reads what is looked for, the newest first, page by page: memory stays flat.

Of a million generations only those are read that come onto the page. Where they can be named one by
one, or by the full text, their times are looked up and sorted: an index has number and time side
by side. Else they are walked in the order of their time. So are those with a text that many have:
there a page is soon full, and to name all of them would take longer than to look at each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archiver.index.database import Index
from archiver.index.reader import Row

PAGE_ROWS = 500
COMMON_ROWS, COMMON_SHARE = 2000, 50
"""A text is common that so many have, and one generation in so many. Fewer are sorted by time, at
a microsecond each; to walk takes longer the fewer there are."""
FOUND = "number IN (SELECT rowid FROM generations_fts WHERE generations_fts MATCH :match)"
_MOMENT = "COALESCE(created_at, '')"
_NAMED = ("generations", f"+{_MOMENT}")
_SORTED = ("generations INDEXED BY generations_moments", f"+{_MOMENT}")
_WALKED = ("generations INDEXED BY generations_by_time", _MOMENT)
"""Where rows come from, and their time as a term; a plus keeps SQLite from walking by it."""
_NEWEST = {"moment": "~", "before": (1 << 63) - 1}


def newest_first(
    index: Index,
    where: str,
    values: Mapping[str, object],
    limit: int | None,
    *,
    are_few: bool,
    has_text: str,
) -> Iterator[Row]:
    """Read generations with their `moment`; `are_few` when the conditions name them one by one.

    `has_text` is what FOUND says, asked of one row.
    """
    way = _NAMED if are_few else _WALKED
    if FOUND in where and not are_few:
        is_common = _is_common(index, values)
        where = where.replace(FOUND, has_text) if is_common else where
        way = _WALKED if is_common else _SORTED
    cursor, left = dict[str, object](_NEWEST), limit
    while left is None or left > 0:
        wanted = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        rows = index.rows(_page(way, where), {**values, **cursor, "limit": wanted})
        yield from rows
        left = None if left is None else left - len(rows)
        if len(rows) < wanted:
            return
        cursor = {"moment": rows[-1]["moment"], "before": rows[-1]["number"]}


def _is_common(index: Index, values: Mapping[str, object]) -> bool:
    [known] = index.rows("SELECT SUM(many) AS many FROM counts WHERE what = 'generations'")
    enough = max(COMMON_ROWS, int(str(known["many"] or 0)) // COMMON_SHARE)
    [found] = index.rows(
        "SELECT COUNT(*) AS many FROM (SELECT 1 FROM generations_fts"
        " WHERE generations_fts MATCH :match LIMIT :enough)",
        {"match": values["match"], "enough": enough},
    )
    return found["many"] == enough


def _page(way: tuple[str, str], where: str) -> str:
    """The query of one page: which rows, and only then all of them.

    What is older than a place is said twice, as SQLite seeks by one column of an expression.
    """
    source, moment = way
    return (
        f"SELECT whole.*, page.moment FROM (SELECT number, {_MOMENT} AS moment FROM {source}"
        f" WHERE {where} AND {moment} <= :moment AND ({moment} < :moment OR number < :before)"
        f" ORDER BY {moment} DESC, number DESC LIMIT :limit) AS page"
        " JOIN generations AS whole ON whole.number = page.number"
        " ORDER BY page.moment DESC, page.number DESC"
    )
