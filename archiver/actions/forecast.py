"""Says in advance what will be lost, and when, unless something changes (promises 4 and 9).

Takes the backlog in the order in which it will be captured and lets it run against the pace of
past runs and the request budget. What cannot move at all (a refused key, a try that failed three
times) is counted as lost at its deadline, with what stands in the way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from archiver.actions.backlog import Backlog
from archiver.index import Index, ledger
from archiver.index.ledger import Waiting

STUCK_ATTEMPTS = 3
RUNS_LOOKED_AT = 20
FEWEST_CAPTURED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one account will lose. `unless` says what would have to change.

    `waiting` and `lost` count generations, `lost_files` the assets in them. `lost_bytes` is what
    the provider states of these, and for the others the size of an average file.
    `per_hour` is how many generations an hour can be secured; None when nothing is known that
    would hold them up. For so many that pace alone is `too_late`; all else has alarms of its own.
    """

    account: str
    waiting: int
    lost: int
    lost_files: int
    lost_bytes: int
    first_loss_at: datetime | None
    per_hour: float | None
    unless: str | None
    too_late: int = 0
    too_late_from: datetime | None = None


def forecast(
    index: Index,
    account: str,
    provider: str,
    every: timedelta,
    requests_per_hour: int,
    now: datetime,
) -> Forecast:
    """Forecast one account; `requests_per_hour` is its budget, 0 for none."""
    record = ledger.load_account(index, account, provider)
    per_hour = _per_hour(index, requests_per_hour)
    starts_at = max(now, (record.last_walk_at or now) + every)
    waiting, lost, late = 0, Backlog(), Backlog()
    unless: str | None = None
    for one in ledger.waiting(index, account):
        waiting += 1
        stuck = _obstacle(one, record.last_error)
        slow = None if stuck else _slowness(one, starts_at, waiting, per_hour)
        if one.deadline_at is not None and (stuck or slow):
            lost.add(one)
            unless = unless or stuck or slow
        if slow:
            late.add(one)
    return Forecast(
        account=account,
        waiting=waiting,
        lost=lost.generations,
        lost_files=lost.files,
        lost_bytes=lost.estimate_bytes(index, account),
        first_loss_at=lost.first.deadline_at if lost.first else None,
        per_hour=per_hour,
        unless=unless,
        too_late=late.generations,
        too_late_from=late.first.deadline_at if late.first else None,
    )


def _obstacle(waiting: Waiting, account_error: str | None) -> str | None:
    """Name what keeps one generation from being secured at all, or None."""
    if account_error is not None:
        return f"the account works again: {account_error}"
    if waiting.attempts >= STUCK_ATTEMPTS:
        return f"this ends: {waiting.reason}"
    return None


def _slowness(
    waiting: Waiting, starts_at: datetime, position: int, per_hour: float | None
) -> str | None:
    """Say how much too slow it goes for one generation, or None."""
    secured_at = starts_at + timedelta(hours=position / per_hour if per_hour else 0)
    if waiting.deadline_at is not None and secured_at > waiting.deadline_at:
        return f"it goes faster than {per_hour or 0:.0f} generations an hour, or is run sooner"
    return None


def _per_hour(index: Index, requests_per_hour: int) -> float | None:
    """The slower of what recent runs managed and what the request budget allows."""
    from statistics import median  # with all that it loads it takes 3 ms

    rates = [
        rate for run in ledger.last_runs(index, RUNS_LOOKED_AT) if (rate := _rate(run)) is not None
    ]
    limits = [median(rates)] if rates else []
    if requests_per_hour:
        limits.append(float(requests_per_hour))
    return min(limits, default=None)


def _rate(run: Mapping[str, Any]) -> float | None:
    """Generations an hour of one run; None when it captured too few to tell."""
    archived = int(json.loads(run["summary"] or "{}").get("archived", 0))
    seconds = (
        datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["started_at"])
    ).total_seconds()
    return archived * 3600 / max(seconds, 1.0) if archived >= FEWEST_CAPTURED else None
