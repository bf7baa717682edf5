"""Receivers that end with their test, and the log as a list of events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from archiver.alerts.base import Message, Notice, Severity
from tests.alerts.receiver import Receiver

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Start an HTTP server that records."""
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """Collect what is logged."""
    with structlog.testing.capture_logs() as logged:
        yield logged


def make_message(title: str = "archiver on nas: destination (vault)") -> Message:
    """Make a message about one trouble."""
    notice = Notice(
        kind="destination", subject="vault", message="vault is full: größer", level=0, since=NOON
    )
    return Message(
        severity=Severity.PROBLEM,
        title=title,
        body="- vault is full: größer",
        host="nas",
        sent_at=NOON,
        notices=(notice,),
    )
