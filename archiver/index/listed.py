"""Writes what providers list: new generations, what changed about known ones, their assets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from archiver import keys
from archiver.index import statements
from archiver.index.database import Index
from archiver.index.rows import asset_row, generation_row, stamp, stamp_or_none
from archiver.model import Asset, Generation, Role, State, Status
from archiver.states import ASSETS, GENERATIONS, Event, after

if TYPE_CHECKING:
    from sqlite_utils import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One listed generation and what our rules say of it.

    `fingerprint` changes when something that belongs into the sidecar changed. `assets` is
    None when the listing does not name all files. `excluded_because` names the rule that
    leaves the whole generation out. `link_expires_at` is when the first of its links stops working.
    """

    generation: Generation
    fingerprint: str
    stem: str
    deadline_at: datetime | None
    assets: tuple[Asset, ...] | None
    excluded_because: str | None
    link_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the index made of a listed generation."""

    number: int
    generation: Generation
    is_new: bool
    state: State


def record_page(
    index: Index, page: Sequence[Listed], wanted_roles: frozenset[Role], now: datetime
) -> list[Seen]:
    """Write one page of a listing in one transaction; unchanged generations cost no write."""
    entries = _without_repeats(page)
    with index.transaction() as db:
        known = _known(db, entries)
        new = [one for one in entries if one.generation.id not in known]
        numbers = _insert(db, new, wanted_roles, now)
        return [
            _renew(db, one, known[one.generation.id], wanted_roles, now)
            if one.generation.id in known
            else Seen(
                number=numbers[one.generation.id],
                generation=one.generation,
                is_new=True,
                state=_next_state(one, None),
            )
            for one in entries
        ]


def record_detail(
    index: Index,
    number: int,
    generation: Generation,
    wanted_roles: frozenset[Role],
    now: datetime,
) -> None:
    """Write what a provider says of one generation when it is asked by id."""
    with index.transaction() as db:
        columns = generation_row(generation)
        if columns["expires_at"] is not None:
            columns["deadline_at"] = columns["expires_at"]
        row = {"number": number, **columns, "misses": 0}
        statements.update(db, "generations", ["number"], [row])
        _add_assets(db, number, generation.assets, wanted_roles, now)


def want_roles(index: Index, wanted_roles: frozenset[Role], now: datetime) -> None:
    """Take back the exclusion of assets whose role the config keeps from now on.

    Where other files are lost, these may still be there: so a lost generation is tried again.
    """
    with index.transaction() as db:
        values = {
            "roles": json.dumps(sorted(wanted_roles)),
            "excluded": State.EXCLUDED.value,
            "now": stamp(now),
        }
        rows = db.query(
            "SELECT DISTINCT generation FROM assets INDEXED BY assets_excluded"
            " WHERE state = 'excluded' AND role IN (SELECT value FROM json_each(:roles))",
            values,
        )
        for row in list(rows):
            _take_back(db, row["generation"], values)


def _take_back(db: Database, number: int, values: Mapping[str, str]) -> None:
    db.execute(
        "UPDATE assets SET state = :pending, reason = NULL WHERE generation = :number"
        " AND state = :excluded AND role IN (SELECT value FROM json_each(:roles))",
        {**values, "pending": after(ASSETS, State.EXCLUDED, Event.WANTED), "number": number},
    )
    row = next(db.query("SELECT state FROM generations WHERE number = ?", [number]))
    state = after(GENERATIONS, State(row["state"]), Event.WANTED)
    if state is State.PENDING:
        due = {"state": state, "next_try_at": values["now"], "is_secured": 0}
        db.table("generations").update(number, due)


def move_deadlines(index: Index, account: str, retention: timedelta | None) -> None:
    """Count an account's deadlines anew, as when its retention was changed in the config.

    The provider's own word (`expires_at`) stays. What the index remembers is the retention that
    the deadlines were counted with, so that this costs nothing while it stays the same.
    """
    seconds = None if retention is None else retention.total_seconds()
    with index.transaction() as db:
        row = db.execute(
            "SELECT retention_seconds FROM accounts WHERE account = ?", [account]
        ).fetchone()
        if row is None or row[0] == seconds:
            return
        db.execute(
            "UPDATE accounts SET retention_seconds = ? WHERE account = ?", [seconds, account]
        )
        db.execute(
            "UPDATE generations SET deadline_at = later(created_at, :seconds)"
            " WHERE account = :account AND expires_at IS NULL",
            {"account": account, "seconds": seconds},
        )


def ask_later(index: Index, number: int, moment: datetime, misses: int = 0) -> None:
    """Leave a generation that the provider is still at work on alone until a moment.

    `misses` is how many times in a row the provider did not know it when asked by id.
    """
    with index.transaction() as db:
        db.table("generations").update(number, {"ask_at": stamp(moment), "misses": misses})


def _without_repeats(page: Sequence[Listed]) -> list[Listed]:
    return list({listed.generation.id: listed for listed in page}.values())


def _known(db: Database, page: Sequence[Listed]) -> dict[str, Mapping[str, object]]:
    if not page:
        return {}
    rows = db.query(
        "SELECT number, id, state, status, fingerprint FROM generations"
        " WHERE account = :account AND id IN (SELECT value FROM json_each(:ids))",
        {
            "account": page[0].generation.account,
            "ids": json.dumps([listed.generation.id for listed in page]),
        },
    )
    return {row["id"]: row for row in rows}


def _renew(
    db: Database,
    listed: Listed,
    known: Mapping[str, object],
    wanted_roles: frozenset[Role],
    now: datetime,
) -> Seen:
    state = _next_state(listed, known)
    number = int(str(known["number"]))
    if known["fingerprint"] != listed.fingerprint or known["state"] != state:
        _update(db, known, listed, state, now)
        if listed.assets is not None:
            _add_assets(db, number, listed.assets, wanted_roles, now)
    return Seen(number=number, generation=listed.generation, is_new=False, state=state)


def _next_state(listed: Listed, known: Mapping[str, object] | None) -> State:
    before = None if known is None else State(str(known["state"]))
    return after(GENERATIONS, before, _event_of(listed, known))


def _event_of(listed: Listed, known: Mapping[str, object] | None) -> Event:
    """Name what a listing says of a generation; a row without fingerprint is not compared."""
    if listed.excluded_because is not None:
        return Event.RULED_OUT
    if listed.generation.status is Status.IN_PROGRESS:
        return Event.UNFINISHED
    is_same = known is None or known["fingerprint"] in (listed.fingerprint, None)
    return Event.LISTED if is_same else Event.CHANGED


def _insert(
    db: Database, new: Sequence[Listed], wanted_roles: frozenset[Role], now: datetime
) -> dict[str, int]:
    """Write generations that were never listed, with their assets; gives their numbers by id."""
    stems = _free_stems(db, new)
    first = db.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM generations").fetchone()[0]
    numbers = {one.generation.id: first + place for place, one in enumerate(new)}
    rows = [
        {
            "number": numbers[listed.generation.id],
            **generation_row(listed.generation),
            **_standing(listed, _next_state(listed, None), now),
            "deadline_at": stamp_or_none(listed.deadline_at),
            "link_expires_at": stamp_or_none(listed.link_expires_at),
            "fingerprint": listed.fingerprint,
            "stem": stem,
            "stem_folded": keys.fold(stem),
            "listed_at": stamp(now),
        }
        for listed, stem in zip(new, stems, strict=True)
    ]
    statements.insert(db, "generations", rows)
    assets = (
        row
        for listed in new
        for row in _new_assets(
            numbers[listed.generation.id], listed.assets or (), wanted_roles, now
        )
    )
    statements.insert(db, "assets", assets)
    return numbers


def _update(
    db: Database, known: Mapping[str, object], listed: Listed, state: State, now: datetime
) -> None:
    """Write what changed; what a row leaves out, and an earlier detail told, stays."""
    number = int(str(known["number"]))
    columns: dict[str, object] = {
        "fingerprint": listed.fingerprint,
        "deadline_at": stamp_or_none(listed.deadline_at),
        "link_expires_at": stamp_or_none(listed.link_expires_at),
    }
    if known["state"] != state:
        columns.update(_standing(listed, state, now))
    if known["fingerprint"] is not None or state is not State.ARCHIVED:
        told = generation_row(listed.generation)
        details = json.loads(str(told.pop("details")))
        columns.update({name: value for name, value in told.items() if value is not None})
        columns["details"] = _merged(db, number, details)
    statements.update(db, "generations", ["number"], [{"number": number, **columns}])


def _standing(listed: Listed, state: State, now: datetime) -> dict[str, object]:
    return {
        "state": state.value,
        "reason": listed.excluded_because,
        "next_try_at": stamp(now) if state is State.PENDING else None,
        "is_secured": 0,
    }


def _merged(db: Database, number: int, details: dict[str, Any]) -> str:
    row = next(db.query("SELECT details FROM generations WHERE number = ?", [number]))
    before = json.loads(row["details"])
    for name in ("raw", "parameters"):
        details[name] = {**before[name], **details[name]}
    for name in ("cost", "error"):
        details[name] = details[name] or before[name]
    return json.dumps(details, ensure_ascii=False, sort_keys=True)


def _free_stems(db: Database, new: Sequence[Listed]) -> list[str]:
    """Give each its stem, with a hash when another generation's differs only by case or form."""
    folded = [keys.fold(one.stem) for one in new]
    rows = db.execute(
        "SELECT stem_folded FROM generations WHERE stem_folded IN (SELECT value FROM json_each(?))",
        [json.dumps(folded)],
    )
    taken, stems = {row[0] for row in rows}, []
    for one, fold in zip(new, folded, strict=True):
        generation, is_taken = one.generation, fold in taken
        hashed = keys.with_hash(one.stem, f"{generation.account}/{generation.id}")
        stems.append(hashed if is_taken else one.stem)
        taken.add(keys.fold(stems[-1]))
    return stems


