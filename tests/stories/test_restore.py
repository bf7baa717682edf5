"""Getting files back: under any name, from any place, with whatever stands in the way."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from archiver.cli import run_command
from archiver.keys import TEMPORARY_PREFIX
from tests.stories.hand_made import Made, make, write
from tests.stories.house import House, Result, media_tree, sha256_of, tree


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with an archive in it, and the command line."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def archive(self) -> Path:
        """The root of the archive."""
        return self.folder / "archive"

    @property
    def back(self) -> Path:
        """Where files are restored to."""
        return self.folder / "back"

    def restore(self, *arguments: str | Path, source: Path | None = None) -> Result:
        """Restore from the bare folder."""
        self.capsys.readouterr()
        command = ["restore", "--from", source or self.archive, "--to", self.back, *arguments]
        code = run_command([str(argument) for argument in command])
        said = self.capsys.readouterr()
        return Result(code, said.out, said.err)

    def fill(self, *generations: Made) -> dict[str, str]:
        """Put generations into the archive."""
        return write(self.archive, generations)


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """An empty folder."""
    return Place(tmp_path, capsys)


def bodies(folder: Path) -> dict[str, bytes]:
    """The files of one folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Names


def test_original_names_that_collide_get_numbers_by_age(place: Place) -> None:
    """The oldest keeps the plain name, whatever came later."""
    old, middle, new = make(1, "image.png"), make(2, "Image.png"), make(3, "image.png")
    place.fill(old, middle, new)

    done = place.restore("--layout", "original")

    assert 0 == done.exit_code, done.err
    assert {
        "image.png": old.body,
        "Image (2).png": middle.body,
        "image (3).png": new.body,
    } == bodies(place.back)


@pytest.mark.parametrize("layout", ["flat", "original"])
def test_second_restore_with_another_filter_replaces_nothing(place: Place, layout: str) -> None:
    """Names are given anew each time: what has one already, and is another file, keeps it."""
    mine, yours = make(1, "image.png", "studio"), make(1, "image.png", "farm")
    place.fill(mine, yours)
    place.restore("--layout", layout, "--account", "farm")
    [name] = bodies(place.back)

    for _ in range(2):
        done = place.restore("--layout", layout, "--account", "studio")
        assert 0 == done.exit_code, done.err

    numbered = name.replace(".", " (2).")
    assert {name: yours.body, numbered: mine.body} == bodies(place.back)
    assert "1 (" in done.out
    assert "were there already" in done.out


def test_same_command_again_gives_every_file_its_name_again(place: Place) -> None:
    """Nothing is written twice under two numbers."""
    place.fill(*(make(number, "image.png") for number in range(12)))
    place.restore("--layout", "original")
    before = tree(place.back)

    again = place.restore("--layout", "original", "--json").document

    assert before == tree(place.back)
    assert (0, 12) == (again["files"], again["present"])


def test_always_replaces_what_has_the_name(place: Place) -> None:
    """That is what was asked for."""
    mine, yours = make(1, "image.png", "studio"), make(1, "image.png", "farm")
    place.fill(mine, yours)
    place.restore("--layout", "original", "--account", "farm")

    place.restore("--layout", "original", "--account", "studio", "--overwrite", "always")

    assert {"image.png": mine.body} == bodies(place.back)


# What is there already


def test_never_touches_nothing_and_says_what_differs(place: Place) -> None:
    """What is missing is brought; what is there stays, and is told when it is another file."""
    one, two, three = make(1), make(2), make(3)
    place.fill(one, two, three)
    place.restore()
    (place.back / one.media_key).write_text("my own")
    (place.back / two.media_key).unlink()

    done = place.restore("--overwrite", "never", "--json").document

    assert (1, 1, 1) == (done["files"], done["present"], done["kept"])
    assert "my own" == (place.back / one.media_key).read_text()
    assert two.body == (place.back / two.media_key).read_bytes()


