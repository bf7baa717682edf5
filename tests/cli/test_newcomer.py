"""What somebody new to it, or woken at night, types first, and what it answers."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from archiver.cli.output import counted
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, media_tree

ONE_ACCOUNT = ("--account", "box")


@pytest.fixture
def twins(house: House) -> House:  # noqa: F811
    """A household that keeps one account at two places."""
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    assert 0 == house.run(*ONE_ACCOUNT).exit_code
    return house


def test_numbers_and_their_words_agree() -> None:
    """One thing is no things."""
    assert ["1 file", "2 files", "0 files"] == [counted(many, "file") for many in (1, 2, 0)]
    assert ["1 copy", "2 copies"] == [counted(many, "copy", "copies") for many in (1, 2)]


def test_what_is_away_is_said_once_and_not_for_every_file(twins: House) -> None:
    """A disk that is not mounted is one fact, however many files lie on it."""
    twins.disk.rename(twins.folder / "away")

    result = twins.archiver("restore", "--to", twins.folder / "back", "--from", "disk")

    assert 0 == result.exit_code
    [line] = result.err.splitlines()
    assert line.startswith("! another copy stood in: disk: ")
    assert line.endswith(f"({len(media_tree(twins.folder / 'back'))} times)")


def test_many_bad_copies_are_an_example_and_a_hint(twins: House) -> None:
    """An empty mount point has something else to say of every file: ten of it are enough."""
    for path in [one for one in twins.disk.rglob("*") if one.is_file()]:
        path.unlink()

    result = twins.archiver("restore", "--to", twins.folder / "back", "--with-sidecars")

    assert 0 == result.exit_code
    *lines, last = result.err.splitlines()
    assert 10 == len(lines) == len(set(lines))
    assert "`archiver verify` names all" in last


def test_destination_that_a_new_index_does_not_know_is_read_when_it_is_named(
    twins: House,
) -> None:
    """An index that was rebuilt from the bad one of two does not hide the good one."""
    wanted = media_tree(twins.disk)
    shutil.rmtree(twins.folder / "state")
    (twins.disk / min(wanted)).unlink()

    rebuilt = twins.archiver("rebuild", "--from", "disk")
    known = twins.archiver("restore", "--to", twins.folder / "some")
    named = twins.archiver("restore", "--to", twins.folder / "all", "--from", "mirror")

    assert "`archiver replicate`, or the next run, takes in what mirror may hold." in rebuilt.out
    assert (3, 0) == (known.exit_code, named.exit_code), named.err
    assert wanted == media_tree(twins.folder / "all")


def test_replicate_takes_in_what_a_new_index_does_not_know(twins: House) -> None:
    """It is what the note of a rebuild says."""
    shutil.rmtree(twins.folder / "state")
    twins.archiver("rebuild", "--from", "disk")

    assert 0 == twins.archiver("replicate").exit_code

    places = twins.archiver("status", "--json").document["destinations"]
    assert 1 == len({one["copies"] for one in places})


def test_verify_does_not_call_well_what_it_could_not_look_at(twins: House) -> None:
    """The line with the numbers names the destination that is not among them."""
    twins.disk.rename(twins.folder / "away")

    result = twins.archiver("verify")

    assert 3 == result.exit_code
    assert result.out.rstrip().endswith("nothing wrong; disk not verified.")


def test_verify_that_reads_nothing_tells_no_speed(twins: House) -> None:
    """Nor does one that ends before a second is over."""
    assert "listed, none read: nothing wrong." in twins.archiver("verify", "--quick").out
    assert "/s" not in twins.archiver("verify", "--quick").out


def test_foreign_file_is_told_without_the_promise_to_heal_it(twins: House) -> None:
    """What `repair` leaves alone, a person has to move: neither says that `repair` suffices."""
    (twins.disk / "holiday.jpg").write_bytes(b"mine")

    looked = twins.archiver("verify", "--quick")

    assert 3 == looked.exit_code
    assert "heals what can be healed" not in looked.err
    for said in (looked.err, twins.archiver("status").out):
        assert "takes over what is the archive's; move the rest away" in said


def test_repair_of_an_id_that_is_not_there_is_incomplete(twins: House) -> None:
    """As with `restore` and `replicate`: exit 3 beside ids that are there, 1 without."""
    [one, *_] = twins.archiver("ls", "--status", "archived", "--json").lines
    for verb in (["repair"], ["replicate"], ["restore", "--to", str(twins.folder / "back")]):
        some, none = twins.archiver(*verb, one["id"], "nope"), twins.archiver(*verb, "nope")
        assert (3, 1) == (some.exit_code, none.exit_code), verb
        assert "there is no generation 'nope' here; `archiver ls` lists them" in some.err


def test_generation_of_another_account_is_not_called_unknown(twins: House) -> None:
    """The message names the account that was asked for; one that is none is a slip."""
    [one, *_] = twins.archiver("ls", "--json").lines

    other = twins.archiver("show", one["id"], "--account", "farm")
    slip = twins.archiver("show", one["id"], "--account", "frm")

    assert (1, 2) == (other.exit_code, slip.exit_code)
    assert f"there is no generation {one['id']!r} of the account 'farm'" in other.err
    assert "there is no account 'frm'" in slip.err


def test_time_may_be_an_age(twins: House) -> None:
    """As people know it from journalctl: 7d is a week ago; what is neither is told so."""
    week_ago = (datetime.now(UTC) - timedelta(days=7)).isoformat()

    assert (
        twins.archiver("ls", "--since", week_ago, "--json").lines
        == twins.archiver("ls", "--since", "7d", "--json").lines
        != []
    )
    for slip in ("yesterday", "d", "9999999d", "7 moons"):
        result = twins.archiver("ls", "--since", slip)
        assert 2 == result.exit_code
        assert "no age such as 7d or 36h" in result.err


@pytest.mark.parametrize("option", ["-q", "-c", "--config", "-v", "--log-format"])
def test_option_behind_the_command_is_told_its_place(house: House, option: str) -> None:  # noqa: F811
    """It is known, and only stands in the wrong place."""
    result = house.archiver("ls", option)

    assert 2 == result.exit_code
    assert f"{option} stands before the command: archiver {option} … ls" in result.err


def test_name_that_is_no_directory_is_told_where_there_is_no_config(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slip in a path on a new machine is not only "there is no config"."""
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(house.folder / "home"))

    result = house.bare("restore", "--from", "archve", "--to", house.folder / "back")

    assert 78 == result.exit_code
    assert "'archve' is no directory here, and as a destination's name" in result.err
    assert "there is no config" in result.err


def test_target_that_is_a_file_is_a_slip_of_the_command_line(twins: House) -> None:
    """It will not become right by trying again."""
    (twins.folder / "file").touch()

    result = twins.archiver("restore", "--to", twins.folder / "file")

    assert 2 == result.exit_code
    assert "is a file" in result.err


def test_documents_of_restore_and_export_hold_what_a_script_can_use(twins: House) -> None:
    """The same names for both, sizes in bytes, and nothing that only a progress bar needs."""
    restored = twins.archiver("restore", "--to", twins.folder / "back", "--json").document
    exported = twins.archiver("export", "--to", twins.folder / "bag", "--json").document
    copied = twins.archiver("replicate", "--json").document
    [one, *_] = twins.archiver("ls", "--json").lines

    assert restored.keys() == exported.keys()
    assert {"files", "size_bytes", "present", "problems", "dry_run"} <= restored.keys()
    assert not {"wanted", "done_bytes", "is_refused"} & restored.keys()
    assert {"files", "size_bytes", "present", "problems", "dry_run"} <= copied.keys()
    assert "size_bytes" in one
