"""The daemon as a process: what it does by itself, and how it answers its manager."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from archiver.simulator import Recipe, faults
from tests.alerts.receiver import Receiver
from tests.daemon.conftest import Start
from tests.daemon.manager import Daemon, free_port, get, until
from tests.stories.house import House, expected_hashes, media_tree

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
PLAIN = Recipe().plain(size_bytes=4096)


def kept(house: House) -> list[str]:
    """What lies on the disk of the house."""
    return sorted(media_tree(house.disk).values())


def test_it_archives_what_is_there_and_what_comes(house: House, start: Start) -> None:
    """With nobody at the keyboard; the manager hears that it is ready and how it is."""
    daemon = start()
    until(lambda: kept(house) == expected_hashes(house.simulator), "the history is archived")

    house.simulator.world.add("geminigen", recipe=PLAIN)
    house.simulator.world.add("oxen", recipe=PLAIN)
    until(lambda: kept(house) == expected_hashes(house.simulator), "what came is archived")

    until(lambda: any("all is well" in line for line in daemon.notified), "a status line")
    assert "READY=1" == daemon.notified[0]
    assert 0 == daemon.stop()
    assert ["daemon.stopped"] == [one["event"] for one in daemon.events[-1:]]


def test_a_stop_lets_what_is_in_flight_end(house: House, start: Start) -> None:
    """SIGTERM: the file under way is finished, nothing new is begun, and the exit code is 0."""
    script = house.simulator.faults
    for _ in range(2):
        script.add(faults.slow(3), host="media")
    daemon = start()
    until(lambda: len(script.unexercised()) < 2, "a slow file is under way")

    exit_code = daemon.stop()

    assert 0 == exit_code
    assert daemon.events[-1]["in_order"]
    assert kept(house)
    assert not list(house.disk.rglob(".archiver-tmp*"))
    assert "STOPPING=1" in daemon.notified


def test_a_stop_gives_up_what_takes_longer_than_its_drain(house: House, start: Start) -> None:
    """A file that would take for ever is left; the next daemon fetches it, and all the rest."""
    script = house.simulator.faults
    for _ in range(40):
        script.add(faults.slow(300), host="media")
    daemon = start(daemon='listen = ""\ndrain = "1s"')
    until(lambda: len(script.unexercised()) < 40, "a file that hangs is under way")

    began = time.monotonic()
    exit_code = daemon.stop()

    assert 0 == exit_code
    assert time.monotonic() - began < 15
    assert not daemon.events[-1]["in_order"]
    script.clear()
    start()
    until(lambda: kept(house) == expected_hashes(house.simulator), "the next one archives it all")


def test_a_second_signal_does_not_wait_for_the_drain(house: House, start: Start) -> None:
    """Who asks twice means it."""
    script = house.simulator.faults
    for _ in range(40):
        script.add(faults.slow(300), host="media")
    daemon = start(daemon='listen = ""\ndrain = "10m"')
    until(lambda: len(script.unexercised()) < 40, "a file that hangs is under way")
    daemon.send(signal.SIGTERM)
    daemon.wait_for("daemon.stopping")

    assert 0 == daemon.stop(signal.SIGINT)


def test_a_kill_loses_nothing(house: House, start: Start) -> None:
    """In the middle, by kill -9: the next daemon ends where an uninterrupted one would have."""
    daemon = start()
    until(lambda: len(kept(house)) > 3, "some files are there")
    daemon.kill()

    start()

    until(lambda: kept(house) == expected_hashes(house.simulator), "all of it is archived")


def test_a_new_config_is_taken_on_sighup(house: House, start: Start) -> None:
    """An account that was added is archived without a restart."""
    daemon = start(more="[accounts.second]\nprovider='geminigen'\napi_key='k'\nevery='1h'")
    daemon.wait_for("run.finished")
    house.keys["farm"] = "changed"
    house.extra = house.extra.replace("accounts.second", "accounts.third")
    house.write_config()

    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.reloaded")

    reloaded = next(one for one in daemon.events if one["event"] == "config.reloaded")
    assert ["box", "farm", "lips", "studio", "third"] == reloaded["accounts"]
    assert any(line == "RELOADING=1" for line in daemon.notified)
    assert daemon.notified.count("READY=1") == 2
    assert 0 == daemon.stop()


def test_a_config_with_mistakes_is_refused_and_the_old_one_stays(
    house: House, start: Start
) -> None:
    """Loudly: in the log with each mistake, in the status line, in the metrics."""
    port = free_port()
    daemon = start(daemon=f'listen = "127.0.0.1:{port}"')
    daemon.wait_for("run.finished")
    right = house.config_path.read_text(encoding="utf-8")
    house.config_path.write_text(right + "\n[nonsense]\nx = 1\n", encoding="utf-8")

    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.refused")

    refused = next(one for one in daemon.events if one["event"] == "config.refused")
    assert "nonsense" in refused["error"]
    assert "archiver_config_last_reload_successful 0.0" in get(port, "/metrics")[1]
    runs = sum(one["event"] == "run.finished" for one in daemon.events)
    daemon.wait_for("run.finished", runs + 2)

    house.config_path.write_text(right, encoding="utf-8")
    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.reloaded")
    assert "archiver_config_last_reload_successful 1.0" in get(port, "/metrics")[1]


def test_another_address_is_listened_at_after_a_reload(house: House, start: Start) -> None:
    """And one that is taken refuses the whole new config."""
    first, second = free_port(), free_port()
    daemon = start(daemon=f'listen = "127.0.0.1:{first}"')
    until(lambda: get(first, "/readyz") == (200, "ready\n"), "it listens")
    house.extra = house.extra.replace(str(first), str(second))
    house.write_config()
    daemon.send(signal.SIGHUP)
    until(lambda: get(second, "/readyz")[0] == 200, "it listens at the new address")
    assert 0 == get(first, "/readyz")[0]

    taken = house.simulator.base_url("media").removeprefix("http://")
    house.extra = house.extra.replace(f"127.0.0.1:{second}", taken)
    house.write_config()
    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.refused")

    assert 200 == get(second, "/readyz")[0]


def test_the_same_port_on_all_addresses_is_another_address(house: House, start: Start) -> None:
    """Its own old socket is none that it is kept out by."""
    port = free_port()
    daemon = start(daemon=f'listen = "127.0.0.1:{port}"')
    daemon.wait_for("run.finished")
    house.extra = house.extra.replace("127.0.0.1", "0.0.0.0")  # noqa: S104  # that is the point
    house.write_config()

    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.reloaded")

    assert 200 == get(port, "/readyz")[0]


def test_an_index_that_breaks_does_not_end_it(house: House, start: Start) -> None:
    """Nor a reload meanwhile; what is wrong is told, and it goes on when the index is back."""
    port = free_port()
    daemon = start(daemon=f'listen = "127.0.0.1:{port}"')
    daemon.wait_for("run.finished")
    change_index(
        house,
        "ALTER TABLE generations RENAME TO gone",
        "CREATE TRIGGER broken BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'broken'); END",
    )

    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.reloaded")
    until(lambda: any("no such table" in one for one in daemon.notified), "it is told")

    assert (503, True) == (get(port, "/healthz")[0], daemon.is_running)
    assert not daemon.has_logged("job.crashed")
    change_index(house, "ALTER TABLE gone RENAME TO generations", "DROP TRIGGER broken")
    until(lambda: get(port, "/healthz") == (200, "ok\n"), "all is well again")


def change_index(house: House, *statements: str) -> None:
    """Change the index behind the daemon's back."""
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite", timeout=20)) as index:
        for statement in statements:
            index.execute(statement)


