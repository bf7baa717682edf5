"""What a hostile reviewer tried on the command line, and what it says now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from archiver.cli.output import shorten, visible
from archiver.index import database
from archiver.simulator import faults
from tests.cli.terminal import on_terminal
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, media_tree

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31mred\u202e\r\nsecond line"
ONE_ACCOUNT = ("--account", "studio")


@contextmanager
def connected(house: House) -> Iterator[sqlite3.Connection]:  # noqa: F811
    """The index, opened by somebody else."""
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as connection:
        connection.isolation_level = None
        yield connection


def assert_harmless(text: str) -> None:
    """Nothing in it that a terminal would obey."""
    assert [] == [one for one in text if not one.isprintable() and one != "\n"]


@pytest.mark.parametrize("question", [["status"], ["ls"], ["audit"], ["run", "--dry-run"]])
def test_questions_are_answered_while_a_writer_is_at_work(
    house: House,  # noqa: F811
    question: list[str],
) -> None:
    """Reading waits for nobody, and nothing says that the index is damaged."""
    house.run()
    with connected(house) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE accounts SET last_error = 'half done'")
        result = house.archiver("-q", *question)

    assert result.exit_code in (0, 3), result.err
    assert "half done" not in result.out
    assert "" == result.err


def test_a_busy_index_is_said_to_be_busy(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 1, and no advice to move anything away."""
    house.run()
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.05)
    with connected(house) as writer:
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("UPDATE accounts SET last_error = NULL")
        result = house.archiver("status")

    assert 1 == result.exit_code
    assert "busy" in result.err
    assert "try again" in result.err
    assert "move it away" not in result.err


def test_an_index_of_a_newer_version_is_left_alone(house: House) -> None:  # noqa: F811
    """Exit code 1 with both ways out; nothing is written to it."""
    house.run(*ONE_ACCOUNT)
    with connected(house) as newer:
        newer.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('archiver.index', 'm999_from_the_future', '2040-01-01')"
        )

    for command in (["status"], ["run"], ["run", "--dry-run"]):
        result = house.archiver(*command)
        assert 1 == result.exit_code
        assert "another version of archiver" in result.err
        assert "m999_from_the_future" in result.err
        assert "Traceback" not in result.err


def test_an_index_that_fails_half_way_is_one_line(house: House) -> None:  # noqa: F811
    """Exit code 1; with -v the traceback shows where."""
    house.run(*ONE_ACCOUNT)
    known = house.archiver("ls", "--json").lines[0]["id"]
    with connected(house) as index:
        index.execute("DROP TABLE copies")

    plain, verbose = house.archiver("show", known), house.archiver("-v", "show", known)

    assert (1, 1) == (plain.exit_code, verbose.exit_code)
    assert "the index cannot be used just now (no such table: copies)" in plain.err
    assert 1 == len(plain.err.splitlines())
    assert "Traceback" in verbose.err


def test_trouble_of_the_machine_is_one_line(house: House) -> None:  # noqa: F811
    """Exit code 1, what it was about and the system's reason."""
    in_the_way = house.folder / "file"
    in_the_way.write_text("no folder")

    result = house.bare("demo", "--to", in_the_way)

    assert 1 == result.exit_code
    assert f"archiver: {in_the_way}: Not a directory\n" == result.err


def test_a_lock_that_is_a_folder_is_no_traceback(house: House) -> None:  # noqa: F811
    """The place is named."""
    (house.folder / "state" / "lock").mkdir(parents=True)

    result = house.archiver("run")

    assert result.exit_code in (1, 78)
    assert str(house.folder / "state" / "lock") in result.err
    assert "Traceback" not in result.err


def test_a_mistake_of_the_program_says_so_in_one_line(house: House) -> None:  # noqa: F811
    """Exit code 1, and -v shows where it is."""
    house.run(*ONE_ACCOUNT)
    with connected(house) as index:
        index.execute("UPDATE generations SET kind = 'smell'")

    plain, verbose = house.archiver("ls"), house.archiver("-v", "ls")

    assert (1, 1) == (plain.exit_code, verbose.exit_code)
    assert "this is a bug" in plain.err
    assert 1 == len(plain.err.splitlines())
    assert "Traceback" in verbose.err


