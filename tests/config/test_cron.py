"""`schedule.cron` fires when cron would: held against a matcher that looks at every minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.config import parse_config
from archiver.config.cron import longest_gap, make_trigger, parse_cron
from archiver.errors import ConfigInvalid

MINUTE = timedelta(minutes=1)
MOMENTS = st.datetimes(
    datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None),
    datetime(2028, 12, 1, tzinfo=UTC).replace(tzinfo=None),
    timezones=st.just(UTC),
)
BERLIN, SANTIAGO, LORD_HOWE = map(
    ZoneInfo, ("Europe/Berlin", "America/Santiago", "Australia/Lord_Howe")
)
SMALL = (
    '[accounts.a]\nprovider = "geminigen"\napi_key = "some-key"\n'
    '[destinations.disk]\ntype = "local"\npath = "/archive"\n'
)


def fires(text: str, begin: datetime, count: int, zone: tzinfo = UTC) -> list[datetime]:
    """Ask the trigger as the scheduler does: each time with the last one."""
    trigger, times = make_trigger(text, zone), list[datetime]()
    now = begin
    for _ in range(count):
        now = trigger.get_next_fire_time(times[-1] if times else None, now)
        times.append(now)
    return times


def wall(times: list[datetime], zone: tzinfo = UTC) -> list[str]:
    """Write times as the clock on the wall shows them."""
    return [f"{time.astimezone(zone):%a %d.%m. %H:%M}" for time in times]


# Known cases


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # 2026-11-21 is a Saturday.
        ("0 12 * * 0", ["Sun 22.11. 12:00", "Sun 29.11. 12:00"]),
        ("0 12 * * 7", ["Sun 22.11. 12:00", "Sun 29.11. 12:00"]),
        ("0 12 * * 1", ["Mon 23.11. 12:00", "Mon 30.11. 12:00"]),
        ("0 12 * * 0-1", ["Sun 22.11. 12:00", "Mon 23.11. 12:00", "Sun 29.11. 12:00"]),
        ("0 12 * * 6-7", ["Sat 21.11. 12:00", "Sun 22.11. 12:00", "Sat 28.11. 12:00"]),
        ("0 12 * * sat-sun", ["Sat 21.11. 12:00", "Sun 22.11. 12:00", "Sat 28.11. 12:00"]),
        ("0 12 * * sun-mon", ["Sun 22.11. 12:00", "Mon 23.11. 12:00", "Sun 29.11. 12:00"]),
        ("0 12 * * MON,Wed", ["Mon 23.11. 12:00", "Wed 25.11. 12:00", "Mon 30.11. 12:00"]),
        # Either of the two days is enough, as crontab(5) says of "30 4 1,15 * 5" ...
        ("30 4 1,28 * 2", ["Tue 24.11. 04:30", "Sat 28.11. 04:30", "Tue 01.12. 04:30"]),
        # ... but a field that begins with * does not widen the other.
        ("0 0 */2 * mon", ["Mon 23.11. 00:00", "Mon 07.12. 00:00", "Mon 21.12. 00:00"]),
        ("5/25 8 * * *", ["Sat 21.11. 08:05", "Sat 21.11. 08:30", "Sat 21.11. 08:55"]),
        ("*/40 0 * * *", ["Sat 21.11. 00:00", "Sat 21.11. 00:40", "Sun 22.11. 00:00"]),
        ("*/90 8 * * *", ["Sat 21.11. 08:00", "Sun 22.11. 08:00"]),
        ("0 9 31 * *", ["Thu 31.12. 09:00", "Sun 31.01. 09:00", "Wed 31.03. 09:00"]),
        ("0 9 29 feb *", ["Tue 29.02. 09:00"]),
    ],
)
def test_cases_that_every_cron_knows(text: str, expected: list[str]) -> None:
    """Sunday is 0 and 7, both kinds of days are held together by "or", steps begin at the least."""
    assert expected == wall(fires(text, datetime(2026, 11, 21, tzinfo=UTC), len(expected)))


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 2 *"])
def test_day_that_never_comes_is_refused(text: str) -> None:
    """A schedule that never fires is a mistake, and not a way to wait for ever."""
    with pytest.raises(ValueError, match="names a day that never comes"):
        parse_cron(text)


def test_day_that_comes_by_its_weekday_is_taken() -> None:
    """The 30th of February never comes, Mondays in February do."""
    assert ["Mon 01.02. 00:00"] == wall(fires("0 0 30 2 1", datetime(2026, 11, 21, tzinfo=UTC), 1))


# Against every minute


@dataclass(frozen=True)
class Written:
    """One field, and the numbers that it stands for."""

    text: str
    numbers: frozenset[int]


@st.composite
def fields(draw: st.DrawFn, least: int, most: int) -> Written:
    """Make a field of one to three parts."""
    parts = [draw(_part(least, most)) for _ in range(draw(st.integers(1, 3)))]
    numbers = frozenset().union(*(part.numbers for part in parts))
    return Written(",".join(part.text for part in parts), numbers)


@st.composite
def _part(draw: st.DrawFn, least: int, most: int) -> Written:
    first = draw(st.integers(least, most))
    last = draw(st.integers(first, most))
    step = draw(st.integers(1, most + 3))
    return draw(
        st.sampled_from(
            [
                Written("*", frozenset(range(least, most + 1))),
                Written(f"*/{step}", frozenset(range(least, most + 1, step))),
                Written(f"{first}", frozenset({first})),
                Written(f"{first}-{last}", frozenset(range(first, last + 1))),
                Written(f"{first}-{last}/{step}", frozenset(range(first, last + 1, step))),
            ]
        )
    )


LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def comes(cron: tuple[Written, ...]) -> bool:
    """Whether there is such a day: the 31st is not in every month."""
    _, _, days, months, weekdays = cron
    has_weekdays = days.text[0] != "*" and weekdays.text[0] != "*"
    return has_weekdays or any(
        min(days.numbers) <= LONGEST_MONTHS[month - 1] for month in months.numbers
    )


CRONS = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 7)).filter(
    comes
)


def matches(cron: tuple[Written, ...], minute: datetime) -> bool:
    """Look at one minute on the wall as cron does."""
    minutes, hours, days, months, weekdays = cron
    by_date = minute.day in days.numbers
    by_weekday = minute.isoweekday() in weekdays.numbers or (
        minute.isoweekday() == 7 and 0 in weekdays.numbers
    )
    has_star = days.text[0] == "*" or weekdays.text[0] == "*"
    return (
        minute.minute in minutes.numbers
        and minute.hour in hours.numbers
        and minute.month in months.numbers
        and (by_date and by_weekday if has_star else by_date or by_weekday)
    )


def every_minute(begin: datetime, end: datetime) -> Iterator[datetime]:
    """Walk from minute to minute."""
    while begin < end:
        yield begin
        begin += MINUTE


@settings(max_examples=50, deadline=None)
@given(cron=CRONS, begin=MOMENTS)
def test_it_fires_in_the_minutes_that_match(cron: tuple[Written, ...], begin: datetime) -> None:
    """All of them and no other, over two days from anywhere, whatever the expression."""
    begin = begin.replace(second=0, microsecond=0)
    end = begin + timedelta(days=2)
    expected = [minute for minute in every_minute(begin, end) if matches(cron, minute)]

    found = parse_cron(" ".join(field.text for field in cron))

    moment, times = begin - MINUTE, list[datetime]()
    while (moment := found.next_after(moment, UTC)) < end and len(times) <= len(expected):
        times.append(moment)
        if len(times) > 100:
            break
    assert expected[: len(times)] == times
    assert min(len(expected), 101) == len(times)


@settings(max_examples=40, deadline=None)
@given(
    cron=CRONS,
    change=st.sampled_from(
        [
            (BERLIN, datetime(2026, 3, 28, tzinfo=UTC)),
            (BERLIN, datetime(2026, 10, 24, tzinfo=UTC)),
            (SANTIAGO, datetime(2026, 4, 4, tzinfo=UTC)),
            (SANTIAGO, datetime(2026, 9, 5, tzinfo=UTC)),
            (LORD_HOWE, datetime(2026, 10, 3, tzinfo=UTC)),
        ]
    ),
)
def test_nothing_is_skipped_when_the_clock_changes(
    cron: tuple[Written, ...], change: tuple[ZoneInfo, datetime]
) -> None:
    """Each minute of the wall that matches has its fire: also one that the clock jumps over.

    Half an hour at Lord Howe, at midnight in Chile, and at night in Europe.
    """
    zone, begin = change
    first = begin.astimezone(zone).replace(tzinfo=None)
    wanted = [
        minute.replace(tzinfo=zone).astimezone(UTC)
        for minute in every_minute(first, first + timedelta(days=1, hours=6))
        if matches(cron, minute)
    ]
    found = parse_cron(" ".join(field.text for field in cron))

    missed = [
        moment for moment in wanted[-100:] if found.next_after(moment - MINUTE, zone) > moment
    ]

    assert [] == missed


# When the clock changes


def test_time_that_the_clock_skips_is_made_up_at_once() -> None:
    """02:30 does not exist on that Sunday: it is the moment that far behind 01:59."""
    times = fires("30 2 * * *", datetime(2026, 3, 27, 12, tzinfo=UTC), 4, BERLIN)

    assert [
        "Sat 28.03. 02:30",
        "Sun 29.03. 03:30",
        "Mon 30.03. 02:30",
        "Tue 31.03. 02:30",
    ] == wall(times, BERLIN)


def test_midnight_that_the_clock_skips_is_not_a_day_without_a_run() -> None:
    """In Chile the clock jumps from 24:00 to 01:00."""
    times = fires("0 0 * * *", datetime(2026, 9, 5, 12, tzinfo=UTC), 2, SANTIAGO)

    assert ["Sun 06.09. 01:00", "Mon 07.09. 00:00"] == wall(times, SANTIAGO)


def test_hour_that_comes_twice_has_one_run_a_day() -> None:
    """Who asks for 02:30 wants one run, and not two an hour apart."""
    times = fires("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), 2, BERLIN)

    assert ["Sun 25.10. 02:30", "Mon 26.10. 02:30"] == wall(times, BERLIN)
    assert timedelta(hours=25) == times[1] - times[0]


@pytest.mark.parametrize("month", [3, 10])
def test_every_quarter_of_an_hour_goes_on_when_the_clock_changes(month: int) -> None:
    """Neither a gap nor a run more: an hour that comes twice has its quarters twice."""
    times = fires("*/15 * * * *", datetime(2026, month, 24, 22, tzinfo=UTC), 700, BERLIN)

    assert {timedelta(minutes=15)} == {later - earlier for earlier, later in pairwise(times)}


def test_local_time_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """$TZ, as in a container; no zone needs to be named."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        trigger = make_trigger("0 3 * * *")
        fire = trigger.get_next_fire_time(None, datetime(2026, 11, 21, tzinfo=UTC))
    finally:
        monkeypatch.undo()
        time.tzset()

    assert datetime(2026, 11, 21, 8, tzinfo=UTC) == fire


