"""Holds a destination's listing against its copies: what is missing there, and what is foreign.

The listing goes into a temporary table, in whatever order it comes, and SQLite joins it: memory
stays flat for a million files. What a run beside us is just writing is not foreign; a run writes
no file for longer than `YOUNG`, so whatever is older is looked at, whoever waits for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from archiver import keys
from archiver.index.database import Index
from archiver.index.proofs import HELD_COLUMNS, PAGE_ROWS, Held, held_from
from archiver.index.rows import stamp, unstamp
from archiver.model import Role, Stored

"""The marker, and what was set aside, lie there: neither is a copy."""
YOUNG = timedelta(hours=1)
"""A file that the index does not know yet may be on its way so long."""
_ROLES = "|".join(role.value for role in Role)
_NUMBERED = re.compile(r"-\d{1,9}$")
_WITH_ROLE = re.compile(rf"\.({_ROLES})(-\d{{1,9}})?$")


def is_young(modified_at: datetime, now: datetime) -> bool:
    """Tell whether a run may just be writing a file; one from the future is from a wrong clock."""
    return abs(now - modified_at) <= YOUNG


def begin(index: Index) -> None:
    """Forget the last listing."""
    with index.scratch() as db:
        db.execute("DROP TABLE IF EXISTS temp.listed")
        db.execute(
            "CREATE TEMP TABLE listed (path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL,"
            " modified_at TEXT NOT NULL) WITHOUT ROWID"
        )


def add(index: Index, stored: Sequence[Stored]) -> int:
    """Take part of a listing, and count it; what is named twice lies there once.

    What systems leave behind by themselves is no stranger's file, and nobody could mend it.
    """
    rows = [
        (one.key, one.size_bytes, stamp(one.modified_at))
        for one in stored
        if not one.key.startswith(keys.OWN_FOLDER) and not keys.is_litter(one.key)
    ]
    with index.scratch() as db:
        db.conn.executemany("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", rows)
    return len(rows)


def wrong_sizes(index: Index, destination: str) -> Iterator[tuple[Held, int | None]]:
    """Name the copies that the listing lacks (None), or has with another size."""
    cursor: tuple[int, str] = (-1, "")
    while True:
        rows = index.rows(
            f"SELECT {HELD_COLUMNS}, l.size_bytes AS listed_bytes FROM copies c"
            " JOIN generations g ON g.number = c.generation"
            " LEFT JOIN listed l ON l.path = c.path"
            " WHERE c.destination = :destination AND l.size_bytes IS NOT c.size_bytes"
            " AND (c.generation, c.key) > (:number, :key)"
            " ORDER BY c.generation, c.key LIMIT :many",
            {
                "destination": destination,
                "number": cursor[0],
                "key": cursor[1],
                "many": PAGE_ROWS,
            },
        )
        if not rows:
            return
        for row in rows:
            found = row["listed_bytes"]
            yield held_from(row), None if found is None else int(str(found))
        last = held_from(rows[-1])
        cursor = (last.number, last.asset_key)


def keep_strays(index: Index, destination: str, now: datetime) -> None:
    """Write down which listed files no copy accounts for, and forget earlier ones."""
    _take_out_copies(index, destination)
    _forgive(index, now)
    _take_out_copies(index, destination)  # what was on its way before may have come home by now
    with index.transaction() as db:
        db.execute(
            "INSERT INTO strays (destination, path, size_bytes, found_at)"
            " SELECT :name, path, size_bytes, :now FROM listed WHERE true"
            " ON CONFLICT (destination, path) DO UPDATE SET size_bytes = excluded.size_bytes",
            {"name": destination, "now": stamp(now)},
        )
        db.execute(
            "DELETE FROM strays WHERE destination = ? AND path NOT IN (SELECT path FROM listed)",
            [destination],
        )


def _take_out_copies(index: Index, destination: str) -> None:
    with index.scratch() as db:
        db.execute(
            "DELETE FROM listed WHERE path IN (SELECT path FROM copies WHERE destination = ?)",
            [destination],
        )


def _forgive(index: Index, now: datetime) -> None:
    """Take out of the listing what is no copy and yet not foreign."""
    after = ""
    while True:
        rows = index.rows(
            "SELECT path, modified_at FROM listed WHERE path > :after ORDER BY path LIMIT :many",
            {"after": after, "many": PAGE_ROWS},
        )
        if not rows:
            return
        young = {str(row["path"]) for row in rows if _is_young(row["modified_at"], now)}
        paths = [str(row["path"]) for row in rows]
        known = named(index, [*paths, *(path.removesuffix(keys.XMP_SUFFIX) for path in paths)])
        expected = known | awaited(index, young)
        forgiven = [
            path
            for path in paths
            if (path.endswith(keys.XMP_SUFFIX) and path.removesuffix(keys.XMP_SUFFIX) in known)
            or (path in young and path in expected)
        ]
        with index.scratch() as db:
            db.conn.executemany("DELETE FROM listed WHERE path = ?", ([path] for path in forgiven))
        after = paths[-1]


def _is_young(modified_at: object, now: datetime) -> bool:
    moment = unstamp(str(modified_at))
    return moment is not None and is_young(moment, now)


def named(index: Index, paths: Collection[str]) -> set[str]:
    """Tell which of these paths are the names of an archived file, or of a sidecar."""
    folded = {keys.fold(path): path for path in paths}
    stems = {
        keys.fold(path.removesuffix(keys.SIDECAR_SUFFIX)): path
        for path in paths
        if path.endswith(keys.SIDECAR_SUFFIX)
    }
    files = index.rows(
        "SELECT path FROM assets WHERE path_folded IN (SELECT value FROM json_each(:folded))",
        {"folded": json.dumps(sorted(folded))},
    )
    generations = index.rows(
        "SELECT stem FROM generations WHERE stem_folded IN (SELECT value FROM json_each(:stems))",
        {"stems": json.dumps(sorted(stems))},
    )
    found = {str(row["path"]) for row in files}
    return found | {f"{row['stem']}{keys.SIDECAR_SUFFIX}" for row in generations}


def awaited(index: Index, paths: Collection[str]) -> set[str]:
    """Tell which of these files have a name of a generation that waits for its next try."""
    rows = index.rows(
        "SELECT stem_folded FROM generations WHERE next_try_at IS NOT NULL"
        " AND stem_folded IN (SELECT value FROM json_each(:stems))",
        {"stems": json.dumps(sorted({stem for path in paths for stem in _stems(path)}))},
    )
    unsettled = {str(row["stem_folded"]) for row in rows}
    return {path for path in paths if not unsettled.isdisjoint(_stems(path))}


def _stems(path: str) -> set[str]:
    """Name the folded stems that a file of this name may belong to (`keys.make_file_key`)."""
    base = keys.fold(path).rpartition(".")[0]
    return {base, _NUMBERED.sub("", base), _WITH_ROLE.sub("", base)}
