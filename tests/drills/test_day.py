"""A day of a daemon: churn, faults, outages, signals, kills; at the end all is kept and all told.

`ARCHIVER_TORTURE=all` (`make torture`) makes about as many passes as a day of 96 quarters of an
hour has, in fast motion; it is no part of the normal test run.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.simulator import Simulator, faults
from tests.alerts.receiver import Receiver
from tests.daemon.manager import until
from tests.drills.conftest import Figures
from tests.drills.day import PLAIN, Day, flatness, live, unplug
from tests.drills.switch import require_whole
from tests.stories.house import House

QUIET_INTERVALS = 40
MEMORY_GROWTH = 1.1
ONCE = Counter(problem=1, recovery=1)
REVOKED = "a key that was revoked"


@pytest.fixture
def day(tmp_path: Path, simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> Iterator[Day]:
    """A house with two disks and a receiver for its alarms."""
    house = House(tmp_path, simulator, capsys)
    for name in ("disk", "spare"):
        house.destinations[name] = f'type = "local"\npath = "{name}"'
    one = Day(house, Receiver(), random.Random(20261121))
    yield one
    if one.daemon is not None:
        one.daemon.kill()
    one.receiver.close()


def test_a_day_ends_with_everything_archived_and_every_alarm_told_once(
    day: Day, figures: Figures
) -> None:
    """Whatever happens in it, in an order that was chosen to be unkind."""
    require_whole("a day takes some minutes")
    day.start()
    live(day, 10)
    doomed = _doom(day)
    for trouble in (_provider_down, _key_revoked, _disk_away, _config_broken, _file_gone):
        key = trouble(day)
        live(day, 60, lambda key=key: day.has_heard(key, "recovery"))  # type: ignore[misc]
        assert (key, ONCE) == (key, day.told()[key])
    day.restart(signal.SIGTERM)
    before = len(day.samples)
    live(day, QUIET_INTERVALS * 2.5)
    day.house.simulator.faults.clear()
    day.remember()
    day.ever -= doomed
    until(lambda: not any(day.lacking().values()), "all is kept at both", 120)
    until(lambda: _lasting(day) == {"lost:studio"}, "what came again ended again", 60)
    _conclude(day, before, figures)


def _doom(day: Day) -> set[str]:
    """One file is refused by its host, and gone in a minute and a half."""
    simulator = day.house.simulator
    created_at = simulator.world.clock() - timedelta(days=30) + timedelta(seconds=90)
    item = simulator.world.add("geminigen", recipe=PLAIN, created_at=created_at)
    for one in item.files:
        simulator.faults.add(faults.status(410), host="media", path=f"*{one.path}*", times=None)
    return {simulator.expected_file(one).sha256 for one in item.files}


def _provider_down(day: Day) -> str:
    """A provider is away; meanwhile the daemon is killed."""
    day.house.simulator.take_down("oxen")
    live(day, 40, lambda: day.has_heard("stale:farm", "problem"))
    day.restart(signal.SIGKILL)
    day.house.simulator.bring_up("oxen")
    return "stale:farm"


def _key_revoked(day: Day) -> str:
    """A key is wrong, until a config with the right one is read."""
    day.house.keys["studio"] = REVOKED
    day.reload()
    live(day, 40, lambda: day.has_heard("credentials:studio", "problem"))
    day.restart(signal.SIGTERM)
    del day.house.keys["studio"]
    day.reload()
    return "credentials:studio"


def _disk_away(day: Day) -> str:
    """One of two disks is unplugged; meanwhile the daemon is killed."""
    back = unplug(day, "spare")
    live(day, 40, lambda: day.has_heard("destination:spare", "problem"))
    day.restart(signal.SIGKILL)
    back()
    return "destination:spare"


def _config_broken(day: Day) -> str:
    """Somebody's editor leaves half a config."""
    day.house.config_path.write_text("[nonsense]\n", encoding="utf-8")
    assert day.daemon is not None
    day.daemon.send(signal.SIGHUP)
    live(day, 40, lambda: day.has_heard("config:", "problem"))
    day.reload()
    return "config:"


def _file_gone(day: Day) -> str:
    """A file is deleted; verify finds it by itself, and somebody repairs it by hand."""
    files = (day.house.folder / "disk").rglob("*.png")
    max(files, key=lambda one: one.stat().st_size).unlink()
    live(day, 60, lambda: day.has_heard("damaged:disk", "problem"))
    repaired = day.by_hand("repair", "--wait-lock")
    assert 0 == repaired.returncode, repaired.stderr
    return "damaged:disk"


def _lasting(day: Day) -> set[str]:
    """Name the alarms whose end was not told as often as they were."""
    return {key for key, heard in day.told().items() if heard["problem"] != heard["recovery"]}


def _conclude(day: Day, before: int, figures: Figures) -> None:
    flat = flatness(day.samples[before:])
    told = day.told()
    assert Counter(problem=1) == told["lost:studio"]
    figures("a day of the daemon", {"restarts": dict(day.restarts), "pings": dict(day.pings)})
    figures("its last process", flat)
    figures("alarms", {key: dict(counts) for key, counts in sorted(told.items())})
    assert day.daemon is not None
    assert 0 == day.daemon.stop()
    assert ONCE == told["at_risk:studio"]
    assert (True, 0) == (flat["memory_ratio"] <= MEMORY_GROWTH, flat["more_descriptors"])
    assert {"start", "success"} <= day.pings.keys()
    assert REVOKED.encode() not in b"".join(one.body for one in day.receiver.requests)
