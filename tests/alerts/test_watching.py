"""What a config has for watching: opened as a whole, and never a reason to fail (promise 9)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.actions.troubles import Trouble, TroubleKind
from archiver.config import parse_config
from archiver.wiring.watching import Watch, open_watch
from tests.alerts.conftest import NOON
from tests.alerts.receiver import TOKEN, Receiver

CONFIG = """
[archive]
state_dir = "{folder}/state"
[accounts.studio]
provider = "geminigen"
api_key = "sk-0123456789"
every = "10m"
[destinations.disk]
type = "local"
path = "{folder}/disk"
[alerts]
{alerts}
"""
FULL = Trouble(kind=TroubleKind.DESTINATION, subject="disk", message="disk is full")


def watch(folder: Path, alerts: str = "") -> Watch:
    """Open the watch of a small config."""
    return open_watch(parse_config(CONFIG.format(folder=folder, alerts=alerts), {}))


def test_a_config_without_alerts_watches_nothing(tmp_path: Path, events: list[Any]) -> None:
    """Every call is allowed and does nothing."""
    quiet = watch(tmp_path)

    quiet.started()
    quiet.ended(0, "well")
    quiet.report([FULL], NOON)
    quiet.write_textfile(b"x 1\n")

    assert ([], []) == (events, list(tmp_path.iterdir()))


def test_a_run_is_pinged_from_start_to_end(tmp_path: Path, receiver: Receiver) -> None:
    """Both with the same id, a UUID of this run."""
    watching = watch(tmp_path, f'ping_url = "{receiver.origin}/{TOKEN}"')

    watching.started()
    watching.ended(3, "1 file will be tried again")

    start, end = receiver.requests
    assert (f"/{TOKEN}/start", f"/{TOKEN}/3") == (start.path, end.path)
    assert start.query == end.query
    assert b"1 file will be tried again" == end.body


@pytest.mark.parametrize("exit_code", [130, 143])
def test_a_run_that_somebody_stopped_is_no_failure(
    tmp_path: Path, receiver: Receiver, exit_code: int
) -> None:
    """The switch calls by itself if no other run follows."""
    watch(tmp_path, f'ping_url = "{receiver.origin}/{TOKEN}"').ended(exit_code, "stopped")

    assert [] == receiver.requests


def test_troubles_reach_every_messenger_and_end(tmp_path: Path, receiver: Receiver) -> None:
    """The end counts after two intervals of the account that is asked most often."""
    hook = f"{receiver.origin}/{TOKEN}"
    alerts = f'webhook = ["{hook}-1", "{hook}-2"]'

    watch(tmp_path, alerts).report([FULL], NOON)
    watch(tmp_path, alerts).report([], NOON + timedelta(minutes=19))
    watch(tmp_path, alerts).report([], NOON + timedelta(minutes=20))

    told = sorted(
        (request.path[-2:], request.document["severity"]) for request in receiver.requests
    )
    assert [("-1", "problem"), ("-1", "recovery"), ("-2", "problem"), ("-2", "recovery")] == told


@pytest.mark.parametrize("what", ["missing", "down", "refuses"])
def test_whatever_fails_is_one_warning_without_the_address(
    tmp_path: Path, receiver: Receiver, events: list[Any], what: str
) -> None:
    """A missing secret, a server that is down, one that refuses: the run goes on."""
    address = f'"{receiver.origin}/{TOKEN}"'
    if what == "missing":
        address = '{ env = "NOT_SET" }'
    watching = watch(tmp_path, f"ping_url = {address}\nwebhook = [{address}]")
    if what == "down":
        receiver.close()
    receiver.answers = [404] * 9

    watching.started()
    watching.ended(0, "well")
    watching.report([FULL], NOON)

    assert ["ping.failed", "ping.failed", "alert.failed"] == [one["event"] for one in events]
    assert {"warning"} == {one["log_level"] for one in events}
    assert TOKEN not in str(events)


def test_the_metrics_file_is_for_all_to_read(tmp_path: Path, events: list[Any]) -> None:
    """node_exporter is another user."""
    path = tmp_path / "archiver.prom"

    watch(tmp_path, f'textfile = "{path}"').write_textfile(b"archiver_up 1\n")

    assert (b"archiver_up 1\n", 0o644) == (path.read_bytes(), path.stat().st_mode & 0o777)
    assert [] == events


def test_a_metrics_file_that_cannot_be_written_is_a_warning(
    tmp_path: Path, events: list[Any]
) -> None:
    """With its path and the reason."""
    watch(tmp_path, f'textfile = "{tmp_path}/gone/archiver.prom"').write_textfile(b"x 1\n")

    [event] = events
    assert ("textfile.failed", "No such file or directory") == (event["event"], event["error"])
