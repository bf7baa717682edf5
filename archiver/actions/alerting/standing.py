"""What is wrong, since when, and which messenger was told: the rules, without files and wires.

A messenger believes of each trouble that it is on, or not. It is told only where what it believes
and what is so differ. From this follows all the rest: nothing is told twice, what one messenger
could not take is offered to it again, and what began and ended behind its back is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from archiver.actions.troubles import Trouble
from archiver.alerts.base import Notice, one_line
from archiver.redaction import hide_in_text

LONGEST_CALM = timedelta(hours=4)
LONGEST_SENTENCE = 500


@dataclass(slots=True, kw_only=True)
class Known:
    """One trouble that is on, or that was: `ended_at` is None until it counts as over.

    It is over when it has stayed away for `calm`, counted from when it was last seen.
    """

    kind: str
    subject: str
    message: str
    level: int
    since: AwareDatetime
    seen_at: AwareDatetime
    calm: timedelta
    ended_at: AwareDatetime | None = None

    @property
    def notice(self) -> Notice:
        """The same for a message."""
        return Notice(
            kind=self.kind,
            subject=self.subject,
            message=self.message,
            level=self.level,
            since=self.since,
        )

    @property
    def is_silent_at_end(self) -> bool:
        """Whether nobody is told of its end: what is lost stays lost."""
        return self.level > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a look at what is wrong is to be taken.

    What is not seen any more for `calm` is over; unless the look was not complete, as when the
    index cannot be read: then nothing is.
    """

    calm: timedelta
    is_complete: bool = True


@dataclass(slots=True)
class Standing:
    """All that is remembered: troubles by key, and by messenger the level told of each key."""

    known: dict[str, Known] = field(default_factory=dict)
    told: dict[str, dict[str, int]] = field(default_factory=dict)


def observe(standing: Standing, seen: Mapping[str, Trouble], now: datetime, look: Look) -> None:
    """Take in what is wrong now, by key, and find what is over.

    A trouble that comes back within `LONGEST_CALM` of its end has to stay away twice as long as
    before, up to that time: so a thing that fails every third run costs a handful of messages.
    """
    for known in standing.known.values():  # a clock that was ahead once must not hold an end up
        known.seen_at = min(known.seen_at, now)
        known.ended_at = known.ended_at and min(known.ended_at, now)
    for key, trouble in seen.items():
        _see(standing, key, trouble, now, look.calm)
    for key, known in standing.known.items():
        is_away = look.is_complete and key not in seen and now - known.seen_at >= known.calm
        if is_away and known.ended_at is None:
            known.ended_at = now
    _forget(standing, now)


def _see(standing: Standing, key: str, trouble: Trouble, now: datetime, calm: timedelta) -> None:
    before = standing.known.get(key)
    is_on = before is not None and before.ended_at is None
    standing.known[key] = Known(
        kind=trouble.kind,
        subject=trouble.subject,
        message=one_line(hide_in_text(trouble.message), LONGEST_SENTENCE),
        level=trouble.level,
        since=before.since if before and is_on else now,
        seen_at=now,
        calm=_next_calm(before, now, calm),
    )
    for levels in standing.told.values():  # fewer than before: the next one more is news again
        if key in levels:
            levels[key] = min(levels[key], trouble.level)


def _next_calm(before: Known | None, now: datetime, calm: timedelta) -> timedelta:
    if before is None:
        return calm
    if before.ended_at is None:
        return before.calm
    if now - before.ended_at > LONGEST_CALM:
        return calm
    return max(calm, min(2 * before.calm, LONGEST_CALM))


def _forget(standing: Standing, now: datetime) -> None:
    """Drop what is over and needs no message, and in the end what is known of it."""
    for levels in standing.told.values():
        for key in list(levels):
            known = standing.known.get(key)
            if known is None or (known.ended_at and known.is_silent_at_end):
                del levels[key]
    for key, known in list(standing.known.items()):
        is_told = any(key in levels for levels in standing.told.values())
        if known.ended_at and not is_told and now - known.ended_at > LONGEST_CALM:
            del standing.known[key]


def keep_messengers(standing: Standing, names: Sequence[str]) -> None:
    """Forget the messengers that the config no longer has."""
    standing.told = {name: standing.told.get(name, {}) for name in names}


def problems_for(standing: Standing, name: str, keys: Iterable[str]) -> Mapping[str, Known]:
    """What of that which is wrong now a messenger has not heard, or not how bad it became."""
    levels = standing.told[name]
    return {
        key: standing.known[key]
        for key in keys
        if key not in levels or levels[key] < standing.known[key].level
    }


def recoveries_for(standing: Standing, name: str) -> Mapping[str, Known]:
    """What this messenger heard of and is over."""
    return {
        key: standing.known[key]
        for key in standing.told[name]
        if standing.known[key].ended_at is not None
    }


def mark_told(standing: Standing, name: str, told: Mapping[str, Known]) -> None:
    """Remember what a messenger took: problems with their level, recoveries as no longer on."""
    for key, known in told.items():
        if known.ended_at is None:
            standing.told[name][key] = known.level
        else:
            standing.told[name].pop(key, None)
