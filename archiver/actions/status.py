"""Tells how each account stands: the ledger, what is at risk and when (promises 6 and 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from archiver.index import Index, ledger
from archiver.index.ledger import Unsecured
from archiver.model import State


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """One account's numbers. `counts` add up to every generation that was ever listed."""

    account: str
    provider: str
    counts: Mapping[State, int]
    files: int
    size_bytes: int
    provider_total: int | None
    last_success_at: datetime | None
    last_error: str | None
    next_run_at: datetime | None
    at_risk: Unsecured
    unsecured: Unsecured
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
        _status_of(index, name, provider, every, at_risk, now)
        for name, (provider, every) in accounts.items()
    ]


def _status_of(
    index: Index,
    account: str,
    provider: str,
    every: timedelta,
    at_risk: timedelta,
    now: datetime,
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
        next_run_at=record.last_success_at + every if record.last_success_at else None,
        at_risk=ledger.unsecured(index, account, before=now + at_risk),
        unsecured=ledger.unsecured(index, account),
        first_deadline_at=first,
        last_deadline_at=last,
    )
