"""A new or returned destination is filled from the others, and no provider is asked (promise 5)."""

from __future__ import annotations

import errno
import shutil
import time
from pathlib import Path

import pytest

from tests.cli.terminal import on_terminal
from tests.stories.disks import mounted_read_only, tiny_disk
from tests.stories.house import House, media_tree, tree
from tests.stories.test_repair import flip, index_rows, some_media

PATIENCE_SECONDS = 30
MIRROR = 'type = "local"\npath = "mirror"'


@pytest.fixture
def filled(house: House) -> House:
    """A user whose one disk holds everything, and whose keys have died since."""
    assert 0 == house.run().exit_code
    house.keys = dict.fromkeys(("studio", "farm", "lips", "box"), "dead")
    house.simulator.requests.clear()
    return house


def mirror(house: House) -> Path:
    """The second local destination."""
    return house.folder / "mirror"


def test_new_destinations_are_filled_without_asking_any_provider(
    house_with_bucket: House,
) -> None:
    """A disk fills another disk and a bucket; both can be verified and restored from."""
    house = house_with_bucket
    vault = house.destinations.pop("vault")
    house.run()
    house.simulator.requests.clear()
    house.destinations |= {"mirror": MIRROR, "vault": vault}
    before = tree(house.disk)

    done = house.archiver("replicate", "--json")

    assert 0 == done.exit_code, done.err
    assert 2 * len(before) == done.document["files"]
    assert [] == list(house.simulator.requests)
    assert before == tree(mirror(house))
    assert 0 == house.archiver("verify", "--all").exit_code
    back = house.archiver(
        "restore", "--from", "vault", "--to", house.folder / "back", "--with-sidecars"
    )
    assert 0 == back.exit_code, back.err
    assert before == tree(house.folder / "back")


def test_what_was_filled_is_nothing_to_do_for_the_next_replicate_and_run(house: House) -> None:
    """Receipts are in the index: nothing is copied again, and no media is requested."""
    house.run()
    house.destinations["mirror"] = MIRROR
    house.archiver("replicate")
    house.simulator.requests.clear()

    again = house.archiver("replicate")
    run = house.run()

    assert "0 files (0 B) brought to disk, mirror." == again.out.strip()
    assert 0 == run.exit_code, run.out
    assert 0 == house.simulator.requests.count("media")


@pytest.mark.parametrize("after", [1, 15, 40])
def test_killed_replicate_goes_on_where_it_was(filled: House, after: int) -> None:
    """What was there and right already is read, and not copied again; nothing wrong is visible."""
    filled.destinations["mirror"] = MIRROR
    before = tree(filled.disk)
    process = filled.start("replicate")
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while len(list(mirror(filled).rglob("*.*"))) < after and process.poll() is None:
        assert time.monotonic() < give_up_at
        time.sleep(0.001)
    process.kill()
    process.communicate()
    half = tree(mirror(filled))
    assert half.items() <= before.items()
    receipts = index_rows(filled, "SELECT path FROM copies WHERE destination = 'mirror'")
    assert {path for (path,) in receipts} <= half.keys()

    done = filled.archiver("replicate", "--json")

    assert 0 == done.exit_code, done.err
    assert before == tree(mirror(filled))
    assert len(half) - len(receipts) == done.document["present"]
    assert len(before) - len(half) == done.document["files"]
    assert 0 == filled.archiver("verify", "--all").exit_code


def test_file_that_differs_is_never_replaced_and_repair_puts_it_right(filled: House) -> None:
    """A stranger's file in our place is reported; repair sets it aside, replicate goes on."""
    filled.destinations["mirror"] = MIRROR
    name = next(iter(media_tree(filled.disk)))
    theirs = mirror(filled) / name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"a stranger's")

    first = filled.archiver("replicate")
    repaired = filled.archiver("repair")
    second = filled.archiver("replicate")

    assert (3, 0, 0) == (first.exit_code, repaired.exit_code, second.exit_code)
    assert "holds another file" in first.err
    assert tree(filled.disk) == tree(mirror(filled))
    [kept] = list((mirror(filled) / ".archiver" / "quarantine").rglob("*.*"))
    assert b"a stranger's" == kept.read_bytes()
    assert 0 == filled.archiver("verify", "--all").exit_code


