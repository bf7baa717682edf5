"""Tells how each account stands: the ledger, what is at risk and when (promises 6 and 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from archiver.actions.backlog import Backlog
from archiver.index import Index, ledger, vitals
from archiver.index.ledger import AccountRecord, Unsecured, Waiting
from archiver.model import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What has a deadline that is near: `count` generations with their files."""

    count: int
    files: int
    size_bytes: int
    first_id: str | None
    first_deadline_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """One account's numbers. `counts` add up to every generation that was ever listed.

    `oldest_unsecured` is what would be captured next: of all that is listed and not kept yet,
    the one with the earliest deadline.
    """

    account: str
    provider: str
    counts: Mapping[State, int]
    files: int
    size_bytes: int
    provider_total: int | None
    last_success_at: datetime | None
    last_error: str | None
    next_run_at: datetime | None
    at_risk: Risk
    unsecured: Unsecured
    oldest_unsecured: Waiting | None
    first_deadline_at: datetime | None
    last_deadline_at: datetime | None

    @property
    def listed(self) -> int:
        """How many generations were ever listed."""
        return sum(self.counts.values())


def status(
    index: Index,
    accounts: Mapping[str, tuple[str, timedelta]],
    at_risk: timedelta,
    now: datetime,
) -> list[AccountStatus]:
    """Tell how accounts stand; `accounts` maps a name to its provider and poll interval."""
    return [
        _status_of(index, name, provider, every, now + at_risk)
        for name, (provider, every) in accounts.items()
    ]


def failed_destinations(index: Index) -> dict[str, str]:
    """Name the destinations that the last run had to leave out, and why."""
    telling = (run for run in vitals.runs(index) if run.tried_destinations)
    return dict(next((run.destinations_failed for run in telling), {}))


def _status_of(
    index: Index, account: str, provider: str, every: timedelta, risky_before: datetime
) -> AccountStatus:
    record = ledger.load_account(index, account, provider)
    files, size_bytes = ledger.stored_bytes(index, account)
    first, last = ledger.deadlines(index, account)
    return AccountStatus(
        account=account,
        provider=provider,
        counts=ledger.count_by_state(index, account),
        files=files,
        size_bytes=size_bytes,
        provider_total=record.provider_total,
        last_success_at=record.last_success_at,
        last_error=record.last_error,
        next_run_at=_next_run(index, record, every),
        at_risk=_risk(index, account, risky_before),
        unsecured=ledger.unsecured(index, account),
        oldest_unsecured=next(iter(ledger.waiting(index, account)), None),
        first_deadline_at=first,
        last_deadline_at=last,
    )


def _risk(index: Index, account: str, before: datetime) -> Risk:
    found = Backlog()
    for one in ledger.waiting(index, account):
        if one.deadline_at is None or one.deadline_at >= before:
            break  # they come in the order of their deadlines, those without one last
        found.add(one)
    return Risk(
        count=found.generations,
        files=found.files,
        size_bytes=found.estimate_bytes(index, account),
        first_id=found.first.id if found.first else None,
        first_deadline_at=found.first.deadline_at if found.first else None,
    )


def _next_run(index: Index, record: AccountRecord, every: timedelta) -> datetime | None:
    """Add the poll interval to when the account was last asked; None when it never was."""
    tried_at = last_tried_at(index, record)
    return None if tried_at is None else tried_at + every


def last_tried_at(index: Index, record: AccountRecord) -> datetime | None:
    """Tell when an account was last asked; None when it never was.

    The last run counts for an account that failed in it: that leaves no other trace.
    """
    tried = [record.last_walk_at, record.last_success_at]
    if record.last_error is not None:
        tried += [datetime.fromisoformat(run["ended_at"]) for run in ledger.last_runs(index, 1)]
    return max((moment for moment in tried if moment is not None), default=None)