def test_changed_file_is_replaced_and_whole_ones_are_not_fetched(place: Place) -> None:
    """The default heals the target; a whole file needs no source at all."""
    one, two = make(1), make(2)
    place.fill(one, two)
    place.restore()
    (place.back / one.media_key).write_bytes(one.body[:-1] + b"?")
    (place.archive / two.media_key).unlink()

    done = place.restore("--json")

    assert 0 == done.exit_code, done.err
    assert (1, 1) == (done.document["files"], done.document["present"])
    assert one.body == (place.back / one.media_key).read_bytes()


def test_dry_run_counts_and_writes_nothing(place: Place) -> None:
    """Files and bytes to fetch, and what is there already."""
    made = [make(number) for number in range(4)]
    place.fill(*made)
    assert 0 == place.restore("--dry-run").exit_code
    assert not place.back.exists()
    place.restore(made[0].id)

    done = place.restore("--dry-run", "--json").document

    assert (3, 1) == (done["files"], done["present"])
    assert len(made[0].body) == done["present_bytes"]
    assert sum(len(one.body) for one in made[1:]) == done["size_bytes"]
    assert [made[0].media_key] == list(tree(place.back))


def test_files_carry_the_time_of_their_generation(place: Place) -> None:
    """Also one that an earlier restore had written and not dated before it was killed."""
    one = make(1)
    place.fill(one)
    place.restore()
    path = place.back / one.media_key
    assert one.created_at.timestamp() == path.stat().st_mtime
    os.utime(path, (1, 1))

    place.restore()

    assert one.created_at.timestamp() == path.stat().st_mtime


def test_leftovers_of_a_killed_restore_are_removed(place: Place) -> None:
    """Unfinished files of a dead process, and no other file."""
    one = make(1)
    place.fill(one)
    folder = (place.back / one.media_key).parent
    folder.mkdir(parents=True)
    (folder / f"{TEMPORARY_PREFIX}1-{'0' * 16}").write_text("half")
    (folder / "mine.txt").write_text("mine")

    place.restore()

    assert {"mine.txt", Path(one.media_key).name} == {path.name for path in folder.iterdir()}


# What stands in the way


def test_damaged_and_missing_files_are_named_and_the_rest_is_brought(place: Place) -> None:
    """Exit 3, and a line for each."""
    made = [make(number) for number in range(4)]
    place.fill(*made)
    (place.archive / made[0].media_key).write_bytes(made[0].body[:-1] + b"?")
    (place.archive / made[1].media_key).unlink()

    done = place.restore()

    assert 3 == done.exit_code
    assert {one.media_key for one in made[2:]} == set(tree(place.back))
    lines = done.err.splitlines()
    assert 2 == len(lines)
    assert any(made[0].media_key in line and "not what was stored" in line for line in lines)
    assert any(made[1].media_key in line and "there is no" in line for line in lines)


@pytest.mark.timeout(60)
def test_copy_that_is_much_too_long_is_not_read_to_its_end(place: Place) -> None:
    """A file of 100 GB under the name of a small one costs neither memory nor time."""
    made = [make(number) for number in range(3)]
    place.fill(*made)
    os.truncate(place.archive / made[0].media_key, 100 * 1000**3)

    done = place.restore()

    assert 3 == done.exit_code
    assert {one.media_key for one in made[1:]} == set(tree(place.back))
    assert "not what was stored" in done.err


def test_broken_sidecars_are_listed_and_hold_nothing_up(place: Place) -> None:
    """Those that are no JSON, not ours, or name a file outside of the archive."""
    good, bad, foreign = make(1), make(2), make(3)
    place.fill(good, bad, foreign)
    (place.archive / bad.media_key).with_suffix(".json").write_text("{")
    evil = (place.archive / foreign.media_key).with_suffix(".json")
    evil.write_text(evil.read_text().replace(foreign.media_key, "../../etc/passwd"))

    done = place.restore()

    assert 3 == done.exit_code
    assert 2 == len(done.err.splitlines())
    assert [good.media_key] == list(tree(place.back))