# What the scheduler asks


def test_missed_fire_is_told_before_the_next_one() -> None:
    """The scheduler sees that one went by while it slept, and makes it up once."""
    trigger = make_trigger("0 * * * *", UTC)
    last = datetime(2026, 11, 21, 3, tzinfo=UTC)

    assert last.replace(hour=4) == trigger.get_next_fire_time(last, last.replace(hour=9))


def test_first_fire_may_be_this_very_moment() -> None:
    """Who starts at the full hour is not too late for it."""
    now = datetime(2026, 11, 21, 3, tzinfo=UTC)

    assert now == make_trigger("0 * * * *", UTC).get_next_fire_time(None, now)


# How long it pauses at most


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", MINUTE),
        ("*/15 * * * *", timedelta(minutes=15)),
        ("*/40 * * * *", timedelta(minutes=40)),
        ("0 3 * * *", timedelta(days=1)),
        ("0 3,4 * * *", timedelta(hours=23)),
        ("*/5 9-17 * * 1-5", timedelta(days=2, hours=15, minutes=5)),
        ("0 0 * * fri-sun", timedelta(days=5)),
        ("0 0 1 * *", timedelta(days=31)),
        ("0 0 31 * *", timedelta(days=61)),
        ("*/5 * 1-7 * *", timedelta(days=24, minutes=5)),
        ("0 0 29 2 *", timedelta(days=1461)),
    ],
)
def test_longest_pause_is_exact(text: str, expected: timedelta) -> None:
    """Over nights, week ends and months, also where many fires hide the pause behind them."""
    assert expected == longest_gap(text)


