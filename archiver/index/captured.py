"""Writes what became of generations: copies with receipts, what is missing, when to try again.

The last step of the write order: media and sidecar are at their destinations before any of
these functions is called.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from archiver import keys
from archiver.index import statements
from archiver.index.database import Index
from archiver.index.rows import copy_row, stamp, stamp_or_none
from archiver.model import Media, Missing, Receipt, State
from archiver.states import (
    ASSETS,
    DUE_STATES,
    GENERATIONS,
    MISSING_EVENTS,
    RESTING_STATES,
    Event,
    after,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

SIDECAR = ""
"""The asset key under which the copies of a generation's sidecar are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """How one try to capture a generation ended: with which event, and what came of it.

    `receipts` are by asset key, SIDECAR for the sidecar. `next_try_at` is set when something
    will be tried again. `fingerprint` is what the generation was when the try began. `misses`
    counts how often in a row the provider did not know it.
    """

    event: Event
    reason: str | None
    fingerprint: str | None = None
    media: tuple[Media, ...] = ()
    missing: tuple[Missing, ...] = ()
    receipts: tuple[tuple[str, Receipt], ...] = ()
    archived_at: datetime | None = None
    next_try_at: datetime | None = None
    misses: int = 0


def record(index: Index, number: int, captured: Captured, now: datetime) -> State:
    """Write the outcome of one try, all of it in one transaction; returns the state it led to.

    A generation that was listed anew meanwhile, with other files or facts, is due again at once;
    not so one from a sidecar whose first listing came meanwhile: there is nothing to compare with.
    """
    [state] = record_all(index, [(number, captured)], now)
    if isinstance(state, Exception):
        raise state
    return state


def record_all(
    index: Index, tries: Sequence[tuple[int, Captured]], now: datetime
) -> list[State | Exception]:
    """Write the outcomes of tries in one transaction: a commit waits for the disk once for all.

    One that cannot be written takes back only its own part, and its error stands in its place;
    raises sqlite3.Error when none can be.
    """
    with index.transaction():
        try:
            return _record_together(index, tries, now)
        except sqlite3.Error:
            raise
        except Exception:  # in which of them is found out by writing each alone
            return [_record_alone(index, one, now) for one in tries]


def _record_alone(index: Index, one: tuple[int, Captured], now: datetime) -> State | Exception:
    try:
        [state] = _record_together(index, [one], now)
    except sqlite3.Error:
        raise
    except Exception as error:
        return error
    return state


def _record_together(
    index: Index, tries: Sequence[tuple[int, Captured]], now: datetime
) -> list[State | Exception]:
    with index.transaction() as db:
        before = _load(db, [number for number, _ in tries])
        ends = [_End.of(before[number], captured, now) for number, captured in tries]
        _record_assets(db, tries, before)
        _record_receipts(db, tries)
        statements.update(db, "generations", ["number"], [end.row for end in ends])
    return [end.state for end in ends]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What the index says of a generation, and of its assets by their keys, before a try."""

    generation: Mapping[str, Any]
    assets: Mapping[str, State]


def _load(db: Database, numbers: Sequence[int]) -> dict[int, _Before]:
    wanted = [json.dumps(numbers)]
    assets: dict[int, dict[str, State]] = {number: {} for number in numbers}
    for number, key, state in db.conn.execute(
        "SELECT generation, key, state FROM assets"
        " WHERE generation IN (SELECT value FROM json_each(?))",
        wanted,
    ):
        assets[number][key] = State(state)
    rows = db.query(
        "SELECT number, state, fingerprint, attempts, archived_at, may_be_committed"
        " FROM generations WHERE number IN (SELECT value FROM json_each(?))",
        wanted,
    )
    return {
        row["number"]: _Before(generation=row, assets=assets[row["number"]]) for row in list(rows)
    }


@dataclass(frozen=True, slots=True)
class _End:
    """What a try leads to: the state that is told, and the row that is written."""

    state: State
    row: Mapping[str, object]

    @classmethod
    def of(cls, before: _Before, captured: Captured, now: datetime) -> _End:
        """Judge a try. What changed while it went on is due again at once."""
        old = before.generation
        state = after(GENERATIONS, State(old["state"]), captured.event)
        assets = _states_after(before, captured)
        is_secured = state is State.ARCHIVED or (bool(assets) and not assets & DUE_STATES)
        next_try_at = None if state in RESTING_STATES else captured.next_try_at
        row: dict[str, object] = {
            "number": old["number"],
            "state": state.value,
            "reason": captured.reason,
            "next_try_at": stamp_or_none(next_try_at),
            "archived_at": stamp_or_none(captured.archived_at) or old["archived_at"],
            "attempts": 0 if next_try_at is None else old["attempts"] + 1,
            "misses": captured.misses,
            "is_secured": int(is_secured),
            "may_be_committed": old["may_be_committed"] if state is State.FAILED else 0,
        }
        is_other = captured.fingerprint not in (old["fingerprint"], None)
        if state in (State.ARCHIVED, State.LOST) and (is_other or State.PENDING in assets):
            again = after(GENERATIONS, state, Event.CHANGED)
            row.update(state=again.value, next_try_at=stamp(now), is_secured=0)
        return cls(state, row)


