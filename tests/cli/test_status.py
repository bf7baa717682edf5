"""`status` tells everything that SPEC promises of it, in text and in JSON alike."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archiver.simulator import faults
from archiver.units import parse_time
from tests.cli.terminal import on_terminal
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House

STUDIO = ("--account", "studio")


def studio(house: House) -> dict[str, object]:  # noqa: F811
    """What `status --json` says of one account."""
    accounts = house.archiver("status", "--json").document["accounts"]
    [found] = [one for one in accounts if one["account"] == "studio"]
    return dict(found)


def row(text: str, head: str, account: str) -> dict[str, str]:
    """Read one line of a table by its heads, as a person does: from column to column."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if head in line)
    heads = [name for name in lines[start].split("  ") if name.strip()]
    line = next(line for line in lines[start + 1 :] if line.startswith(account))
    cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
    return dict(zip([name.strip() for name in heads], cells, strict=True))


def test_status_shows_the_ledger_and_the_clock_of_each_account(house: House) -> None:  # noqa: F811
    """Every number of the JSON stands in the text, in 80 columns."""
    house.run()
    told = studio(house)

    text = on_terminal(house, "status", NO_COLOR="1")

    counts = row(text, "LISTED", "studio")
    for head, name in (
        ("LISTED", "listed"),
        ("ARCHIVED", "archived"),
        ("PENDING", "pending"),
        ("IN PROGRESS", "in_progress"),
        ("FAILED", "failed"),
        ("EXCLUDED", "excluded"),
        ("LOST", "lost"),
    ):
        assert str(told[name]) == counts[head]
    clock = row(text, "NEXT RUN", "studio")
    assert str(told["files"]) == clock["FILES"]
    assert clock["SIZE"].endswith("MB")
    assert clock["NEXT RUN"].startswith(("in 14m", "in 15m"))
    assert "nothing" == clock["AT RISK"]
    success, after = parse_time(told["last_success_at"]), parse_time(told["next_run_at"])
    assert timedelta(minutes=15) == after - success


def test_status_of_an_account_that_was_never_asked(house: House) -> None:  # noqa: F811
    """Never, and due: no number is made up."""
    house.run("--account", "box")

    clock = row(house.archiver("status").out, "NEXT RUN", "studio")

    assert ("never", "due") == (clock["LAST SUCCESS"], clock["NEXT RUN"])
    assert studio(house)["next_run_at"] is None


def test_status_says_what_is_at_risk_and_what_comes_first(house: House) -> None:  # noqa: F811
    """How many assets, how large, when; and which generation is the oldest unsecured one."""
    house.extra = '[alerts]\nat_risk = "40d"\n'
    house.run(*STUDIO, "--limit", "1")
    told = studio(house)

    text = on_terminal(house, "status", NO_COLOR="1")

    risk, oldest = told["at_risk"], told["oldest_unsecured"]
    assert isinstance(risk, dict)
    assert isinstance(oldest, dict)
    assert risk["count"] == told["pending"]
    assert risk["files"] >= risk["count"] > 0
    assert risk["size_bytes"] > 0
    assert (risk["first_id"], risk["first_deadline_at"]) == (oldest["id"], oldest["deadline_at"])
    assert row(text, "AT RISK", "studio")["AT RISK"].startswith(f"{risk['files']} assets (")
    first = row(text, "OLDEST UNSECURED", "studio")
    assert first["OLDEST UNSECURED"] == oldest["id"]
    assert first["DEADLINE"].startswith("in ")


def test_status_foresees_a_loss_in_a_sentence(house: House) -> None:  # noqa: F811
    """What will be lost, when, and what would have to change: before it happens."""
    house.run(*STUDIO, "--limit", "1")
    house.keys["studio"] = "refused-key"
    assert 12 == house.run(*STUDIO).exit_code

    told = studio(house)
    text = house.archiver("status").out

    foreseen = told["forecast"]
    assert isinstance(foreseen, dict)
    assert foreseen["lost"] == told["pending"]
    assert foreseen["lost_files"] >= foreseen["lost"]
    day = parse_time(foreseen["first_loss_at"])
    [sentence] = [line for line in text.splitlines() if "will be lost" in line]
    assert sentence.startswith(f"! {foreseen['lost_files']} assets of studio (about ")
    assert f"{day:%A %Y-%m-%d %H:%M} UTC" in sentence
    assert ", unless the account works again: " in sentence
    assert f"! studio: {told['last_error']}" in text
    assert "refused-key" not in text


@pytest.mark.parametrize("is_quick", [True, False])
def test_status_says_why_an_account_failed(house: House, is_quick: bool) -> None:  # noqa: F811
    """An API that is down is named, and when it is asked again."""
    if not is_quick:
        house.run(*STUDIO)
    house.simulator.faults.add(faults.page_instead(), host="geminigen", times=None)
    house.run(*STUDIO)

    told = studio(house)

    assert told["last_error"]
    assert told["next_run_at"]
    assert f"! studio: {told['last_error']}" in house.archiver("status").out


def test_status_says_why_a_destination_was_left_out(house: House) -> None:  # noqa: F811
    """Until a run finds it well again."""
    house.destinations["away"] = 'type = "local"\npath = "away"'
    (house.folder / "away").write_text("a file where a folder should be")
    assert 3 == house.run().exit_code

    failed = house.archiver("status", "--json").document["destinations"]
    text = house.archiver("status").out
    (house.folder / "away").unlink()
    house.run()
    healed = house.archiver("status", "--json").document["destinations"]

    reasons = {one["destination"]: one["last_error"] for one in failed}
    assert reasons["disk"] is None
    assert f"! away was left out of the last run: {reasons['away'].removeprefix('away: ')}" in text
    assert [None, None] == [one["last_error"] for one in healed]
