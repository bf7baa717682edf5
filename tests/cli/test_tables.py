"""Tables fit the terminal they are on, and what matters stays."""

from __future__ import annotations

import pytest

from archiver.cli.output import width
from tests.cli.terminal import on_terminal
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House


@pytest.mark.parametrize("columns", [80, 100, 120])
@pytest.mark.parametrize("command", [["ls"], ["search", "a"]])
def test_lists_show_the_prompt_and_the_whole_id_at_any_width(
    house: House,  # noqa: F811
    command: list[str],
    columns: int,
) -> None:
    """What a person looks for comes before what is nice to know."""
    house.run("--limit", "3")
    found = house.archiver(*command, "--json").lines

    lines = on_terminal(house, *command, columns=columns, NO_COLOR="1").splitlines()

    assert {"ID", "STATE", "PROMPT"} <= set(lines[0].split())
    assert max(map(width, lines)) <= columns
    assert [one["id"] for one in found] == [
        next(word for word in line.split() if word == one["id"])
        for line, one in zip(lines[1:], found, strict=True)
    ]


def test_a_very_wide_terminal_shows_every_column(house: House) -> None:  # noqa: F811
    """Nothing is left out where there is room, and a long prompt gets its share."""
    prompt = "a long walk along the river at dusk, " * 4
    house.simulator.world.add("geminigen", prompt=prompt.strip())
    house.run()

    wide = on_terminal(house, "ls", columns=400, NO_COLOR="1").splitlines()
    piped = house.archiver("ls").out.splitlines()

    assert wide[0].split() == piped[0].split()
    assert any(prompt.strip() in line for line in wide)
    assert max(map(width, piped)) < 250


@pytest.mark.parametrize("command", [["status"], ["audit"], ["run", "--dry-run"], ["run"]])
def test_reports_fit_80_columns(house: House, command: list[str]) -> None:  # noqa: F811
    """No number is cut off at the edge."""
    house.run("--limit", "3")

    seen = on_terminal(house, *command, NO_COLOR="1")

    assert max(map(width, seen.splitlines())) <= 80
    assert "…" not in seen


def test_an_account_with_a_long_name_hides_no_number(house: House) -> None:  # noqa: F811
    """The name is shortened, the columns stay."""
    name = "a-very-long-name-of-an-account-at-oxen-1"
    house.extra = (
        f'[accounts.{name}]\nprovider = "oxen"\napi_key = "{house.simulator.api_key("oxen")}"\n'
        f'base_url = "{house.simulator.base_url("oxen")}"\nrequests_per_minute = 0\n'
    )
    house.run("--account", name)

    lines = on_terminal(house, "status", NO_COLOR="1").splitlines()

    assert max(map(width, lines)) <= 80
    assert lines[0].endswith("LOST")
    assert any(line.startswith("a-very-long-name") for line in lines)