def test_restore_of_an_id_that_is_not_there_fails_and_names_it(house: House) -> None:  # noqa: F811
    """Exit code 1 when no id was found, 3 and a line when some were not."""
    house.run()
    known = house.archiver("ls", "--status", "archived", "--json").lines[0]["id"]
    target = house.folder / "back"

    neither = house.archiver("restore", "no-such-id", "--to", target)
    one = house.archiver("restore", known, "no-such-id", "--to", target, "--json")
    filtered = house.archiver("restore", known, "--until", "2001-01-01", "--to", target)
    bare = house.bare("restore", "no-such-id", "--from", f"{house.disk}", "--to", target)

    assert (1, 3, 1, 1) == tuple(each.exit_code for each in (neither, one, filtered, bare))
    assert "'no-such-id'" in neither.err
    assert "'no-such-id'" in one.document["problems"][0]
    assert 1 == one.document["generations"]
    assert known in filtered.err
    assert "'no-such-id'" in bare.err


@pytest.mark.parametrize(
    "command", [["restore", "--to", "back"], ["ls"], ["search", "a"], ["audit"], ["run"]]
)
def test_an_account_that_nobody_knows_is_named(
    house: House,  # noqa: F811
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slip of the pen is wrong usage; an account of the config is known before its run."""
    monkeypatch.chdir(house.folder)
    house.run(*ONE_ACCOUNT)

    slip = house.archiver(*command, "--account", "nope")
    early = house.archiver(*command, "--account", "farm")

    assert 2 == slip.exit_code
    assert "there is no account 'nope'; known are: box, farm, lips, studio" in slip.err
    assert 0 == early.exit_code, early.err


def test_restore_from_takes_a_folder_that_no_config_names(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--from mirror` means ./mirror, with another config, a broken one, or none."""
    house.run(*ONE_ACCOUNT)
    house.disk.rename(house.folder / "mirror")
    expected = media_tree(house.folder / "mirror")
    monkeypatch.chdir(house.folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(house.folder / "nowhere"))
    broken = house.folder / "broken.toml"
    broken.write_text("[archive\n")

    results = [
        house.archiver("restore", "--from", "mirror", "--to", "one"),
        house.bare("-c", broken, "restore", "--from", "mirror", "--to", "two"),
        house.bare("restore", "--from", "mirror", "--to", "three"),
    ]

    assert [0, 0, 0] == [result.exit_code for result in results], results
    for target in ("one", "two", "three"):
        assert expected == media_tree(house.folder / target)


def test_a_destination_of_the_config_comes_before_a_folder_of_its_name(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """./vault in the current folder does not stand for the destination vault."""
    house.destinations = {"vault": 'type = "local"\npath = "kept"'}
    house.run(*ONE_ACCOUNT)
    (house.folder / "vault").mkdir()
    monkeypatch.chdir(house.folder)

    result = house.archiver("restore", "--from", "vault", "--to", "back")
    neither = house.archiver("restore", "--from", "attic", "--to", "back")

    assert 0 == result.exit_code, result.err
    assert media_tree(house.folder / "kept") == media_tree(house.folder / "back")
    assert 10 == neither.exit_code
    assert "no destination and no directory 'attic'" in neither.err
    assert "vault" in neither.err


def test_restore_from_a_user_that_is_not_there_is_no_traceback(house: House) -> None:  # noqa: F811
    """Like any other address that leads nowhere."""
    result = house.bare("restore", "--from", "~nobody-here/x", "--to", house.folder / "back")

    assert 78 == result.exit_code
    assert "'~nobody-here/x' is no path" in result.err


def test_dry_run_shows_rows_that_cannot_be_read(house: House) -> None:  # noqa: F811
    """Exit code 3, as the run itself would say."""
    broken = house.simulator.world.add("oxen", patch={"enqueued_at": ["not", "a", "time"]})

    shown = house.archiver("run", "--dry-run")
    told = house.archiver("-q", "run", "--dry-run", "--json").document

    assert 3 == shown.exit_code
    assert f"! farm: row {broken.id} cannot be read" in shown.out
    assert "1 rows unreadable" in shown.out
    assert (3, 1) == (told["exit_code"], told["accounts"]["farm"]["bad_rows"])
    assert broken.id in "\n".join(told["problems"])


def test_dry_run_with_a_limit_says_what_it_leaves(house: House) -> None:  # noqa: F811
    """The numbers are those of the run that follows."""
    told = house.archiver("-q", "run", "--dry-run", "--json", "--limit", "3").document["accounts"]
    shown = house.archiver("run", "--dry-run", "--limit", "3").out
    ran = house.run("--limit", "3").document["accounts"]

    chosen = {name: one["to_capture"] for name, one in told.items()}
    assert 3 == sum(chosen.values())
    assert {name: one["archived"] for name, one in ran.items()} == chosen
    assert sum(one["waiting"] for one in told.values()) > 3
    assert "left for later (--limit)" in shown


def test_dry_run_of_what_is_all_archived_claims_nothing(house: House) -> None:  # noqa: F811
    """Nothing to capture is said in these words, and a failure as such."""
    house.run(*ONE_ACCOUNT)
    house.simulator.faults.add(faults.page_instead(), host="neuralbox", times=None)

    result = house.archiver("run", "--dry-run", "--account", "studio", "--account", "box")

    studio = next(line for line in result.out.splitlines() if line.startswith("studio"))
    assert studio.endswith("nothing to capture")
    assert "! box: " in result.out
    assert 3 == result.exit_code


def test_what_strangers_wrote_obeys_no_terminal(house: House) -> None:  # noqa: F811
    """Prompts, names, models, parameters, reasons: only what can be seen reaches the screen."""
    made = house.simulator.world.add("geminigen", prompt=f"a cat {HOSTILE}", model=f"m{HOSTILE}")
    broken = house.simulator.world.add("oxen", patch={"enqueued_at": HOSTILE})
    run = house.archiver("-v", "--log-format", "text", "run")
    told = [
        house.archiver(*command)
        for command in (
            ["show", made.id],
            ["ls"],
            ["search", "cat"],
            ["status"],
            ["audit"],
            ["run", "--dry-run"],
            ["show", made.id, "--json"],
            ["ls", "--json"],
        )
    ]

    assert broken.id in run.out
    for result in (run, *told):
        assert_harmless(result.out)
        assert_harmless(result.err)
    lines = told[0].out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("prompt:"))
    assert "prompt:          a cat ]0;title[2J31mred" == lines[start]
    assert " " * 17 + "second line" == lines[start + 1]
    assert f"a cat {HOSTILE}" == told[6].document["prompt"]


def test_what_can_be_seen_stays_as_it_is() -> None:
    """Other scripts, emoji and spaces; what only looks like a space becomes one."""
    assert "雪後の長城  naïve 🐈" == visible("雪後の長城  naïve 🐈")
    assert "a b c" == visible("a\u3000b\tc")
    assert "one\n  two" == visible("one\ntwo", indent=2)


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("雪雪雪", 6, "雪雪雪"),
        ("雪雪雪", 5, "雪雪…"),
        ("", 3, ""),
    ],
)
def test_a_text_is_cut_to_columns(text: str, size: int, expected: str) -> None:
    """Wide characters count twice; a prompt of any length takes no longer."""
    assert expected == shorten(text, size)
    assert shorten("x" * 1_000_000, 60) == "x" * 59 + "…"


