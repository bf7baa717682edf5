from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from archiver.config import Config, parse_config
from archiver.daemon.timetable import DRILL, VERIFY, Past, Timetable
from tests.daemon.manager import until

NEVER = Past(accounts={}, sweep_at=None, verify_at=None, drill_at=None)


class Asked:
    """Remembers what the jobs asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, *names: str) -> None:
        """Be asked."""
        with self._lock:
            self.names += names


def config(schedule: str, account: str = "") -> Config:
    """A config with two accounts; the second one has options of its own."""
    return parse_config(
        f"""
        [schedule]
        {schedule}
        [destinations.disk]
        type = "local"
        path = "/srv/archive"
        [accounts.studio]
        provider = "geminigen"
        api_key = "k"
        [accounts.box]
        provider = "neuralbox"
        plan = "elite"
        api_key = "k"
        {account}
        """,
        {},
    )


@pytest.fixture
def tables() -> Iterator[list[Timetable]]:
    """Timetables to be stopped at the end."""
    made: list[Timetable] = []
    yield made
    for table in made:
        table.stop()


def begin(tables: list[Timetable], given: Config, past: Past) -> tuple[Timetable, Asked, Asked]:
    """Start a timetable now; gives it with what it asks of either lane."""
    poll, prove = Asked(), Asked()
    table = Timetable(given, past, poll, prove, datetime.now(UTC))
    tables.append(table)
    table.start()
    return table, poll, prove


def test_what_was_never_asked_is_asked_at_once(tables: list[Timetable]) -> None:
    """A new archive does not wait for its first interval; there is nothing to verify yet."""
    now = datetime.now(UTC)
    table, poll, prove = begin(tables, config('every = "1h"\njitter = "0s"'), NEVER)

    until(lambda: sorted(poll.names) == ["box", "studio"], "each account is asked")

    assert [] == prove.names
    days = {name: round((at - now) / timedelta(days=1)) for name, at in table.next_runs().items()}
    assert {"studio": 0, "box": 0, "(sweep)": 1, "(verify)": 7, "(drill)": 30} == days


def test_a_restart_goes_on_where_the_last_process_was(tables: list[Timetable]) -> None:
    """An account that was asked ten minutes ago is due in fifty more."""
    now = datetime.now(UTC)
    past = Past(
        accounts={"studio": now - timedelta(minutes=10), "box": now - timedelta(minutes=59)},
        sweep_at=now,
        verify_at=now - timedelta(days=6),
        drill_at=now - timedelta(days=1),
    )
    table, poll, _ = begin(tables, config('every = "1h"\njitter = "0s"'), past)

    minutes = {
        name: round((at - now) / timedelta(minutes=1)) for name, at in table.next_runs().items()
    }

    day = 24 * 60
    assert {
        "studio": 50,
        "box": 1,
        "(sweep)": day,
        "(verify)": day,
        "(drill)": 29 * day,
    } == minutes
    assert [] == poll.names


def test_many_missed_runs_are_made_up_once(tables: list[Timetable]) -> None:
    """A machine that slept for a month asks once, verifies once, and makes one drill."""
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=31)
    past = Past(
        accounts={"studio": long_ago, "box": long_ago},
        sweep_at=now,
        verify_at=long_ago,
        drill_at=long_ago,
    )
    _, poll, prove = begin(tables, config('every = "15m"\njitter = "0s"'), past)

    until(lambda: len(poll.names) + len(prove.names) >= 4, "all of it is made up")
    time.sleep(0.3)

    assert ["box", "studio"] == sorted(poll.names)
    assert sorted([VERIFY, DRILL]) == sorted(prove.names)


def test_a_clock_that_was_ahead_does_not_silence_an_account(tables: list[Timetable]) -> None:
    """What was tried in the future counts as tried now."""
    now = datetime.now(UTC)
    past = Past(
        accounts={"studio": now + timedelta(days=400), "box": now},
        sweep_at=now + timedelta(days=400),
        verify_at=None,
        drill_at=None,
    )
    table, _, _ = begin(tables, config('every = "1h"\njitter = "0s"'), past)

    next_runs = table.next_runs()

    assert 1 == round((next_runs["studio"] - now) / timedelta(hours=1))
    assert 1 == round((next_runs["(sweep)"] - now) / timedelta(days=1))


def test_jobs_come_again_and_again(tables: list[Timetable]) -> None:
    """Each interval asks once more; an account may have an interval of its own."""
    now = datetime.now(UTC)
    given = config('every = "1h"\njitter = "0s"', 'every = "1s"')
    past = Past(accounts={"studio": now, "box": now}, sweep_at=now, verify_at=now, drill_at=now)
    _, poll, _ = begin(tables, given, past)

    until(lambda: len(poll.names) >= 3, "three polls")

    assert {"box"} == set(poll.names)


def test_jitter_delays_and_never_hastens(tables: list[Timetable]) -> None:
    """Many machines with one config do not ask at the same second."""
    now = datetime.now(UTC)
    given = config('every = "1h"\njitter = "30m"')
    past = Past(accounts={"studio": now, "box": now}, sweep_at=now, verify_at=now, drill_at=now)

    minutes = set()
    for _ in range(20):
        table = Timetable(given, past, Asked(), Asked(), now)
        table.start()
        tables.append(table)
        minutes.add((table.next_runs()["studio"] - now) / timedelta(minutes=1))

    assert all(60 <= one <= 90 for one in minutes)
    assert len(minutes) > 10


def test_cron_decides_for_all_but_those_with_an_interval(tables: list[Timetable]) -> None:
    """`schedule.cron` replaces `schedule.every`, not an account's own `every`."""
    now = datetime.now(UTC)
    given = config('cron = "0 * * * *"\njitter = "0s"', 'every = "10m"')
    past = Past(accounts={"studio": now, "box": now}, sweep_at=now, verify_at=now, drill_at=now)
    table, _, _ = begin(tables, given, past)

    next_runs = table.next_runs()

    next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    assert next_hour == next_runs["studio"]
    assert 10 == round((next_runs["box"] - now) / timedelta(minutes=1))


def test_a_cron_run_that_was_missed_is_made_up(tables: list[Timetable]) -> None:
    """A laptop that was asleep at three asks when it wakes."""
    now = datetime.now(UTC)
    given = config('cron = "0 3 * * *"\njitter = "0s"')
    asleep = Past(
        accounts={name: now - timedelta(hours=30) for name in ("studio", "box")},
        sweep_at=now,
        verify_at=now,
        drill_at=now,
    )
    _, poll, _ = begin(tables, given, asleep)

    until(lambda: sorted(poll.names) == ["box", "studio"], "both are made up, once each")