def test_bad_source_is_passed_over_and_one_that_is_left_alone_is_told(house: House) -> None:
    """A damaged copy is never multiplied: another source gives it, or it is listed."""
    house.destinations["mirror"] = MIRROR
    house.run()
    house.destinations["third"] = 'type = "local"\npath = "third"'
    before = tree(house.disk)
    name = str(some_media(house.disk).relative_to(house.disk))
    flip(house.disk / name)

    alone = house.archiver("replicate", "--to", "third", "--from", "disk", "--json")
    third = house.folder / "third"
    assert 3 == alone.exit_code
    assert name in alone.document["problems"][0]
    assert name not in tree(third)

    done = house.archiver("replicate", "--to", "third", "--json")

    assert 0 == done.exit_code, done.err
    assert 2 == done.document["files"]
    assert before == tree(third)


def test_dry_run_counts_what_each_destination_lacks(filled: House) -> None:
    """Nothing is written, not even the folder of the new destination."""
    filled.destinations["mirror"] = MIRROR
    files = tree(filled.disk)
    size = sum((filled.disk / name).stat().st_size for name in files)

    done = filled.archiver("replicate", "--dry-run", "--json").document

    lacking = {
        "disk": {"files": 0, "size_bytes": 0},
        "mirror": {"files": len(files), "size_bytes": size},
    }
    assert lacking == done["lacking"]
    assert not mirror(filled).exists()


def test_filters_choose_what_is_filled(filled: House) -> None:
    """Only what they choose is brought; the rest is for another time."""
    filled.destinations["mirror"] = MIRROR

    done = filled.archiver("replicate", "--account", "farm")

    assert 0 == done.exit_code, done.err
    farm = {name: digest for name, digest in tree(filled.disk).items() if "/farm/" in name}
    assert farm == tree(mirror(filled))


def test_destination_that_is_away_is_told_and_the_others_are_filled(filled: House) -> None:
    """One that held an archive and holds none now gets nothing: its disk is not mounted."""
    filled.destinations["mirror"] = MIRROR
    filled.archiver("replicate")
    shutil.rmtree(mirror(filled))
    filled.destinations["third"] = 'type = "local"\npath = "third"'

    done = filled.archiver("replicate")

    assert 3 == done.exit_code
    assert "mirror is left out" in done.err
    assert tree(filled.disk) == tree(filled.folder / "third")
    assert {} == tree(mirror(filled))


def test_unknown_destination_is_a_mistake_of_usage(filled: House) -> None:
    """The message names those there are."""
    result = filled.archiver("replicate", "--to", "mirro")

    assert 2 == result.exit_code
    assert "there is no destination 'mirro'; known are: disk" in result.err


def test_somebody_who_watches_sees_one_summary_line(filled: House) -> None:
    """On a terminal the last word is what was brought where."""
    filled.destinations["mirror"] = MIRROR

    screen = on_terminal(filled, "replicate")

    assert f"{len(tree(filled.disk))} files (" in screen
    assert "brought to disk, mirror." in screen


def test_new_destination_gets_the_xmp_of_its_media(filled: House) -> None:
    """What says nothing new is not copied but made anew, beside each file."""
    filled.has_xmp = True
    filled.destinations["mirror"] = MIRROR

    done = filled.archiver("replicate")

    assert 0 == done.exit_code, done.err
    packets = {name for name in tree(mirror(filled)) if name.endswith(".xmp")}
    assert len(media_tree(filled.disk)) == len(packets)
    assert 0 == filled.archiver("verify", "--all").exit_code


def test_read_only_disk_is_a_source(filled: House) -> None:
    """A disk that the kernel gave up on still gives all it holds; nothing is written to it."""
    filled.destinations["mirror"] = MIRROR
    before = tree(filled.disk)

    with mounted_read_only(filled.disk):
        done = filled.archiver("replicate", "--from", "disk", "--to", "mirror")
        all_of_them = filled.archiver("replicate")

    assert 0 == done.exit_code, done.err
    assert before == tree(mirror(filled))
    assert 3 == all_of_them.exit_code
    assert "disk is left out" in all_of_them.err


def test_full_disk_is_a_source(house: House) -> None:
    """No byte is free where the files lie, and none is needed there."""
    with tiny_disk(house.disk, 64 << 20):
        assert 0 == house.run().exit_code
        fill(house.disk / ".archiver" / "ballast")
        house.destinations["mirror"] = MIRROR

        done = house.archiver("replicate")

        assert 3 == done.exit_code
        assert "disk is left out" in done.err
        assert tree(house.disk) == tree(mirror(house))


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert errno.ENOSPC == error.errno