def _add_assets(
    db: Database,
    number: int,
    assets: Sequence[Asset],
    wanted_roles: frozenset[Role],
    now: datetime,
) -> None:
    """Write what a generation is now said to have beside what is known; nothing is taken away."""
    query = "SELECT key, state, role, ordinal FROM assets WHERE generation = ?"
    known = {row["key"]: row for row in db.query(query, [number])}
    for position, asset in enumerate(assets):
        if asset.key not in known:
            continue
        columns = asset_row(asset, position)
        if known[asset.key]["state"] == State.ARCHIVED:
            # The rest says what was kept, and from where.
            columns = {"key": asset.key, "position": position}
        row = {"generation": number, **columns}
        statements.update(db, "assets", ["generation", "key"], [row])
    ordinals: Counter[str] = Counter()
    for one in known.values():
        ordinals[one["role"]] = max(ordinals[one["role"]], one["ordinal"])
    new = _new_assets(number, assets, wanted_roles, now, known, ordinals)
    statements.insert(db, "assets", new)


def _new_assets(
    number: int,
    assets: Sequence[Asset],
    wanted_roles: frozenset[Role],
    now: datetime,
    known: Container[str] = (),
    ordinals: Counter[str] | None = None,
) -> Iterator[dict[str, object]]:
    """Make the rows of assets that are not known; each gets the next number of its role for good.

    `ordinals` are the highest so far.
    """
    ordinals = Counter() if ordinals is None else ordinals
    for position, asset in enumerate(assets):
        if asset.key in known:
            continue
        ordinals[asset.role.value] += 1
        is_wanted = asset.role in wanted_roles
        yield {
            **asset_row(asset, position),
            "generation": number,
            "ordinal": ordinals[asset.role.value],
            "state": after(ASSETS, None, Event.LISTED if is_wanted else Event.RULED_OUT).value,
            "reason": None if is_wanted else f"role {asset.role} is not kept",
            "failed_at": None if is_wanted else stamp(now),
        }