def test_no_color_is_honoured(house: House) -> None:  # noqa: F811
    """Headings are bold on a terminal, and plain where $NO_COLOR is set."""
    house.run(*ONE_ACCOUNT)

    assert "\x1b[1m" in on_terminal(house, "status", NO_COLOR="")
    assert "\x1b" not in on_terminal(house, "status", NO_COLOR="1")


def test_tables_stay_readable_in_80_columns(house: House) -> None:  # noqa: F811
    """Lines end at the edge, with what matters before it; ids and paths are never cut."""
    long_id = "i" * 90
    house.simulator.world.add("geminigen")
    house.run(*ONE_ACCOUNT)
    status = on_terminal(house, "status", NO_COLOR="1")
    assert all(len(line) <= 80 for line in status.splitlines())
    assert "AT RISK" in status
    assert "LAST SUCCESS" in status
    assert "NEVER LISTED" in on_terminal(house, "audit", NO_COLOR="1")

    with connected(house) as index:
        index.execute("UPDATE generations SET id = ? WHERE number = 1", (long_id,))
    assert long_id in on_terminal(house, "ls", NO_COLOR="1")
    [path, *_] = media_tree(house.disk)
    known = Path(path).stem.partition(".")[0]
    shown = on_terminal(house, "show", known, NO_COLOR="1") if known != long_id else path
    assert path in shown