def test_a_new_archive_is_no_alarm(house: House, start: Start) -> None:
    """Before its first run there is no index, and a slow ping may hold that run up."""
    hanging, hook = Receiver(), Receiver()
    hanging.hangs = True
    daemon = start(
        'every = "1m"',
        more=f'[alerts]\nping_url = "{hanging.origin}/p"\nwebhook = ["{hook.origin}/h"]',
    )

    daemon.wait_for("run.finished")

    assert 0 == daemon.stop()
    assert [] == hook.requests
    hanging.close()
    hook.close()


def test_a_state_directory_that_goes_away_is_told_and_does_not_end_it(
    house: House, start: Start
) -> None:
    """Each run says so, as no bug of ours; when it can be made again all is taken over."""
    daemon = start()
    until(lambda: kept(house) == expected_hashes(house.simulator), "the history is archived")
    state = house.folder / "state"
    state.rename(house.folder / "away")
    state.write_text("a file where a folder should be", encoding="utf-8")
    until(lambda: daemon.has_logged("run.failed"), "the run is refused")
    state.unlink()

    house.simulator.world.add("geminigen", recipe=PLAIN)
    until(lambda: kept(house) == expected_hashes(house.simulator), "it goes on by itself")

    assert not daemon.has_logged("job.crashed")


