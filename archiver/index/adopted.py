"""Takes generations over from their sidecars: how an index is made anew (promise 2).

An archive has a million sidecars, and each of them is some ten rows. So those that nothing is known
of yet, which is nearly all, are written many in a statement, and what triggers would do for each
row is done once for all of them (`gathered`).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from archiver import keys
from archiver.index import statements
from archiver.index.captured import Captured
from archiver.index.database import Index
from archiver.index.gathered import gathered
from archiver.index.rows import copy_row, generation_row, stamp, stamp_or_none
from archiver.model import Generation, Kind, Media, Missing, State, Status
from archiver.states import ASSETS, DUE_STATES, GENERATIONS, MISSING_EVENTS, Event, after

if TYPE_CHECKING:
    from sqlite_utils import Database

_FACTS = (
    "account",
    "id",
    "provider",
    "kind",
    "status",
    "model",
    "prompt",
    "negative_prompt",
    "name",
    "created_at",
    "completed_at",
    "expires_at",
    "details",
)
_ASSET = (
    "key",
    "position",
    "role",
    "ordinal",
    "kind",
    "state",
    "source_url",
    "link_is_whole",
    "original_name",
    "path",
    "path_folded",
    "media_type",
    "size_bytes",
    "sha256",
    "source_etag",
    "fetched_at",
    "reason",
    "http_status",
    "failed_at",
)
_LISTED = after(ASSETS, None, Event.LISTED)
_HELD = after(ASSETS, _LISTED, Event.SECURED).value
"""Whatever was known of a file, that is what one that is there becomes."""
_NO_ASSET: dict[str, object] = dict.fromkeys(_ASSET)
_KEPT_OF_ASSET = ("position", "role", "ordinal", "link_is_whole")
_PUT_ASSET = (
    f"INSERT INTO assets (generation, {', '.join(_ASSET)})"
    f" VALUES (:generation, {', '.join(f':{column}' for column in _ASSET)})"
    " ON CONFLICT (generation, key) DO UPDATE SET "
    + ", ".join(
        f"{column} = excluded.{column}" for column in _ASSET[1:] if column not in _KEPT_OF_ASSET
    )
)
_KNOWN = (
    "SELECT g.account, g.id FROM json_each(?) AS wanted CROSS JOIN generations AS g"
    " ON g.account = json_extract(wanted.value, '$[0]')"
    " AND g.id = json_extract(wanted.value, '$[1]')"
)

_REFUSALS = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, ValueError)
"""What comes of a sidecar that contradicts what the index holds, or holds what SQLite cannot."""


class Adoptable(NamedTuple):
    """The rows of one sidecar, as they are while nothing else is known of its generation.

    To make them needs no lock, so any thread can, or another process: a tuple gets there fastest.
    """

    row: dict[str, object]
    assets: list[dict[str, object]]
    copies: list[dict[str, object]]

    @property
    def stem(self) -> str:
        """Where its files lie."""
        return str(self.row["stem"])

    @property
    def has_files(self) -> bool:
        """Whether it names any file."""
        return any(map(_is_file, self.assets))


def make_adoptable(generation: Generation, stem: str, captured: Captured) -> Adoptable:
    """Make the rows of a generation that the index does not know yet."""
    state = after(GENERATIONS, None, captured.event)
    row = {
        **generation_row(generation),
        "state": state.value,
        "is_secured": int(state not in DUE_STATES),
        "reason": captured.reason,
        "stem": stem,
        "stem_folded": keys.fold(stem),
        "deadline_at": stamp_or_none(generation.expires_at),
        "archived_at": stamp_or_none(captured.archived_at),
        "next_try_at": stamp_or_none(captured.next_try_at),
    }
    ordinals: Counter[object] = Counter()
    entries = (
        *(_media_row(media, stem) for media in captured.media),
        *(_missing_row(missing) for missing in captured.missing),
    )
    assets = [
        {**asset, "position": position, "ordinal": _next_ordinal(asset, ordinals)}
        for position, asset in enumerate(entries)
    ]
    copies = [copy_row(key, receipt) for key, receipt in captured.receipts]
    return Adoptable(row, assets, copies)


def adopt_all(index: Index, many: Sequence[Adoptable]) -> list[tuple[Adoptable, Exception]]:
    """Take over generations in one transaction; gives back those that were refused, and why.

    Only when one is refused are they begun again, each as a part that is taken back alone: such
    parts would add half to the time of all others.
    """
    try:
        with index.transaction() as db:
            new, others = _part(db, many)
            if new:
                with gathered(db.conn) as last:
                    _insert(db, last, new)
            for one in others:
                _adopt(db, one)
    except _REFUSALS:
        return _adopt_each(index, many)
    return []


def _part(db: Database, many: Sequence[Adoptable]) -> tuple[list[Adoptable], list[Adoptable]]:
    """Part what the index does not know yet from all else, which has to be compared."""
    wanted = json.dumps([[one.row["account"], one.row["id"]] for one in many])
    known = set(db.conn.execute(_KNOWN, (wanted,)))
    new: list[Adoptable] = []
    others: list[Adoptable] = []
    for one in many:
        identity = (one.row["account"], one.row["id"])
        (others if identity in known else new).append(one)
        known.add(identity)
    return new, others


def _insert(db: Database, last: int, new: Sequence[Adoptable]) -> None:
    """Write generations that are not known, under the numbers after the last one."""
    numbered = list(enumerate(new, last + 1))
    statements.insert(db, "generations", ({"number": at, **one.row} for at, one in numbered))
    statements.insert(
        db, "assets", ({"generation": at, **row} for at, one in numbered for row in one.assets)
    )
    _put_copies(db, numbered)


def _put_copies(db: Database, numbered: Iterable[tuple[int, Adoptable]]) -> None:
    rows = ({"generation": at, **row} for at, one in numbered for row in one.copies)
    statements.upsert(db, "copies", ("generation", "key", "destination"), rows)


def _adopt_each(index: Index, many: Sequence[Adoptable]) -> list[tuple[Adoptable, Exception]]:
    refused: list[tuple[Adoptable, Exception]] = []
    with index.transaction():
        for one in many:
            try:
                adopt(index, one)
            except _REFUSALS as error:
                refused.append((one, error))
    return refused


def adopt(index: Index, one: Adoptable) -> None:
    """Take over a generation from its sidecar, as when the index is made anew.

    Called again for another destination's sidecar of the same generation it adds what that one
    knows more: a file that one destination holds is not missing because another lacks it.
    """
    with index.transaction() as db:
        _adopt(db, one)


def _adopt(db: Database, one: Adoptable) -> None:
    known = db.conn.execute(
        "SELECT number, stem FROM generations WHERE account = :account AND id = :id", one.row
    ).fetchone()
    if known is None:
        [last] = db.conn.execute("SELECT COALESCE(MAX(number), 0) FROM generations").fetchone()
        _insert(db, last, [one])
    elif known[1] != one.stem:
        raise ValueError(f"{one.row['id']} has another sidecar already, at {known[1]}")
    else:
        _add_more(db, known[0], one)
        _put_copies(db, [(known[0], one)])


def take_words(index: Index, number: int, generation: Generation, archived_at: datetime) -> None:
    """Let a generation be what its sidecar says: its facts, and when it was archived."""
    with index.transaction() as db:
        row = {**generation_row(generation), "archived_at": stamp(archived_at)}
        statements.update(db, "generations", ["number"], [{"number": number, **row}])


def _add_more(db: Database, number: int, one: Adoptable) -> None:
    """Add a further sidecar's files to a known generation, and judge its state anew.

    What was committed tells more than a listing: its words replace those of a pending row, and of
    one that was in progress. So do those of a sidecar that names a file which was not kept yet.
    """
    known = db.conn.execute("SELECT state FROM generations WHERE number = ?", (number,)).fetchone()
    before = State(known[0])
    states, ordinals = _known_assets(db.conn, number)
    is_ended = one.row["status"] != Status.IN_PROGRESS
    tells_more = any(
        _is_file(asset) and states.get(asset["key"]) is not State.ARCHIVED for asset in one.assets
    )
    if before in (State.PENDING, State.IN_PROGRESS) or (is_ended and tells_more):
        facts = {name: one.row[name] for name in _FACTS}
        statements.update(db, "generations", ["number"], [{"number": number, **facts}])
    for asset in one.assets:
        state = states.get(asset["key"])
        if state is None or (_is_file(asset) and state is not State.ARCHIVED):
            place = {"generation": number, "position": len(states)}
            ordinal = _next_ordinal(asset, ordinals)
            db.conn.execute(_PUT_ASSET, {**asset, **place, "ordinal": ordinal})
            states[asset["key"]] = State(str(asset["state"]))
    is_whole = set(states.values()) <= {State.ARCHIVED, State.EXCLUDED}
    if is_whole or before is State.IN_PROGRESS:
        _end(db, number, before, one)


def _end(db: Database, number: int, before: State, one: Adoptable) -> None:
    """Write what a generation has come to: what was in progress, to what its sidecar says."""
    is_first = before is State.IN_PROGRESS
    state = State(str(one.row["state"])) if is_first else after(GENERATIONS, before, Event.SECURED)
    row = {
        "number": number,
        "state": state.value,
        "is_secured": int(state not in DUE_STATES),
        "reason": one.row["reason"] if is_first else None,
        "archived_at": one.row["archived_at"],
        "next_try_at": one.row["next_try_at"],
    }
    statements.update(db, "generations", ["number"], [row])


def _known_assets(
    db: sqlite3.Connection, number: int
) -> tuple[dict[object, State], Counter[object]]:
    """The states of a generation's assets, and the last number given in each role."""
    states: dict[object, State] = {}
    ordinals: Counter[object] = Counter()
    rows = db.execute(
        "SELECT key, state, role, ordinal FROM assets WHERE generation = ?", (number,)
    )
    for key, state, role, ordinal in rows:
        states[key] = State(state)
        ordinals[role] = max(ordinals[role], ordinal)
    return states, ordinals


