"""Numbers that only grow, for metrics: what was downloaded, what failed, what was lost.

They live in the index, so that they go on growing over restarts and from one-shot run to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archiver.index.database import Index

ARCHIVED = "archived"
DOWNLOADED = "downloaded_bytes"
LOST = "lost"
FAILED = "failed"
ACCOUNT_ERRORS = "account_errors"
MEDIA_REQUESTS = "media_requests"
VERIFY_FAILURES = "verify_failures"
WEBHOOKS = "webhooks"
HINTS = "hints"


@dataclass(frozen=True, slots=True, order=True)
class Counter:
    """What is counted: its name, the account or destination it is of, and why, if that matters."""

    name: str
    subject: str
    reason: str = ""


def add(index: Index, counted: Mapping[Counter, int]) -> None:
    """Add to counters, all of them in one transaction."""
    with index.transaction() as db:
        for counter, many in counted.items():
            db.execute(
                "INSERT INTO counters (name, subject, reason, value) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = value + excluded.value",
                [counter.name, counter.subject, counter.reason, many],
            )


def load(index: Index) -> dict[Counter, int]:
    """Load all counters; one that never counted anything is not there."""
    rows = index.rows("SELECT name, subject, reason, value FROM counters")
    return {
        Counter(str(row["name"]), str(row["subject"]), str(row["reason"])): int(str(row["value"]))
        for row in rows
    }