@pytest.mark.parametrize(("source", "root"), [("", "archive"), ("archive/geminigen", "archive")])
def test_wrong_root_is_told_in_one_line_with_the_right_one(
    place: Place, tmp_path_factory: pytest.TempPathFactory, source: str, root: str
) -> None:
    """A folder above or inside the archive: no hundred lines, and a guess."""
    place.fill(*(make(number) for number in range(700)))

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = place.restore("--to", elsewhere, source=place.folder / source)

    assert 10 == done.exit_code
    assert 1 == len(done.err.splitlines())
    assert done.err.rstrip().endswith(f"most likely {place.folder / root}")


def test_one_moved_sidecar_does_not_make_another_root(place: Place) -> None:
    """It is named, and the others are restored."""
    first, second = make(1), make(2)
    place.fill(first, second)
    moved = place.archive / "elsewhere" / "geminigen"
    moved.mkdir(parents=True)
    (place.archive / second.media_key).with_suffix(".json").rename(moved / "moved.json")

    done = place.restore()

    assert 3 == done.exit_code
    assert "moved" in done.err
    assert [first.media_key] == list(tree(place.back))


def test_full_disk_stops_the_restore_with_one_line(place: Place, tiny_disk: Path) -> None:
    """What fits is there and whole; the line says how far it came."""
    made = [make(number) for number in range(400)]
    hashes = place.fill(*made)
    assert sum(len(one.body) for one in made) > 0
    done = place.restore("--to", tiny_disk)

    assert 3 == done.exit_code
    assert 1 == len(done.err.splitlines()), done.err
    assert "of 400 files are restored" in done.err
    assert tree(tiny_disk).items() <= hashes.items()


@pytest.mark.parametrize("below", ["", "some/folder"])
def test_restore_into_the_archive_is_refused(place: Place, below: str) -> None:
    """Its files would be taken for the archive's own."""
    place.fill(make(1))
    before = tree(place.archive)

    done = place.restore("--to", place.archive / below)

    assert 2 == done.exit_code
    assert "inside the archive" in done.err
    assert before == tree(place.archive)


def test_restore_into_a_destination_of_the_config_is_refused(house: House) -> None:
    """Also from another place than that."""
    house.run("--limit", "2")

    done = house.archiver("restore", "--to", house.disk / "back")

    assert 2 == done.exit_code
    assert "inside the archive" in done.err


# From a destination by its name


def test_named_destination_without_an_index_is_read_by_its_sidecars(house: House) -> None:
    """A new machine with the old config: no rebuild is needed first."""
    house.run()
    before = tree(house.disk)
    shutil.rmtree(house.folder / "state")

    back = house.folder / "back"
    done = house.archiver("restore", "--from", "disk", "--to", back, "--with-sidecars")

    assert 0 == done.exit_code, done.err
    assert before == tree(back)
    assert not (house.folder / "state").exists()


def test_refused_credentials_are_exit_12_and_one_line(house_with_bucket: House) -> None:
    """With index and config: the store's refusal is not a damaged file, and ends it early."""
    house = house_with_bucket
    house.run()
    house.destinations["vault"] = house.destinations["vault"].replace(
        'secret_key = "testsecret"', 'secret_key = "wrong"'
    )
    shutil.rmtree(house.disk)
    house.disk.mkdir()
    del house.destinations["disk"]

    done = house.archiver("restore", "--to", house.folder / "back")

    assert 12 == done.exit_code, done.err
    assert len(done.err.splitlines()) <= 2, done.err
    assert {} == media_tree(house.folder / "back")


def test_destination_that_refuses_is_left_out_where_another_stands_in(
    house_with_bucket: House,
) -> None:
    """Everything comes from the other one, and one line says so."""
    house = house_with_bucket
    house.run()
    house.destinations["vault"] = house.destinations["vault"].replace(
        'secret_key = "testsecret"', 'secret_key = "wrong"'
    )

    done = house.archiver("restore", "--from", "vault", "--to", house.folder / "back")

    assert 0 == done.exit_code, done.err
    assert media_tree(house.disk) == media_tree(house.folder / "back")
    assert "vault was left out" in done.err
    one = next(iter(media_tree(house.disk)))
    assert sha256_of(house.disk / one) == sha256_of(house.folder / "back" / one)