@pytest.mark.skipif(not FAKETIME.exists(), reason="faketime is not installed")
def test_a_clock_that_is_set_back_stops_nothing(house: House, start: Start) -> None:
    """A machine that began in a wrong year does not wait for that year to poll again."""
    now = house.folder / "now"
    now.write_text("+300d", encoding="utf-8")
    daemon = start(
        'every = "3s"\njitter = "0s"',
        environment={
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(now),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
    )
    daemon.wait_for("run.finished", 2)

    now.write_text("+0", encoding="utf-8")
    daemon.wait_for("clock.stepped")
    runs = sum(one["event"] == "run.finished" for one in daemon.events)

    daemon.wait_for("run.finished", runs + 2)
    assert 0 == daemon.stop()


def test_the_state_directory_cannot_change_under_a_daemon(house: House, start: Start) -> None:
    """It holds the locks: a restart is needed, and the message says so."""
    daemon = start()
    daemon.wait_for("run.finished")
    text = house.config_path.read_text(encoding="utf-8")
    house.config_path.write_text(text.replace('"state"', '"elsewhere"'), encoding="utf-8")

    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.refused")

    refused = next(one for one in daemon.events if one["event"] == "config.refused")
    assert "restart it to use another one" in refused["error"]


def test_an_account_cannot_become_another_providers(house: House, start: Start) -> None:
    """A new config that says so is refused, the accounts go on; a start with it ends with 78."""
    daemon = start()
    daemon.wait_for("run.finished")
    text = house.config_path.read_text(encoding="utf-8")
    changed = text.replace('provider = "sync"', 'provider = "oxen"')
    house.config_path.write_text(changed, encoding="utf-8")

    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.refused")

    refused = next(one for one in daemon.events if one["event"] == "config.refused")
    assert "this archive knows lips as an account at sync" in refused["error"]
    assert 0 == daemon.stop()
    again = Daemon(house.config_path, house.folder / "manager")
    assert 78 == again.process.wait(20)
    again.kill()


def test_two_daemons_do_not_share_a_state_directory(house: House, start: Start) -> None:
    """The second one says so and ends with 11."""
    start().wait_for("daemon.started")

    second = start()

    assert 11 == second.process.wait(20)
    assert "another archiver daemon works with" in second.log


def test_a_run_by_hand_is_waited_for(house: House, start: Start) -> None:
    """The daemon polls again when the other run has ended."""
    script = house.simulator.faults
    script.add(faults.slow(4), host="media")
    by_hand = house.start("run")
    until(lambda: not script.unexercised(), "the run by hand is under way")
    daemon = start()
    until(lambda: any("another run" in line for line in daemon.notified), "it waits")
    by_hand.communicate(timeout=60)

    daemon.wait_for("run.finished")
    until(lambda: kept(house) == expected_hashes(house.simulator), "all is archived")


def test_a_port_in_use_ends_it_with_a_clear_word(house: House, start: Start) -> None:
    """Before anything else begins."""
    taken = house.simulator.base_url("media").removeprefix("http://")

    daemon = start(daemon=f'listen = "{taken}"')

    assert 1 == daemon.process.wait(20)
    assert f"{taken} is in use by another program" in daemon.log
    assert "READY=1" not in daemon.notified


def test_a_config_with_mistakes_ends_it_with_78(house: House, start: Start) -> None:
    """A service manager knows by the code that a restart will not help."""
    daemon = start(schedule='every = "1s"\nsweep = "1s"\njitter = "soon"', daemon="drain = 3")

    assert 78 == daemon.process.wait(20)
    assert all(key in daemon.log for key in ("schedule.sweep", "schedule.jitter", "daemon.drain"))


def test_a_state_directory_that_cannot_be_written_is_named(house: House, start: Start) -> None:
    """With what to do about it."""
    (house.folder / "state").write_text("a file where a folder should be", encoding="utf-8")

    daemon = start()

    assert 78 == daemon.process.wait(20)
    assert "set archive.state_dir to a place that this user can write" in daemon.log


def test_health_goes_bad_and_good_again(house: House, start: Start) -> None:
    """A provider that is down for two intervals makes it ill, and its return makes it well."""
    port = free_port()
    daemon = start(daemon=f'listen = "127.0.0.1:{port}"')
    daemon.wait_for("run.finished", 2)
    until(lambda: get(port, "/healthz") == (200, "ok\n"), "all is well")

    house.simulator.take_down("geminigen")
    until(lambda: get(port, "/healthz")[0] == 503, "it is ill")
    assert "studio" in get(port, "/healthz")[1]
    assert "archiver_last_success_timestamp_seconds" in get(port, "/metrics")[1]

    house.simulator.bring_up("geminigen")
    until(lambda: get(port, "/healthz") == (200, "ok\n"), "all is well again")


def test_a_destination_that_is_away_does_not_end_it(house: House, start: Start) -> None:
    """An empty folder where the archive was is refused in each run, until the disk is back."""
    daemon = start()
    until(lambda: kept(house) == expected_hashes(house.simulator), "the history is archived")
    house.disk.rename(house.folder / "unplugged")
    until(lambda: daemon.has_logged("run.failed"), "the run is refused")

    (house.folder / "unplugged").rename(house.disk)
    house.simulator.world.add("geminigen", recipe=PLAIN)
    until(lambda: kept(house) == expected_hashes(house.simulator), "it goes on by itself")


def test_verify_and_drill_come_in_their_time(house: House, start: Start) -> None:
    """Beside the passes; what they find is told, and is in the next alarm."""
    daemon = start('every = "1s"\njitter = "0s"\nverify_every = "2s"\ndrill_every = "3s"')
    daemon.wait_for("drill.finished")
    until(lambda: kept(house) == expected_hashes(house.simulator), "the history is archived")
    next(house.disk.rglob("*.png")).unlink()

    def found() -> bool:
        ends = [one for one in daemon.events if one["event"] == "verify.finished"]
        return bool(ends) and ends[-1]["faults"] == {"missing": 1}

    until(found, "verify finds what is missing")
    until(lambda: any("damaged or missing" in one for one in daemon.notified), "and it is told")
    assert 0 == daemon.stop()