@settings(max_examples=30, deadline=None)
@given(cron=CRONS, begin=MOMENTS)
def test_no_pause_is_longer_than_the_longest(cron: tuple[Written, ...], begin: datetime) -> None:
    """Wherever one looks."""
    text = " ".join(field.text for field in cron)

    times = fires(text, begin, 12)

    assert all(later - earlier <= longest_gap(text) for earlier, later in pairwise(times))


# In a config


def test_longest_pause_counts_as_the_interval() -> None:
    """For retention, forecast and health alike; an account's own interval goes on beside it."""
    own = SMALL.replace("[accounts.a]", '[accounts.b]\nevery = "2h"').partition("[dest")[0]

    config = parse_config(f'[schedule]\ncron = "0 3,9 * * *"\n{SMALL}{own}', {})

    assert {
        "a": ("geminigen", timedelta(hours=18)),
        "b": ("geminigen", timedelta(hours=2)),
    } == config.poll_intervals


@pytest.mark.parametrize(("cron", "is_taken"), [("0 0 1,15 * *", False), ("0 0 */7 * *", True)])
def test_pause_that_would_lose_files_is_refused(cron: str, is_taken: bool) -> None:
    """Two runs must fit into 30 days, whichever way the schedule is written."""
    if is_taken:
        assert parse_config(f'[schedule]\ncron = "{cron}"\n{SMALL}', {})
        return
    with pytest.raises(ConfigInvalid, match=r"asked every 17d \(the longest pause of schedule"):
        parse_config(f'[schedule]\ncron = "{cron}"\n{SMALL}', {})
