"""Writes what became of generations: copies with receipts, what is missing, when to try again.

The last step of the write order: media and sidecar are at their destinations before any of
these functions is called.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from archiver import keys
from archiver.index import statements
from archiver.index.database import Index
from archiver.index.rows import stamp, stamp_or_none
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
    ends: list[State | Exception] = []
    with index.transaction():
        for number, captured in tries:
            try:
                with index.transaction() as db:
                    ends.append(_record(db, number, captured, now))
            except sqlite3.Error:
                raise
            except Exception as error:
                ends.append(error)
    return ends


def _record(db: Database, number: int, captured: Captured, now: datetime) -> State:
    states = _asset_states(db, number)
    for media in captured.media:
        _record_media(db, number, media, states[media.key])
    for missing in captured.missing:
        _record_missing(db, number, missing, states[missing.key])
    _record_receipts(db, number, captured.receipts, proven_at=None, fault=None)
    row = next(db.query("SELECT state, fingerprint FROM generations WHERE number = ?", [number]))
    state = after(GENERATIONS, State(row["state"]), captured.event)
    _end_try(db, number, captured, state)
    is_other = captured.fingerprint not in (row["fingerprint"], None)
    is_other = is_other or _has_pending(db, number)
    if state in (State.ARCHIVED, State.LOST) and is_other:
        changed = after(GENERATIONS, state, Event.CHANGED)
        again = {"state": changed, "next_try_at": stamp(now), "is_secured": 0}
        statements.update(db, "generations", {"number": number}, again)
    return state


def _end_try(db: Database, number: int, captured: Captured, state: State) -> None:
    next_try_at = None if state in RESTING_STATES else captured.next_try_at
    db.execute(
        "UPDATE generations SET state = :state, reason = :reason, next_try_at = :next_try_at,"
        " archived_at = COALESCE(:archived_at, archived_at),"
        " attempts = CASE WHEN :next_try_at IS NULL THEN 0 ELSE attempts + 1 END,"
        " misses = :misses, is_secured = :is_secured,"
        " may_be_committed = CASE WHEN :state = 'failed' THEN may_be_committed ELSE 0 END"
        " WHERE number = :number",
        {
            "number": number,
            "state": state.value,
            "reason": captured.reason,
            "next_try_at": stamp_or_none(next_try_at),
            "archived_at": stamp_or_none(captured.archived_at),
            "misses": captured.misses,
            "is_secured": int(_is_secured(db, number, state)),
        },
    )


def _asset_states(db: Database, number: int) -> dict[str, State]:
    rows = db.conn.execute("SELECT key, state FROM assets WHERE generation = ?", [number])
    return {key: State(state) for key, state in rows}


def _is_secured(db: Database, number: int, state: State) -> bool:
    """Whether nothing has to be fetched any more: what is missing is a copy, or a sidecar."""
    states = set(_asset_states(db, number).values())
    return state is State.ARCHIVED or (bool(states) and not states & DUE_STATES)


def _has_pending(db: Database, number: int) -> bool:
    return State.PENDING in _asset_states(db, number).values()


def suspect_all(index: Index) -> None:
    """After a run that died: whatever is due may be committed already (see `Known`)."""
    with index.transaction() as db:
        db.execute("UPDATE generations SET may_be_committed = 1 WHERE next_try_at IS NOT NULL")


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


def _record_media(db: Database, number: int, media: Media, before: State) -> None:
    statements.update(
        db,
        "assets",
        {"generation": number, "key": media.key},
        {
            "state": after(ASSETS, before, Event.SECURED).value,
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
        },
    )


def _record_missing(db: Database, number: int, missing: Missing, before: State) -> None:
    statements.update(
        db,
        "assets",
        {"generation": number, "key": missing.key},
        {
            "state": after(ASSETS, before, MISSING_EVENTS[missing.state]).value,
            "reason": missing.reason,
            "http_status": missing.http_status,
            "failed_at": stamp(missing.at),
        },
    )


def _record_receipts(
    db: Database, number: int, receipts: Sequence[tuple[str, Receipt]], **now: None
) -> None:
    """Write receipts; `now` resets what was known of the copies, where new files replaced them."""
    statements.upsert(
        db,
        "copies",
        ("generation", "key", "destination"),
        (
            {
                "generation": number,
                "key": key,
                "destination": receipt.destination,
                "path": receipt.key,
                "size_bytes": receipt.digest.size_bytes,
                "sha256": receipt.digest.sha256,
                "stored_at": stamp(receipt.stored_at),
                "verified": receipt.verified,
                "etag": receipt.etag,
                "version_id": receipt.version_id,
                **now,
            }
            for key, receipt in receipts
        ),
    )
