"""Which copies are due to be read back, what was found, and since when each is proven (promise 7).

What one look at the destinations needs for itself (what is due, what it found) lies in
temporary tables of the open index: they spill to disk, so memory stays flat, and end with it.
A result is written only while the copy is still the one that was looked at: a run, or a repair,
may have replaced it meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from archiver.index import counters
from archiver.index.captured import SIDECAR
from archiver.index.database import Index
from archiver.index.rows import stamp, unstamp
from archiver.model import Digest, Fault

if TYPE_CHECKING:
    from sqlite_utils import Database

PAGE_ROWS = 500
_TABLES = """
DROP TABLE IF EXISTS temp.due;
CREATE TEMP TABLE due (
    position INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    key TEXT NOT NULL,
    destination TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    moment TEXT NOT NULL
);
DROP TABLE IF EXISTS temp.findings;
CREATE TEMP TABLE findings (
    generation INTEGER NOT NULL,
    key TEXT NOT NULL,
    destination TEXT NOT NULL,
    fault TEXT NOT NULL,
    found_bytes INTEGER,
    found_sha256 TEXT,
    is_known INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (generation, key, destination)
) WITHOUT ROWID;
"""
HELD_COLUMNS = (
    "c.generation, c.key, c.destination, c.path, c.size_bytes, c.sha256, c.stored_at,"
    " g.account, g.id, g.next_try_at IS NULL AS is_settled"
)
_PLACE = "generation = :number AND key = :key AND destination = :destination"
_AS_IT_WAS = f"{_PLACE} AND sha256 = :sha256 AND stored_at = :stored_at"
_STILL_RIGHT = f"FROM copies WHERE {_AS_IT_WAS} AND fault IS NULL"
_DUE = """
INSERT INTO due (generation, key, destination, size_bytes, moment)
SELECT generation, key, destination, size_bytes,
    CASE WHEN proof <= :now THEN proof WHEN stored_at <= :now THEN stored_at ELSE '' END AS moment
FROM (
    SELECT generation, key, destination, size_bytes, fault, stored_at,
        COALESCE(proven_at, stored_at) AS proof,
        SUM(size_bytes) OVER (
            PARTITION BY destination ORDER BY COALESCE(proven_at, stored_at), generation, key
        ) - size_bytes AS bytes_before,
        SUM(size_bytes) OVER (PARTITION BY destination) AS bytes_in_all
    FROM copies WHERE destination IN (SELECT value FROM json_each(:names))
) AS c
WHERE (fault IS NOT NULL OR bytes_before < bytes_in_all * :share
        OR proof <= :too_old OR proof > :now)
    AND NOT EXISTS (SELECT 1 FROM findings f WHERE f.generation = c.generation
        AND f.key = c.key AND f.destination = c.destination AND f.fault = 'missing')
