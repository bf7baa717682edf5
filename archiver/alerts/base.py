"""The port of everything that carries a message to a person (promise 9: never silent).

What a message is made of, and what a messenger has to keep to. Adapters: `webhook`, `mail` and
`apprise`. The pings of a dead-man switch (`ping`) carry no message: they say that a run began
and how it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Severity(StrEnum):
    """Whether something is wrong now, or is over."""

    PROBLEM = "problem"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One trouble as plain data: what is wrong with what, since when, in one sentence."""

    kind: str
    subject: str
    message: str
    level: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one messenger carries at one time: text without secrets, and the same as data."""

    severity: Severity
    title: str
    body: str
    host: str
    sent_at: datetime
    notices: tuple[Notice, ...]


class Messenger(Protocol):
    """Carries messages to one place.

    Secrets are read when they are first needed, not when a messenger is made: one that is missing
    costs the message, never the run. Nothing is logged and nothing waited for between tries:
    `archiver.alerts.beside` bounds the time, and whoever sends tells what failed.
    """

    @property
    def name(self) -> str:
        """What it is called in logs, and by what is remembered of it: no secret, and lasting."""

    def send(self, message: Message) -> None:
        """Return when the message was taken; raises MessageNotSent when it was not, or may not.

        May be called twice with the same message, and from any thread, one at a time.
        """


def one_line(text: str, longest: int) -> str:
    """Make one printable line of a text: nothing in it can end a header or move a cursor."""
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    line = " ".join(words)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
