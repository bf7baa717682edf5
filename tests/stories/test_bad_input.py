"""Bad input gets a clear error and loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.simulator import faults
from tests.stories.house import ACCOUNTS, House, expected_hashes, media_tree


def test_unknown_config_key_names_its_place_and_the_nearest_key(house: House) -> None:
    """Exit code 78, every mistake at once, and the right word beside each."""
    house.extra = "[schedule]\nevry = '5m'\nlook_back = 'soon'\n"

    result = house.archiver("run")

    assert 78 == result.exit_code
    assert "schedule.evry is not known; did you mean every?" in result.err
    assert "schedule.look_back should be a duration" in result.err
    assert not house.disk.exists()


@pytest.mark.parametrize("account", ACCOUNTS)
def test_wrong_key_stops_its_account_only(house: House, account: str) -> None:
    """Exit code 12; the other accounts are archived; the key is not repeated to anybody."""
    house.keys[account] = "wrong-key-0123456789"

    result = house.run()

    assert 12 == result.exit_code
    summary = result.document
    assert summary["accounts"][account]["error"]
    assert "wrong-key-0123456789" not in result.out + result.err
    for other in ACCOUNTS.keys() - {account}:
        assert summary["accounts"][other]["archived"] > 0
        assert summary["accounts"][other]["error"] is None


def test_key_that_is_not_set_stops_its_account_only(house: House) -> None:
    """An unset environment variable is named; the other accounts are archived."""
    house.write_config()
    own = f'"{house.simulator.api_key("oxen")}"'
    text = house.config_path.read_text().replace(own, '{ env = "NO_SUCH_KEY" }')
    house.config_path.write_text(text)

    result = house.bare("-q", "-c", house.config_path, "run", "--json")

    assert 12 == result.exit_code
    assert "NO_SUCH_KEY" in result.document["accounts"]["farm"]["error"]
    assert result.document["accounts"]["studio"]["archived"] > 0


def test_unreachable_provider_stops_its_account_only(house: House) -> None:
    """Exit code 3; the other accounts are archived."""
    house.bases["lips"] = "http://127.0.0.1:9"

    result = house.run()

    assert 3 == result.exit_code
    assert "cannot be reached" in result.document["accounts"]["lips"]["error"]
    assert result.document["accounts"]["box"]["archived"] > 0


def test_unwritable_destination_is_named_and_the_other_one_is_filled(house: House) -> None:
    """Exit code 3; what the good destination holds is safe, and the bad one is caught up later."""
    (house.folder / "file").write_text("in the way")
    house.destinations["attic"] = 'type = "local"\npath = "file/below"'
    expected = expected_hashes(house.simulator)

    result = house.run()

    assert 3 == result.exit_code
    assert "attic" in result.document["destinations_failed"]
    assert expected == sorted(media_tree(house.disk).values())


def test_destination_that_returns_is_filled_from_the_good_copy(house: House) -> None:
    """Catching up asks no provider for media: its links may be gone."""
    in_the_way = house.folder / "file"
    in_the_way.write_text("in the way")
    house.destinations["attic"] = 'type = "local"\npath = "file/below"'
    house.run()
    in_the_way.unlink()
    house.simulator.requests.clear()

    result = house.archiver("-q", "run", "--json", "--retry-now")

    assert 0 == result.exit_code, result.out
    assert 0 == house.simulator.requests.count("media")
    assert media_tree(house.disk) == media_tree(in_the_way / "below")


def test_no_usable_destination_ends_the_run_before_any_media_is_asked_for(house: House) -> None:
    """Exit code 10, with the reason and what to do."""
    (house.folder / "disk").write_text("in the way")

    result = house.run()

    assert 10 == result.exit_code
    assert "no destination can be used" in result.err
    assert 0 == house.simulator.requests.count("media")


def test_malformed_row_is_counted_and_shown_and_the_rest_goes_on(house: House) -> None:
    """Exit code 3, the row's id and the reason; all other generations are archived."""
    world = house.simulator.world
    broken = world.add("oxen", patch={"enqueued_at": ["not", "a", "time"]})
    nameless = world.add("sync", patch={"id": None})

    result = house.run()

    assert 3 == result.exit_code
    problems = "\n".join(result.document["problems"])
    assert broken.id in problems
    assert "enqueued_at" in problems
    assert "lips: row without id" in problems
    assert 1 == result.document["accounts"]["farm"]["bad_rows"]
    assert result.document["accounts"]["farm"]["archived"] > 0
    assert nameless.id not in problems


def test_html_page_where_json_was_due_stops_its_account_only(house: House) -> None:
    """A login page or a proxy's error is no listing."""
    house.simulator.faults.add(faults.page_instead(), host="neuralbox", times=None)

    result = house.run()

    assert 3 == result.exit_code
    assert "HTML" in result.document["accounts"]["box"]["error"]
    assert result.document["accounts"]["farm"]["archived"] > 0


@pytest.mark.parametrize(
    "fault",
    [
        faults.page_instead(),
        faults.json_instead(),
        faults.empty(),
        faults.cut(200),
        faults.cut(200, framing="close"),
        faults.cut(200, framing="chunked"),
    ],
    ids=lambda fault: fault.name,
)
def test_what_is_not_the_file_is_never_kept_as_the_file(house: House, fault: faults.Fault) -> None:
    """Error pages and cut bodies leave nothing under a final name, and are tried again."""
    house.simulator.faults.add(fault, host="media", times=None)

    result = house.run("--account", "box")

    assert 3 == result.exit_code
    assert {} == media_tree(house.disk)

    house.simulator.faults.clear()
    healed = house.run("--account", "box", "--retry-now")
    expected = expected_hashes(house.simulator, providers=["neuralbox"])
    assert 0 == healed.exit_code, healed.out
    assert expected == sorted(media_tree(house.disk).values())


def test_archive_that_vanished_is_not_begun_anew(house: House) -> None:
    """A disk that is not mounted looks like an empty folder: the run refuses to fill it."""
    house.run()
    (house.disk).rename(house.folder / "elsewhere")

    result = house.run()

    assert 10 == result.exit_code
    assert "mounted?" in result.err
    assert [] == [path for path in house.disk.rglob("*") if path.is_file()]


def test_second_run_beside_a_first_is_refused(house: House) -> None:
    """Exit code 11: the lock is the kernel's, and gone with its process."""
    import filelock

    house.write_config()
    (house.folder / "state").mkdir()
    with filelock.FileLock(house.folder / "state" / "lock"):
        result = house.run()

    assert 11 == result.exit_code
    assert 0 == house.run().exit_code


def test_missing_index_says_what_to_do(house: House, tmp_path: Path) -> None:
    """Exit code 10 for a question that only an index can answer."""
    result = house.archiver("ls")

    assert 10 == result.exit_code
    assert "archiver run" in result.err
    assert tmp_path.name in result.err


@pytest.mark.parametrize("command", ["run", "repair", "replicate"])
def test_archive_that_is_away_is_not_made_anew_as_an_empty_folder(
    house: House, command: str
) -> None:
    """Whoever moves it back would move it into that folder."""
    house.destinations["attic"] = 'type = "local"\npath = "attic"'
    assert 0 == house.run().exit_code
    house.disk.rename(house.folder / "away")

    result = house.archiver(command)

    assert 3 == result.exit_code, result.err
    assert not house.disk.exists()
    (house.folder / "away").rename(house.disk)
    assert 0 == house.archiver(command).exit_code