ORDER BY fault IS NULL, moment, destination, generation, key
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One copy as the index knows it.

    `is_settled` tells that nothing is to be done for its generation: while something is, a run
    beside us may have written what the index does not know yet.
    """

    number: int
    account: str
    generation_id: str
    asset_key: str
    destination: str
    path: str
    digest: Digest
    stored_at: datetime
    is_settled: bool

    @property
    def is_sidecar(self) -> bool:
        """Whether this is the copy of a sidecar."""
        return self.asset_key == SIDECAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a look at one copy ended: right (`fault` is None) or not, and what was there.

    The SHA-256 of what was `found` is empty when only its size was looked at.
    """

    held: Held
    fault: Fault | None
    found: Digest | None
    looked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One copy that was found wrong, with what may heal it: good copies, or the provider.

    `is_known` tells that an earlier look found it, and this one did not read it again.
    """

    held: Held
    fault: Fault
    found_bytes: int | None
    found_sha256: str | None
    is_known: bool
    good_at: tuple[str, ...]
    deadline_at: datetime | None


def begin(index: Index) -> None:
    """Forget what an earlier look had found, as far as it was for itself."""
    with index.scratch() as db:
        for statement in _TABLES.split(";"):
            db.execute(statement)


def choose_due(
    index: Index, destinations: Collection[str], share: float, too_old: datetime, now: datetime
) -> tuple[int, int]:
    """Choose what is to be read, and count it: copies and bytes.

    That is what is known to be wrong, then what was proven longest ago: this share of the bytes
    of each destination, and all that was proven at `too_old` or before, or after `now`: by a
    wrong clock, so it proves nothing. What was just found missing is not: there is nothing to read.
    """
    values = {
        "names": json.dumps(sorted(destinations)),
        "share": share,
        "too_old": stamp(too_old),
        "now": stamp(now),
    }
    with index.scratch() as db:
        db.execute(_DUE, values)
    row: Mapping[str, Any] | None = index.row(
        "SELECT COUNT(*) AS copies, COALESCE(SUM(size_bytes), 0) AS bytes FROM due"
    )
    assert row is not None, "an aggregate always has a row"
    return int(row["copies"]), int(row["bytes"])


def due(index: Index) -> Iterator[Held]:
    """Name what was chosen, in its order, as it is when it is asked for, page by page."""
    after = 0
    while True:
        rows = index.rows(
            f"SELECT d.position, {HELD_COLUMNS} FROM due d"
            " JOIN copies c USING (generation, key, destination)"
            " JOIN generations g ON g.number = c.generation"
            " WHERE d.position > :after ORDER BY d.position LIMIT :many",
            {"after": after, "many": PAGE_ROWS},
        )
        if not rows:
            return
        for row in rows:
            yield held_from(row)
        after = int(str(rows[-1]["position"]))


def count_overdue(index: Index, begun: int, too_old: datetime) -> int:
    """Count what was chosen and not begun, and was proven at `too_old` or before."""
    row: Mapping[str, Any] | None = index.row(
        "SELECT COUNT(*) AS many FROM"
        " (SELECT moment FROM due ORDER BY position LIMIT -1 OFFSET :begun)"
        " WHERE moment <= :too_old",
        {"begun": begun, "too_old": stamp(too_old)},
    )
    assert row is not None, "an aggregate always has a row"
    return int(row["many"])


def unread_at(index: Index, begun: int) -> set[str]:
    """Name the destinations that have copies which were chosen and not begun."""
    rows = index.rows(
        "SELECT DISTINCT destination FROM"
        " (SELECT destination FROM due ORDER BY position LIMIT -1 OFFSET :begun)",
        {"begun": begun},
    )
    return {str(row["destination"]) for row in rows}


def load_again(index: Index, held: Held) -> Held | None:
    """Load a copy as it is now; None when there is none any more."""
    row = index.row(
        f"SELECT {HELD_COLUMNS} FROM copies c JOIN generations g ON g.number = c.generation"
        " WHERE c.generation = :number AND c.key = :key AND c.destination = :destination",
        {"number": held.number, "key": held.asset_key, "destination": held.destination},
    )
    return None if row is None else held_from(row)


def known_contents(index: Index, sha256s: Collection[str]) -> dict[str, set[tuple[int, str]]]:
    """Tell of which copies these are the content, as generation number and asset key.

    One pass over all copies, so ask for many at a time.
    """
    rows = index.rows(
        "SELECT DISTINCT sha256, generation, key FROM copies"
        " WHERE sha256 IN (SELECT value FROM json_each(:those))",
        {"those": json.dumps(sorted(sha256s))},
    )
    found: dict[str, set[tuple[int, str]]] = {}
    for row in rows:
        place = (int(str(row["generation"])), str(row["key"]))
        found.setdefault(str(row["sha256"]), set()).add(place)
    return found


def record(index: Index, proofs: Sequence[Proof]) -> None:
    """Write how copies were found; one that was replaced since then stays as it is.

    What was not known to be wrong is counted.
    """
    failures: Counter[counters.Counter] = Counter()
    with index.transaction() as db:
        for proof in proofs:
            held = proof.held
            change = "fault = :fault" if proof.fault else "fault = NULL, proven_at = :at"
            values = {
                **_place_of(held),
                "fault": proof.fault,
                "at": stamp(proof.looked_at),
                "sha256": held.digest.sha256,
                "stored_at": stamp(held.stored_at),
            }
            if proof.fault and db.execute(f"SELECT 1 {_STILL_RIGHT}", values).fetchone():
                failed = counters.Counter(counters.VERIFY_FAILURES, held.destination, proof.fault)
                failures[failed] += 1
            written = db.execute(f"UPDATE copies SET {change} WHERE {_AS_IT_WAS}", values)
            db.execute(f"DELETE FROM temp.findings WHERE {_PLACE}", _place_of(held))
            if written.rowcount and proof.fault:
                _add_finding(db, proof)
        if failures:
            counters.add(index, failures)


def _place_of(held: Held) -> dict[str, int | str]:
    return {"number": held.number, "key": held.asset_key, "destination": held.destination}


def _add_finding(db: Database, proof: Proof) -> None:
    found = proof.found or Digest(size_bytes=0, sha256="")
    db.execute(
        "INSERT INTO temp.findings"
        " (generation, key, destination, fault, found_bytes, found_sha256) VALUES"
        " (:number, :key, :destination, :fault, :size_bytes, :sha256)",
        {
            **_place_of(proof.held),
            "fault": proof.fault,
            "size_bytes": None if proof.found is None else found.size_bytes,
            "sha256": found.sha256 or None,
        },
    )


def note_known(index: Index, destinations: Collection[str]) -> int:
    """Add what earlier looks found and this one did not look at again, and count it."""
    with index.scratch() as db:
        return db.execute(
            "INSERT OR IGNORE INTO temp.findings (generation, key, destination, fault, is_known)"
            " SELECT generation, key, destination, fault, 1 FROM copies WHERE fault IS NOT NULL"
            " AND destination IN (SELECT value FROM json_each(?))",
            [json.dumps(sorted(destinations))],
        ).rowcount


def count_noted(index: Index) -> dict[Fault, int]:
    """Count what is wrong: what this look found, and what `note_known` has added."""
    rows = index.rows("SELECT fault, COUNT(*) AS many FROM findings GROUP BY fault ORDER BY fault")
    return {Fault(str(row["fault"])): int(str(row["many"])) for row in rows}


def noted(index: Index) -> Iterator[Noted]:
    """Name what `count_noted` counts, by destination and generation, page by page."""
    cursor: tuple[str, int, str] = ("", -1, "")
    while True:
        rows = index.rows(
            f"SELECT {HELD_COLUMNS}, g.deadline_at, f.fault, f.found_bytes, f.found_sha256,"
            " f.is_known,"
            " (SELECT json_group_array(o.destination) FROM copies o"
            "  WHERE o.generation = c.generation AND o.key = c.key"
            "  AND o.destination <> c.destination AND o.fault IS NULL) AS good_at"
            " FROM findings f JOIN copies c USING (generation, key, destination)"
            " JOIN generations g ON g.number = c.generation"
            " WHERE (c.destination, c.generation, c.key) > (:destination, :number, :key)"
            " ORDER BY c.destination, c.generation, c.key LIMIT :many",
            {
                "destination": cursor[0],
                "number": cursor[1],
                "key": cursor[2],
                "many": PAGE_ROWS,
            },
        )
        if not rows:
            return
        for row in rows:
            yield _noted_from(row)
        last = held_from(rows[-1])
        cursor = (last.destination, last.number, last.asset_key)


def _noted_from(row: Mapping[str, Any]) -> Noted:
    return Noted(
        held=held_from(row),
        fault=Fault(row["fault"]),
        found_bytes=row["found_bytes"],
        found_sha256=row["found_sha256"],
        is_known=bool(row["is_known"]),
        good_at=tuple(sorted(json.loads(row["good_at"]))),
        deadline_at=unstamp(row["deadline_at"]),
    )


def held_from(row: Mapping[str, Any]) -> Held:
    """Read a row of HELD_COLUMNS."""
    stored_at = unstamp(row["stored_at"])
    assert stored_at is not None, "the column is NOT NULL"
    return Held(
        number=row["generation"],
        account=row["account"],
        generation_id=row["id"],
        asset_key=row["key"],
        destination=row["destination"],
        path=row["path"],
        digest=Digest(size_bytes=row["size_bytes"], sha256=row["sha256"]),
        stored_at=stored_at,
        is_settled=bool(row["is_settled"]),
    )
