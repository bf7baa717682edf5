"""Five cron fields, as `schedule.cron` takes them: checked, understood and fired as cron does.

APScheduler's own reading of them is not cron's: it counts the days of the week from Monday, wants
both kinds of days to agree where cron takes either, and leaves a day out whose midnight the clock
skips. So the times are worked out here, and `make_trigger` hands them to the scheduler.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from itertools import pairwise, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

_FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of the month": (1, 31),
    "month": (1, 12),
    "day of the week": (0, 7),
}
_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of the week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_DAY = timedelta(days=1)
_HOURS_A_DAY = 24
_INSTANT = timedelta(microseconds=1)
_CALENDAR_DAYS = 1461 * 7
"""After 28 years each date falls on the same day of the week again (1901 to 2099)."""
_FIRST_DAY = date(2001, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """What five fields say. Days of the week are 0 (Sunday) to 6.

    `takes_either` is cron's rule for days: where neither field begins with `*`, a day that one of
    them names is enough (crontab(5), as in Vixie's cron).
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    takes_either: bool

    def falls_on(self, day: date) -> bool:
        """Whether it fires on that day."""
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        is_named = by_date or by_weekday if self.takes_either else by_date and by_weekday
        return is_named and day.month in self.months

    def next_after(self, moment: datetime, zone: tzinfo | None = None) -> datetime:
        """Tell the first fire after a moment, in UTC; `zone` is that of the machine if None.

        A time that the clock skips in spring counts as the moment that far behind the one before:
        02:30 is then 03:30. Of an hour that comes twice in autumn the first one counts, unless
        every hour is meant.
        """
        best: datetime | None = None
        # What is skipped at the end of a day falls into the next one: so begin a day before.
        for day, hour in self._hours_from(moment.astimezone(zone).date() - _DAY):
            if best is not None and _instant(day, hour, 0, zone)[0] > best:
                return best
            if max(_instant(day, hour, 59, zone)) > moment:
                times = (one for one in self._times_of(day, hour, zone) if one > moment)
                best = min((*times, *([best] if best else [])), default=None)
        raise AssertionError("days go on for ever")

    def _hours_from(self, day: date) -> Iterator[tuple[date, int]]:
        hours = sorted(self.hours)
        while True:
            if self.falls_on(day):
                yield from ((day, hour) for hour in hours)
            day += _DAY

    def _times_of(self, day: date, hour: int, zone: tzinfo | None) -> Iterator[datetime]:
        for minute in self.minutes:
            first, second = _instant(day, hour, minute, zone)
            yield first
            if second > first and len(self.hours) == _HOURS_A_DAY:
                yield second


def _instant(day: date, hour: int, minute: int, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """Tell when the clock on the wall shows this; without a zone it is this machine's wall.

    Two moments, which differ where the clock is changed: the later one is second if the wall shows
    it twice, and first if it never does (PEP 495).
    """
    wall = datetime.combine(day, time(hour, minute), zone)
    return wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


def check_cron(text: str) -> str:
    """Return the text, or raise ValueError that says what cannot be."""
    parse_cron(text)
    return text


@cache
def parse_cron(text: str) -> Cron:
    """Read five cron fields; raises ValueError that names the field that cannot be."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f'should have five fields such as "*/15 * * * *" ({", ".join(_FIELDS)}), '
            f"not {len(fields)}"
        )
    minutes, hours, days, months, weekdays = (
        _numbers(name, field) for name, field in zip(_FIELDS, fields, strict=True)
    )
    found = Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(number % 7 for number in weekdays),
        takes_either=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    if not any(found.falls_on(day) for day in _calendar()):
        raise ValueError(f"names a day that never comes: {fields[2]!r} in month {fields[3]!r}")
    return found


@cache
def longest_gap(text: str) -> timedelta:
    """Tell the longest time between two fires, on the clock of the wall.

    Exact: the whole calendar is looked at. Where the clock is put back, one gap is longer by that.
    """
    cron = parse_cron(text)
    times = sorted(hour * 60 + minute for hour, minute in product(cron.hours, cron.minutes))
    days = [day.toordinal() for day in _calendar() if cron.falls_on(day)]
    days.append(days[0] + _CALENDAR_DAYS)
    apart = max(later - earlier for earlier, later in pairwise(days))
    over_night = timedelta(days=apart, minutes=times[0] - times[-1])
    within = [later - earlier for earlier, later in pairwise(times)]
    return max(over_night, timedelta(minutes=max(within, default=0)))


def make_trigger(text: str, timezone: tzinfo | None = None) -> BaseTrigger:
    """Make the trigger of a job: local time ($TZ) unless another time zone is given."""
    from apscheduler.triggers.base import BaseTrigger

    cron = parse_cron(text)

    class Trigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
        """Fires when cron would."""

        def get_next_fire_time(
            self, previous_fire_time: datetime | None, now: datetime
        ) -> datetime:
            """Tell the first time behind the last one, also when it has gone by already."""
            last = min(previous_fire_time, now) if previous_fire_time else now - _INSTANT
            return cron.next_after(last, timezone)

        def __str__(self) -> str:
            return f"cron[{text}]"

    return Trigger()


def _calendar() -> Iterator[date]:
    """Every day that there is: a month, a date and a day of the week together."""
    return map(date.fromordinal, range(_FIRST_DAY, _FIRST_DAY + _CALENDAR_DAYS))


def _numbers(name: str, field: str) -> frozenset[int]:
    """Read one field: parts between commas."""
    least, most = _FIELDS[name]
    numbers = [_part(_in_digits(name, part), least, most) for part in field.split(",")]
    if not all(numbers):
        raise ValueError(f"has {field!r} for the {name}, which goes from {least} to {most}")
    return frozenset().union(*numbers)


def _in_digits(field: str, part: str) -> str:
    """Write names of months and days as numbers; a Sunday that ends a range is 7."""
    names = _NAMES.get(field, [])
    first = _FIELDS[field][0]
    part = part.replace("-sun", "-7") if field == "day of the week" else part
    for number, name in enumerate(names, start=first):
        part = re.sub(rf"\b{name}\b", str(number), part)
    return part


def _part(part: str, least: int, most: int) -> range:
    """Read `*`, a number or a range, with a step or without; empty if it is none of them.

    A step behind one number goes on to the end: "5/15" is 5, 20, 35, 50.
    """
    match = _PART.fullmatch(part)
    if match is None or match[3] == "0":
        return range(0)
    step = int(match[3] or 1)
    first = least if match[1] is None else int(match[1])
    last = int(match[2]) if match[2] else first if match[1] and not match[3] else most
    return range(first, last + 1, step) if least <= first <= last <= most else range(0)
