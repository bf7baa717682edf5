"""Writes what became of generations: copies with receipts, what is missing, when to try again.

The last step of the write order: media and sidecar are at their destinations before any of
these functions is called.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlite_utils import Database

from archiver import keys
from archiver.index.database import Index
from archiver.index.listed import last_number, next_ordinal
from archiver.index.rows import asset_row, generation_row, stamp, stamp_or_none
from archiver.model import Asset, Generation, Kind, Link, Media, Missing, Receipt, State
from archiver.states import ASSETS, GENERATIONS, MISSING_EVENTS, RESTING_STATES, Event, after

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

    A generation that was listed anew meanwhile, with other files or facts, is due again at once.
    """
    with index.transaction() as db:
        states = _asset_states(db, number)
        for media in captured.media:
            _record_media(db, number, media, states[media.key])
        for missing in captured.missing:
            _record_missing(db, number, missing, states[missing.key])
        _record_receipts(db, number, captured.receipts)
        row = next(
            db.query("SELECT state, fingerprint FROM generations WHERE number = ?", [number])
        )
        state = after(GENERATIONS, State(row["state"]), captured.event)
        _end_try(db, number, captured, state)
        is_other = row["fingerprint"] != captured.fingerprint or _has_pending(db, number)
        if state in (State.ARCHIVED, State.LOST) and is_other:
            changed = after(GENERATIONS, state, Event.CHANGED)
            db.table("generations").update(number, {"state": changed, "next_try_at": stamp(now)})
        return state


def _end_try(db: Database, number: int, captured: Captured, state: State) -> None:
    next_try_at = None if state in RESTING_STATES else captured.next_try_at
    db.execute(
        "UPDATE generations SET state = :state, reason = :reason, next_try_at = :next_try_at,"
        " archived_at = COALESCE(:archived_at, archived_at),"
        " attempts = CASE WHEN :next_try_at IS NULL THEN 0 ELSE attempts + 1 END,"
        " misses = :misses,"
        " may_be_committed = CASE WHEN :state = 'failed' THEN may_be_committed ELSE 0 END"
        " WHERE number = :number",
        {
            "number": number,
            "state": state.value,
            "reason": captured.reason,
            "next_try_at": stamp_or_none(next_try_at),
            "archived_at": stamp_or_none(captured.archived_at),
            "misses": captured.misses,
        },
    )


def _asset_states(db: Database, number: int) -> dict[str, State]:
    rows = db.query("SELECT key, state FROM assets WHERE generation = ?", [number])
    return {row["key"]: State(row["state"]) for row in rows}


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


def adopt(
    index: Index,
    generation: Generation,
    stem: str,
    captured: Captured,
) -> None:
    """Take over a generation from its sidecar, as when the index is made anew.

    Called again for another destination's sidecar of the same generation it adds what that one
    knows more: a file that one destination holds is not missing because another lacks it.
    """
    with index.transaction() as db:
        row = db.execute(
            "SELECT number, stem FROM generations WHERE account = ? AND id = ?",
            [generation.account, generation.id],
        ).fetchone()
        number = row[0] if row else _adopt_generation(db, generation, stem, captured)
        if row is not None:
            if row[1] != stem:
                raise ValueError(f"{generation.id} has another sidecar already, at {row[1]}")
            _adopt_more(db, number, generation, stem, captured)
        _record_receipts(db, number, captured.receipts)


def _adopt_generation(db: Database, generation: Generation, stem: str, captured: Captured) -> int:
    columns = {
        **generation_row(generation),
        "state": after(GENERATIONS, None, captured.event).value,
        "reason": captured.reason,
        "stem": stem,
        "stem_folded": keys.fold(stem),
        "deadline_at": stamp_or_none(generation.expires_at),
        "archived_at": stamp_or_none(captured.archived_at),
        "next_try_at": stamp_or_none(captured.next_try_at),
    }
    number = last_number(db.table("generations").insert(columns))
    entries: tuple[Media | Missing, ...] = (*captured.media, *captured.missing)
    for position, entry in enumerate(entries):
        _adopt_asset(db, number, entry, position, stem)
    return number


def _adopt_more(
    db: Database, number: int, generation: Generation, stem: str, captured: Captured
) -> None:
    """Add a further sidecar's files to a known generation, and judge its state anew.

    What was committed tells more than a listing: its words replace those of a pending row.
    """
    row = next(db.query("SELECT state FROM generations WHERE number = ?", [number]))
    if row["state"] == State.PENDING:
        db.table("generations").update(number, generation_row(generation))
    states = _asset_states(db, number)
    entries: tuple[Media | Missing, ...] = (*captured.media, *captured.missing)
    for entry in entries:
        if entry.key not in states:
            _adopt_asset(db, number, entry, len(states), stem)
        elif isinstance(entry, Media) and states[entry.key] is not State.ARCHIVED:
            _record_media(db, number, entry, states[entry.key])
    if {*_asset_states(db, number).values()} <= {State.ARCHIVED, State.EXCLUDED}:
        secured = {
            "state": after(GENERATIONS, State(row["state"]), Event.SECURED).value,
            "reason": None,
            "archived_at": stamp_or_none(captured.archived_at),
            "next_try_at": stamp_or_none(captured.next_try_at),
        }
        db.table("generations").update(number, secured)


def _adopt_asset(
    db: Database, number: int, entry: Media | Missing, position: int, stem: str
) -> None:
    if isinstance(entry, Media):
        ordinal = keys.read_ordinal(stem, entry.path)
    else:
        ordinal = next_ordinal(db, number, entry.role)
    source_url = entry.source_url if isinstance(entry, Media) else None
    asset = Asset(
        key=entry.key,
        role=entry.role,
        kind=entry.kind if isinstance(entry, Media) else Kind.OTHER,
        sources=(Link(url=source_url),) if source_url else (),
        original_name=entry.original_name if isinstance(entry, Media) else None,
    )
    columns = {**asset_row(asset, position), "generation": number, "ordinal": ordinal}
    state = after(ASSETS, None, Event.LISTED)
    db.table("assets").insert({**columns, "state": state.value})
    if isinstance(entry, Media):
        _record_media(db, number, entry, state)
    else:
        _record_missing(db, number, entry, state)


def _record_media(db: Database, number: int, media: Media, before: State) -> None:
    db.table("assets").update(
        (number, media.key),
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
    db.table("assets").update(
        (number, missing.key),
        {
            "state": after(ASSETS, before, MISSING_EVENTS[missing.state]).value,
            "reason": missing.reason,
            "http_status": missing.http_status,
            "failed_at": stamp(missing.at),
        },
    )


def _record_receipts(db: Database, number: int, receipts: Sequence[tuple[str, Receipt]]) -> None:
    db.table("copies").upsert_all(
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
            }
            for key, receipt in receipts
        ),
        pk=("generation", "key", "destination"),
    )
