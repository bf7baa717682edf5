"""Says whether all is well, or why not: for container health checks and `/healthz` (promise 9).

Well means what SPEC.md says: the last success of each account is fresh, and nothing is past its
alert line. Other troubles are told by alerts: a check that fails over what only a person can
mend, such as a loss, would never be well again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from archiver.actions.troubles import TroubleKind, Watched, troubles
from archiver.index import Index, ledger, vitals

UNWELL = (TroubleKind.STALE, TroubleKind.AT_RISK)


@dataclass(frozen=True, slots=True)
class Health:
    """Whether all is well; the reasons are sentences, one for each thing that is not."""

    is_well: bool
    reasons: tuple[str, ...]


def judge_health(index: Index, watched: Watched, now: datetime) -> Health:
    """Judge from the index alone, in milliseconds."""
    found = [one.message for one in troubles(index, watched, now) if one.kind in UNWELL]
    reasons = (*found, *_never_tried(index, watched, now))
    return Health(not reasons, reasons)


def _never_tried(index: Index, watched: Watched, now: datetime) -> list[str]:
    """Name the accounts over which no run came to its end yet, unless one is just going on."""
    if any(run.is_under_way(now) for run in vitals.runs(index, 1)):
        return []
    records = (
        ledger.load_account(index, name, provider)
        for name, (provider, _) in watched.accounts.items()
    )
    return [
        f"{record.account} was never archived: start `archiver daemon`, or `archiver run`"
        for record in records
        if record.last_success_at is None and record.first_tried_at is None
    ]
