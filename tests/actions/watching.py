"""An index in which something is wrong, made in a line, and the config that judges it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from archiver.actions.troubles import Watched
from archiver.index import Index, ledger
from tests.index.making import NOW

EVERY = timedelta(minutes=15)
WATCHED = Watched(
    accounts={"studio": ("geminigen", EVERY)},
    destinations=("disk", "vault"),
    at_risk=timedelta(hours=24),
    verify_every=timedelta(days=7),
    verify_cycle=timedelta(days=90),
)


def remember(index: Index, **facts: object) -> None:
    """Remember an account that went well just now, in which some facts differ."""
    record = ledger.AccountRecord(
        account="studio",
        provider="geminigen",
        last_success_at=NOW,
        first_tried_at=NOW - timedelta(days=9),
    )
    changed = replace(record, **facts)  # type: ignore[arg-type]  # facts are the record's fields
    ledger.save_account(index, changed)


def run(
    index: Index,
    started_at: datetime = NOW,
    exit_code: int = 0,
    failed: dict[str, str] | None = None,
) -> None:
    """Remember a run that came to its end a minute later."""
    run_id = f"{started_at:%d%H%M}"
    ledger.start_run(index, run_id, started_at)
    told = {"destinations_failed": failed or {}}
    ledger.end_run(index, run_id, started_at + timedelta(minutes=1), exit_code, told)
