"""What a run writes into its log: each event names its run, and one line has all the numbers."""

from __future__ import annotations

import json

import pytest

from archiver.simulator import faults
from tests.cli.terminal import on_terminal
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, Result

SUMS = (
    "listed",
    "new",
    "archived",
    "files",
    "size_bytes",
    "failed",
    "lost",
    "bad_rows",
    "in_progress",
    "still_due",
)


def events(result: Result) -> list[dict[str, object]]:
    """The lines of JSON on stderr."""
    return [json.loads(line) for line in result.err.splitlines()]


def test_one_line_has_all_the_numbers_of_a_run(house: House) -> None:  # noqa: F811
    """The same as the summary on stdout, summed up over the accounts."""
    house.simulator.faults.add(faults.status(404), host="media", times=1)

    result = house.archiver("--log-format", "json", "run", "--json", "--limit", "9")

    summary = result.document
    [last] = [event for event in events(result) if event["event"] == "run.finished"]
    assert events(result)[-1] == last
    for name in SUMS:
        assert sum(one[name] for one in summary["accounts"].values()) == last[name], name
    assert last["still_due"]
    assert last["files"]
    assert (summary["exit_code"], summary["media_requests"]) == (
        last["exit_code"],
        last["media_requests"],
    )
    assert (4, 0, 0) == (last["accounts"], last["destinations_failed"], last["rebuilt"])
    assert float(str(last["seconds"])) >= 0


def test_every_event_of_a_run_names_it(house: House) -> None:  # noqa: F811
    """One id for all events of a run, the one of its summary; the next run has another."""
    house.keys["farm"] = "wrong-key"
    house.simulator.faults.add(faults.status(500), host="media", times=2)

    first = house.archiver("--log-format", "json", "-v", "run", "--json")
    second = house.archiver("--log-format", "json", "-v", "run", "--json")

    assert {first.document["run"]} == {event.get("run") for event in events(first)}
    assert {second.document["run"]} == {event.get("run") for event in events(second)}
    assert first.document["run"] != second.document["run"]
    told = {event["event"] for event in events(first)}
    assert {"account.listed", "account.failed", "generation.captured", "run.finished"} <= told


@pytest.mark.parametrize(("key", "level"), [(None, "info"), ("wrong-key", "error")])
def test_the_last_line_is_as_loud_as_the_end(
    house: House,  # noqa: F811
    key: str | None,
    level: str,
) -> None:
    """A quiet run that went wrong is summed up too: whoever filters by level still sees it."""
    if key:
        house.keys["farm"] = key

    result = house.archiver("--log-format", "json", "run")

    assert ("run.finished", level) == (events(result)[-1]["event"], events(result)[-1]["level"])


def test_a_destination_that_is_away_is_told_once_in_a_quiet_run(
    house: House,  # noqa: F811
) -> None:
    """A mail of cron with a line for each file would hide the one that says why."""
    (house.folder / "a file").touch()
    house.destinations["away"] = f'type = "local"\npath = "{house.folder}/a file/x"'

    result = house.archiver("-q", "--log-format", "json", "run")

    assert ["destination.failed", "run.finished"] == [one["event"] for one in events(result)]


def test_a_run_on_a_terminal_logs_what_a_person_reads(house: House) -> None:  # noqa: F811
    """With --log-format text: one event a line, no colours when they are not wanted."""
    screen = on_terminal(
        house, "--log-format", "text", "run", columns=200, shows_messages=True, NO_COLOR="1"
    )
    lines = [line for line in screen.splitlines() if "account.listed" in line]
    assert 4 == len(lines)
    assert all("[info     ]" in line for line in lines)
    assert "\x1b" not in screen
