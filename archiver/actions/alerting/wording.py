"""Puts troubles into words: several at a time are one message."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import datetime

from archiver.actions.alerting.standing import Known
from archiver.alerts.base import Message, Severity, one_line
from archiver.units import format_duration

LONGEST_TITLE = 120


def make_message(severity: Severity, troubles: Sequence[Known], now: datetime) -> Message:
    """Make the one message about these troubles, which are all on or all over."""
    host = one_line(socket.gethostname(), LONGEST_TITLE)
    is_problem = severity is Severity.PROBLEM
    lines = [_problem(known, now) if is_problem else _recovery(known) for known in troubles]
    title = f"archiver on {host}: {_what(troubles)}"
    return Message(
        severity=severity,
        title=one_line(title if is_problem else f"{title}: over", LONGEST_TITLE),
        body="\n".join((*lines, "", "`archiver status` shows how things are.")),
        host=host,
        sent_at=now,
        notices=tuple(known.notice for known in troubles),
    )


def _what(troubles: Sequence[Known]) -> str:
    if len(troubles) > 1:
        return f"{len(troubles)} problems"
    [known] = troubles
    kind = known.kind.replace("_", " ")
    return f"{kind} ({known.subject})" if known.subject else kind


def _problem(known: Known, now: datetime) -> str:
    already = f" (for {format_duration(now - known.since)})" if now > known.since else ""
    return f"- {known.message}{already}"


def _recovery(known: Known) -> str:
    assert known.ended_at is not None
    return f"- over after {format_duration(known.ended_at - known.since)}: {known.message}"
