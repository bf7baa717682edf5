"""How `archiver doctor` looks to a person and to a script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.terminal import on_terminal
from tests.stories.conftest import house, simulator  # noqa: F401
from tests.stories.house import House

GREEN, NORMAL = "\x1b[32m", "\x1b[0m"


def test_verdicts_have_colours_on_a_terminal_only(
    house: House,  # noqa: F811
) -> None:
    """$NO_COLOR takes them away, and so does a pipe; the words are the same."""
    seen = on_terminal(house, "doctor", columns=120)
    plain = on_terminal(house, "doctor", columns=120, NO_COLOR="1")
    piped = house.archiver("doctor").out

    assert f"{GREEN}ok     {NORMAL}  config: valid: " in seen
    assert "\x1b" not in plain + piped
    assert "ok       config: valid: " in plain
    assert "ok       config: valid: " in piped


def test_every_line_tells_verdict_subject_and_check(
    house: House,  # noqa: F811
) -> None:
    """One line a check, whatever a provider wrote into its answer."""
    lines = house.archiver("doctor").out.splitlines()

    for line in lines[:-1]:
        assert re.fullmatch(r"(ok|warning|problem) +[a-z ]+\w+: [\w \[\].]+: .+", line), line


@pytest.mark.parametrize("given", ["soon", "-1s", ""])
def test_a_timeout_that_is_none_is_a_mistake_of_usage(
    house: House,  # noqa: F811
    given: str,
) -> None:
    """Exit code 2, with the form that is meant."""
    result = house.archiver("doctor", "--timeout", given)

    assert 2 == result.exit_code
    assert "--timeout" in result.err
    assert "90s" in result.err


def test_no_config_is_told_as_everywhere(
    house: House,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Exit code 78, and where one could be."""
    result = house.bare("-c", tmp_path / "none.toml", "doctor")

    assert 78 == result.exit_code
    assert "there is no config at" in result.err
