"""A household of messengers for the tests of alerts: who heard what, and who is down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.actions.alert import tell
from archiver.actions.alerting.memory import Memory
from archiver.actions.alerting.standing import Look
from archiver.actions.troubles import Trouble, TroubleKind
from archiver.alerts.base import Message
from archiver.errors import MessageNotSent

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)
INTERVAL = timedelta(minutes=15)
CALM = 2 * INTERVAL


@dataclass(slots=True)
class Recorder:
    """A messenger that keeps what it carries; fails while it is down."""

    name: str
    is_down: bool = False
    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        """Keep the port's promise."""
        if self.is_down:
            raise MessageNotSent("down")
        self.messages.append(message)

    @property
    def heard(self) -> list[str]:
        """Each trouble of each message: `problem vault`, `recovery vault`."""
        return [
            f"{message.severity} {notice.subject}"
            for message in self.messages
            for notice in message.notices
        ]


class Household:
    """One state directory whose troubles are looked at every quarter of an hour."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.now = NOON
        self.messengers = [Recorder(name) for name in names or ("webhook 1",)]

    def look(self, *troubles: Trouble | str, is_complete: bool = True) -> None:
        """Let a new process look once, an interval later; a name is a destination's trouble."""
        self.now += INTERVAL
        tell(
            [trouble(one) if isinstance(one, str) else one for one in troubles],
            self.messengers,
            Memory(self.folder),
            self.now,
            Look(calm=CALM, is_complete=is_complete),
        )


def trouble(
    subject: str,
    message: str = "is full",
    kind: TroubleKind = TroubleKind.DESTINATION,
    level: int = 0,
) -> Trouble:
    """Make a trouble."""
    return Trouble(kind=kind, subject=subject, message=f"{subject} {message}", level=level)


def lost(many: int) -> Trouble:
    """Make the trouble of what is lost."""
    return trouble("studio", f"lost {many} files", TroubleKind.LOST, many)
