"""The ledger: every generation of a time range and its end, and whether the numbers add up.

Promise 6: what a provider ever listed is archived, excluded by a rule, in progress, waiting for
its next try, or lost with evidence; nothing is in no state, and nothing in two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archiver.index import Index, ledger, queries
from archiver.index.queries import Filters
from archiver.index.rows import Known
from archiver.model import State


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAudit:
    """One account's part of the ledger.

    `counts` are those of the range, `listed_ever` counts all, and `provider_total` is the
    provider's own count when it was last asked: it may be smaller than `listed_ever`, since
    providers delete, and never larger when nothing was missed. `unreadable` rows of the last
    sweep could not be understood.
    """

    account: str
    provider: str
    counts: Mapping[State, int]
    listed_ever: int
    provider_total: int | None
    unreadable: int

    @property
    def not_listed(self) -> int:
        """How many generations the provider counts that were never seen here."""
        return max(0, (self.provider_total or 0) - self.listed_ever)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The whole ledger. `open_ends` are what is neither archived nor excluded."""

    accounts: list[AccountAudit]
    open_ends: Iterator[Known]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost, failed or unaccounted for."""
        return not any(
            one.counts[State.FAILED] or one.counts[State.LOST] or one.not_listed or one.unreadable
            for one in self.accounts
        )


def audit(index: Index, accounts: Mapping[str, str], filters: Filters) -> Audit:
    """Draw up the ledger of accounts (name to provider) for what the filters choose."""
    counts = {name: Counter[State]() for name in accounts}
    for account, state, many in queries.count(index, filters):
        counts.setdefault(account, Counter())[state] += many
    return Audit(
        accounts=[
            _account(index, name, accounts.get(name, "-"), counted)
            for name, counted in counts.items()
            if not filters.accounts or name in filters.accounts
        ],
        open_ends=_open_ends(index, filters),
    )


def _account(index: Index, name: str, provider: str, counted: Counter[State]) -> AccountAudit:
    record = ledger.load_account(index, name, provider)
    return AccountAudit(
        account=name,
        provider=provider,
        counts={state: counted[state] for state in ledger.COUNTED},
        listed_ever=sum(ledger.count_by_state(index, name).values()),
        provider_total=record.provider_total,
        unreadable=record.unreadable,
    )


def _open_ends(index: Index, filters: Filters) -> Iterator[Known]:
    return (
        known
        for known in queries.find(index, filters)
        if known.state not in (State.ARCHIVED, State.EXCLUDED)
    )