def _is_file(asset: Mapping[str, object]) -> bool:
    return asset["path"] is not None


def _next_ordinal(asset: Mapping[str, object], ordinals: Counter[object]) -> int:
    """The number a file's name carries; what has no file yet gets the next one."""
    role = asset["role"]
    ordinal = int(str(asset["ordinal"])) if _is_file(asset) else ordinals[role] + 1
    ordinals[role] = max(ordinals[role], ordinal)
    return ordinal


def _media_row(media: Media, stem: str) -> dict[str, object]:
    return {
        **_NO_ASSET,
        "key": media.key,
        "role": media.role.value,
        "ordinal": keys.read_ordinal(stem, media.path),
        "kind": media.kind.value,
        "state": _HELD,
        "source_url": media.source_url,
        "link_is_whole": int(media.source_url is not None),
        "original_name": media.original_name,
        "path": media.path,
        "path_folded": keys.fold(media.path),
        "media_type": media.media_type,
        "size_bytes": media.digest.size_bytes,
        "sha256": media.digest.sha256,
        "source_etag": media.source_etag,
        "fetched_at": stamp(media.fetched_at),
    }


def _missing_row(missing: Missing) -> dict[str, object]:
    return {
        **_NO_ASSET,
        "key": missing.key,
        "role": missing.role.value,
        "kind": Kind.OTHER.value,
        "state": after(ASSETS, _LISTED, MISSING_EVENTS[missing.state]).value,
        "link_is_whole": 0,
        "reason": missing.reason,
        "http_status": missing.http_status,
        "failed_at": stamp(missing.at),
    }
