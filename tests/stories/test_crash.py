"""Kill -9 at any moment loses nothing and shows nothing that is wrong (promise 2)."""

from __future__ import annotations

import signal
import sqlite3
import time
from pathlib import Path

import pytest

from archiver.simulator import faults
from tests.stories.house import House, expected_hashes, media_tree, sidecars, tree

PATIENCE_SECONDS = 30


def wait_for_media_requests(house: House, count: int) -> None:
    """Wait until the media host was asked this often."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while house.simulator.requests.count("media") < count:
        assert time.monotonic() < give_up_at, "the run did not get that far"
        time.sleep(0.002)


@pytest.mark.parametrize("after_requests", [1, 4, 9, 16, 25])
def test_killed_run_leaves_only_whole_files_and_the_next_one_ends_the_same(
    house: House, after_requests: int
) -> None:
    """What is visible after a kill is right; one more run equals an uninterrupted one."""
    house.simulator.faults.add(faults.slow(0.05), host="media", times=None)
    expected = expected_hashes(house.simulator)
    run = house.start("run")
    wait_for_media_requests(house, after_requests)
    run.kill()
    run.communicate()

    partial = media_tree(house.disk)
    assert set(partial.values()) <= set(expected)
    for document in sidecars(house.disk):
        for media in document["media"]:
            assert partial[media["path"]] == media["sha256"]

    house.simulator.faults.clear()
    summary = house.run()

    assert 0 == summary.exit_code, summary.out
    assert expected == sorted(media_tree(house.disk).values())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_run_ends_promptly_with_the_code_of_its_signal(
    house: House, number: signal.Signals, code: int
) -> None:
    """A stop abandons what is in flight within seconds and leaves no temporary file."""
    house.simulator.faults.add(faults.trickle(2000), host="media", times=None)
    run = house.start("run")
    wait_for_media_requests(house, 3)
    started_at = time.monotonic()
    run.send_signal(number)
    _, said = run.communicate(timeout=PATIENCE_SECONDS)

    assert code == run.returncode, said.decode()
    assert time.monotonic() - started_at < PATIENCE_SECONDS / 2
    assert [] == temporary_files(house.disk)


def temporary_files(folder: Path) -> list[Path]:
    """What uploads to a local directory leave when nobody cleans up."""
    return [path for path in folder.rglob(".archiver-tmp*") if path.is_file()]


def test_what_was_committed_and_never_recorded_is_taken_over_not_fetched_again(
    house: House,
) -> None:
    """A kill between sidecar and index must not let other bytes replace the committed ones."""
    house.run()
    before = tree(house.disk)
    with sqlite3.connect(house.folder / "state" / "index.sqlite") as index:
        index.execute("DELETE FROM copies")
        index.execute(
            "UPDATE assets SET state = 'pending', path = NULL, path_folded = NULL"
            " WHERE state = 'archived'"
        )
        index.execute(
            "UPDATE generations SET state = 'pending', archived_at = NULL,"
            " next_try_at = '2001-01-01T00:00:00.000000Z' WHERE state = 'archived'"
        )
        index.execute("UPDATE runs SET ended_at = NULL")
    index.close()
    for provider in ("oxen", "sync"):
        for item in house.simulator.world.items(provider):
            house.simulator.world.rewrite(provider, item.id)
    house.simulator.requests.clear()

    summary = house.run()

    assert 0 == summary.exit_code, summary.out
    assert before == tree(house.disk)
    assert 0 == house.simulator.requests.count("media")


def test_new_destination_is_filled_from_the_old_one(house: House) -> None:
    """What must be at all destinations is brought to one that was added later."""
    house.run()
    house.simulator.requests.clear()
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'

    summary = house.run()

    assert 0 == summary.exit_code, summary.out
    assert 0 == house.simulator.requests.count("media")
    assert tree(house.disk) == tree(house.folder / "mirror")
