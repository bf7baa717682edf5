"""-q says nothing when all is well, and everything else when it is not."""

from __future__ import annotations

import pytest

from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, media_tree


def test_quiet_commands_say_nothing_when_all_is_well(house: House) -> None:  # noqa: F811
    """A cron job that went well sends no mail."""
    commands: list[list[str]] = [
        ["config", "validate"],
        ["run"],
        ["restore", "--to", str(house.folder / "back")],
    ]
    for command in commands:
        result = house.archiver("-q", *command)
        assert (0, "", "") == (result.exit_code, result.out, result.err), command

    (house.folder / "state").rename(house.folder / "old")
    result = house.archiver("-q", "rebuild", "--from", "disk")
    assert (0, "", "") == (result.exit_code, result.out, result.err)


def test_quiet_restore_says_what_it_could_not_give_back(house: House) -> None:  # noqa: F811
    """Exit code 3 and the file, on stderr."""
    house.run()
    [victim, *_] = media_tree(house.disk)
    (house.disk / victim).write_bytes(b"rotten")

    result = house.archiver("-q", "restore", "--to", house.folder / "back")

    assert (3, "") == (result.exit_code, result.out)
    assert victim in result.err


def test_a_question_is_answered_also_quietly(house: House) -> None:  # noqa: F811
    """Data was asked for: -q is about messages."""
    house.run()
    for command in (["ls"], ["status"], ["audit"], ["config", "show"]):
        assert house.archiver("-q", *command).out, command


def test_several_words_are_one_search(house: House) -> None:  # noqa: F811
    """Quotes are not needed: every word must be there, in any order."""
    house.simulator.world.add("geminigen", prompt="a heron in the morning fog")
    house.run()

    bare = house.archiver("search", "fog", "heron", "--json").lines
    quoted = house.archiver("search", "fog heron", "--json").lines

    assert ["a heron in the morning fog"] == [one["prompt"] for one in bare]
    assert quoted == bare
    assert 2 == house.archiver("search").exit_code


def test_nothing_found_is_said_to_a_person_only(house: House) -> None:  # noqa: F811
    """On stderr, so that what is piped on stays empty; not with -q."""
    house.run()

    loud = house.archiver("search", "no", "such", "words")
    quiet = house.archiver("-q", "search", "no", "such", "words")

    assert (0, "", "nothing found\n") == (loud.exit_code, loud.out, loud.err)
    assert ("", "") == (quiet.out, quiet.err)


@pytest.mark.parametrize("limit", ["1", "3"])
def test_what_a_limit_leaves_is_said(house: House, limit: str) -> None:  # noqa: F811
    """No account with something left is called ok."""
    result = house.archiver("-v", "run", "--limit", limit)
    told = house.run("--limit", limit).document["accounts"]

    assert "still due" in result.out
    assert sum(one["still_due"] for one in told.values()) > 0
    whole = house.run().document["accounts"]
    assert [0] * 4 == [one["still_due"] for one in whole.values()]