def _states_after(before: _Before, captured: Captured) -> set[State]:
    states = dict(before.assets)
    states.update((one.key, _secured(states[one.key])) for one in captured.media)
    states.update((one.key, _missed(states[one.key], one)) for one in captured.missing)
    return set(states.values())


def _secured(state: State) -> State:
    return after(ASSETS, state, Event.SECURED)


def _missed(state: State, missing: Missing) -> State:
    return after(ASSETS, state, MISSING_EVENTS[missing.state])


def suspect_all(index: Index) -> None:
    """After a run that died: whatever is due may be committed already (see `Known`)."""
    with index.transaction() as db:
        db.execute("UPDATE generations SET may_be_committed = 1 WHERE next_try_at IS NOT NULL")


def suspect(index: Index, number: int) -> None:
    """Likewise of one that is due, and captured outside of a run: a kill would leave no word."""
    with index.transaction() as db:
        db.execute(
            "UPDATE generations SET may_be_committed = 1"
            " WHERE number = ? AND next_try_at IS NOT NULL",
            [number],
        )


def complete_everywhere(index: Index, destinations: Collection[str], now: datetime) -> None:
    """Make due what lacks a sidecar at one of these destinations: it is to be caught up."""
    with index.transaction() as db:
        db.execute(
            "UPDATE generations SET next_try_at = :now WHERE next_try_at IS NULL"
            " AND state IN ('archived', 'lost') AND :many > (SELECT COUNT(*) FROM copies c"
            " WHERE c.generation = number AND c.key = :sidecar"
            " AND c.destination IN (SELECT value FROM json_each(:names)))",
            {
                "now": stamp(now),
                "many": len(destinations),
                "sidecar": SIDECAR,
                "names": json.dumps(sorted(destinations)),
            },
        )


def retry_all(index: Index, now: datetime) -> None:
    """Make everything due now that waits for its next try."""
    with index.transaction() as db:
        db.execute(
            "UPDATE generations SET next_try_at = :now WHERE next_try_at > :now",
            {"now": stamp(now)},
        )
        db.execute("UPDATE generations SET ask_at = NULL WHERE ask_at IS NOT NULL")


def _record_assets(
    db: Database, tries: Sequence[tuple[int, Captured]], before: Mapping[int, _Before]
) -> None:
    """Write what came, then what did not."""
    came = (
        {"generation": number, **_media_row(media, before[number].assets[media.key])}
        for number, captured in tries
        for media in captured.media
    )
    statements.update(db, "assets", ["generation", "key"], came)
    lacking = (
        {"generation": number, **_missing_row(missing, before[number].assets[missing.key])}
        for number, captured in tries
        for missing in captured.missing
    )
    statements.update(db, "assets", ["generation", "key"], lacking)


def _media_row(media: Media, before: State) -> dict[str, object]:
    return {
        "key": media.key,
        "state": _secured(before).value,
        "kind": media.kind.value,
        "path": media.path,
        "path_folded": keys.fold(media.path),
        "original_name": media.original_name,
        "media_type": media.media_type,
        "size_bytes": media.digest.size_bytes,
        "sha256": media.digest.sha256,
        "source_url": media.source_url,
        "source_etag": media.source_etag,
        "fetched_at": stamp(media.fetched_at),
        "reason": None,
        "http_status": None,
        "failed_at": None,
    }


def _missing_row(missing: Missing, before: State) -> dict[str, object]:
    return {
        "key": missing.key,
        "state": _missed(before, missing).value,
        "reason": missing.reason,
        "http_status": missing.http_status,
        "failed_at": stamp(missing.at),
    }


def _record_receipts(db: Database, tries: Sequence[tuple[int, Captured]]) -> None:
    """Write receipts, and forget what was known of the copies that new files replaced."""
    rows = (
        {
            "generation": number,
            **copy_row(key, receipt),
            "proven_at": None,
            "fault": None,
        }
        for number, captured in tries
        for key, receipt in captured.receipts
    )
    statements.upsert(db, "copies", ("generation", "key", "destination"), rows)
