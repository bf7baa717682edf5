"""The outside of the command line: help, exit codes, JSON, tables."""

from __future__ import annotations

import csv
import io
import re
from importlib import import_module

import click
import pytest

from archiver.actions.restore import Layout, Overwrite
from archiver.cli import COMMANDS, restore, run_command
from archiver.errors import ArchiverError
from archiver.units import parse_time
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, sidecars, tree


def commands_of(group: click.Command) -> list[click.Command]:
    """A command and all below it."""
    below = group.commands.values() if isinstance(group, click.Group) else ()
    return [group, *(each for command in below for each in commands_of(command))]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_is_for(name: str) -> None:
    """No command and no option is without a word of help."""
    for command in commands_of(import_module(f"archiver.cli.{name}").command):
        assert command.help
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not isinstance(parameter.type, click.Choice):
                assert parameter.help, f"{command.name} {parameter.opts}"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`archiver --help` shows the table."""
    assert 0 == run_command(["--help"])
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert re.search(rf"^  {name}\b", out, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run", "--nonsense"], ["ls", "--kind", "smell"], ["restore"]]
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage errors are said on stderr."""
    assert 2 == run_command(arguments)
    assert "Error:" in capsys.readouterr().err


def test_exit_codes_in_the_help_are_those_of_the_errors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A script reads the same numbers in the help as in the code."""
    run_command(["--help"])
    said = {int(number) for number in re.findall(r"\b\d+\b", capsys.readouterr().out)}
    pending = [ArchiverError]
    while pending:
        error = pending.pop()
        pending += error.__subclasses__()
        assert error.exit_code in said


def test_ls_search_and_show_tell_the_same_generation(house: House) -> None:  # noqa: F811
    """JSON Lines, CSV, search and show agree with the sidecar."""
    house.simulator.world.add("geminigen", prompt='雪后的长城 with a % and a "quote"')
    house.run()
    [document] = [
        one for one in sidecars(house.disk) if (one["prompt"] or "").startswith("雪后的长城 with")
    ]

    listed = [one for one in house.archiver("ls", "--json").lines if one["id"] == document["id"]]
    rows = list(csv.DictReader(io.StringIO(house.archiver("ls", "--csv").out)))
    shown = house.archiver("show", document["id"], "--json").document

    assert 1 == len(listed)
    assert document["prompt"] == listed[0]["prompt"]
    assert document["prompt"] in [row["prompt"] for row in rows]
    assert document["media"][0]["sha256"] == shown["media"][0]["digest"]["sha256"]
    for text in ("长城", "雪", "a % and", 'a "quote"', "WITH"):
        found = house.archiver("search", text, "--account", "studio", "--json").lines
        assert document["id"] in [one["id"] for one in found], text
    assert [] == house.archiver("search", "no such words anywhere", "--json").lines
    assert document["prompt"] in house.archiver("show", document["id"]).out


def test_words_of_restore_are_those_of_the_verb() -> None:
    """The choices that --help shows without loading the verb are the ones it knows."""
    assert tuple(Layout) == restore.LAYOUTS
    assert tuple(Overwrite) == restore.OVERWRITES


def test_filters_compose(house: House) -> None:  # noqa: F811
    """Every filter that is set must hold."""
    house.run()
    every = house.archiver("ls", "--json").lines
    videos = house.archiver("ls", "--kind", "video", "--provider", "sync", "--json").lines
    waiting = house.archiver("ls", "--status", "in_progress", "--json").lines

    assert videos
    assert all("sync" == one["provider"] for one in videos)
    assert [one for one in every if one["state"] == "in_progress"] == waiting
    assert every[:3] == house.archiver("ls", "--limit", "3", "--json").lines
    assert [] == house.archiver("ls", "--until", "2001-01-01", "--json").lines
    moments = [parse_time(one["created_at"]) for one in every]
    assert sorted(moments, reverse=True) == moments


def test_status_adds_up_to_what_was_listed(house: House) -> None:  # noqa: F811
    """Every generation ever listed is in exactly one state."""
    house.run()
    for account in house.archiver("status", "--json").document["accounts"]:
        states = ("archived", "pending", "in_progress", "failed", "excluded", "lost")
        assert account["listed"] == sum(account[state] for state in states)
        assert account["listed"] == account["provider_total"] or account["provider_total"] is None
        assert account["last_success_at"]


def test_dry_run_tells_what_would_happen_and_writes_nothing(house: House) -> None:  # noqa: F811
    """Neither index nor destination exists after a dry run on a new machine."""
    result = house.archiver("-q", "run", "--dry-run", "--json")

    assert 0 == result.exit_code
    assert result.document["accounts"]["studio"]["to_capture"] > 0
    assert not house.disk.exists()
    assert not list((house.folder).rglob("index*"))
    assert 0 == house.simulator.requests.count("media")


def test_limit_bounds_what_one_run_captures(house: House) -> None:  # noqa: F811
    """The rest is left for later runs, and the exit code says that there is a rest."""
    first = house.run("--limit", "3").document
    assert 3 == sum(account["archived"] for account in first["accounts"].values())
    assert 3 == len(list(sidecars(house.disk)))
    rest = house.run()
    assert 0 == rest.exit_code
    assert len(list(sidecars(house.disk))) > 3


def test_since_lists_only_what_is_newer_and_leaves_no_gap(house: House) -> None:  # noqa: F811
    """A run bounded by --since proves nothing about older generations: the next one reads on."""
    world = house.simulator.world
    newest = next(world.items("geminigen"))
    since = newest.created_at.replace(microsecond=0)
    bounded = house.run("--account", "studio", "--since", since.isoformat())
    whole = house.run("--account", "studio")

    assert 0 == bounded.exit_code
    assert 1 == bounded.document["accounts"]["studio"]["listed"]
    assert 0 == whole.exit_code
    listed = house.archiver("status", "--json").document["accounts"][0]["listed"]
    assert world.count("geminigen") == listed


@pytest.mark.parametrize("layout", ["archive", "flat", "original"])
def test_restore_is_whole_in_every_layout_and_again_for_free(
    house: House,  # noqa: F811
    layout: str,
) -> None:
    """Collisions are numbered, never overwritten; a second restore fetches nothing."""
    house.run()
    target = house.folder / "back"
    first = house.archiver("restore", "--to", target, "--layout", layout, "--json").document
    again = house.archiver("restore", "--to", target, "--layout", layout, "--json").document

    kept = {name: one for name, one in tree(house.disk).items() if not name.endswith(".json")}
    assert sorted(kept.values()) == sorted(tree(target).values())
    assert (len(kept), 0) == (first["files"], first["present"])
    assert (0, len(kept)) == (again["files"], again["present"])


def test_restore_keeps_or_replaces_what_is_there_as_told(house: House) -> None:  # noqa: F811
    """--overwrite never leaves a changed file alone, changed replaces it."""
    house.run()
    target = house.folder / "back"
    house.archiver("restore", "--to", target)
    [victim, *_] = [path for path in sorted(target.rglob("*")) if path.is_file()]
    good = victim.read_bytes()
    victim.write_bytes(b"mine")

    house.archiver("restore", "--to", target, "--overwrite", "never")
    assert b"mine" == victim.read_bytes()
    house.archiver("restore", "--to", target)
    assert good == victim.read_bytes()


def test_restore_replaces_a_bad_copy_by_a_good_one_and_says_so(house: House) -> None:  # noqa: F811
    """A flipped byte in one destination is noticed and made good by the other one."""
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    house.run()
    [victim, *_] = [path for path in sorted(house.disk.rglob("*.png")) if path.is_file()]
    good = victim.read_bytes()
    victim.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))

    result = house.archiver("restore", "--to", house.folder / "back", "--from", "disk", "--json")

    assert 0 == result.exit_code
    assert 1 == len(result.document["healed"])
    assert good == (house.folder / "back" / victim.relative_to(house.disk)).read_bytes()


def test_restore_that_cannot_be_whole_lists_what_is_missing(house: House) -> None:  # noqa: F811
    """Exit code 3, and nothing wrong is written."""
    house.run()
    [victim, *_] = [path for path in sorted(house.disk.rglob("*.png")) if path.is_file()]
    victim.write_bytes(b"rotten")

    result = house.archiver("restore", "--to", house.folder / "back")

    assert 3 == result.exit_code
    assert victim.name in result.err
    assert not (house.folder / "back" / victim.relative_to(house.disk)).exists()


def test_rebuilt_index_tells_the_same_as_the_old_one(house: House) -> None:  # noqa: F811
    """The sidecars hold everything that ls shows of what is archived."""
    house.run()
    before = house.archiver("ls", "--status", "archived", "--json").lines
    (house.folder / "state").rename(house.folder / "old-state")

    result = house.archiver("rebuild", "--from", "disk")

    assert 0 == result.exit_code, result.err
    keys = [key for key in before[0] if key != "deadline_at"]
    after = house.archiver("ls", "--status", "archived", "--json").lines
    assert told(before, keys) == told(after, keys)


def told(rows: list[dict[str, object]], keys: list[str]) -> list[list[object]]:
    """Some columns of rows, in an order of their own: equal times may come either way."""
    return sorted(([row[key] for key in keys] for row in rows), key=str)


def test_demo_shows_the_main_job(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No key, no network: it archives, runs again, loses a file and gets it back."""
    monkeypatch.chdir(house.folder)
    first, second = house.bare("demo"), house.bare("demo")

    for result in (first, second):
        assert 0 == result.exit_code, result.err
        assert "Nothing new; no media was requested." in result.out
        assert "restored" in result.out
    again = house.bare("-c", "archiver-demo/config.toml", "search", "雨夜", "--json")
    assert again.lines


def test_demo_leaves_a_folder_alone_that_is_not_its_own(house: House) -> None:  # noqa: F811
    """Nothing is deleted that the demo did not make."""
    precious = house.folder / "mine" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("do not delete")

    result = house.bare("demo", "--to", precious.parent)

    assert 1 == result.exit_code
    assert "do not delete" == precious.read_text()
