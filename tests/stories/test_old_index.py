"""A backup of the state directory was put back: the archive is newer than its index."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest

from archiver.simulator import faults
from tests.stories.house import ACCOUNTS, House, media_tree, sidecars, tree

NEWER = "the newer words"


@pytest.fixture
def twins(house: House) -> House:
    """A house with two disks that hold the same archive."""
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    assert 0 == house.run().exit_code
    return house


def save_index(house: House) -> None:
    """Make a backup of the state directory."""
    shutil.copytree(house.folder / "state", house.folder / "backup")


def put_index_back(house: House) -> None:
    """Put the backup back."""
    shutil.rmtree(house.folder / "state")
    (house.folder / "backup").rename(house.folder / "state")


def let_time_pass(house: House) -> None:
    """Let what failed be past its deadline, and due."""
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index:
        index.execute(
            "UPDATE generations SET next_try_at = '2020-01-01T00:00:00.000000Z',"
            " deadline_at = '2020-01-01T00:00:00.000000Z' WHERE state = 'failed'"
        )
        index.commit()


def test_run_with_an_old_index_calls_nothing_lost_that_is_there(twins: House) -> None:
    """What the backup knows as failed was archived since; its sidecars say so and stay."""
    made = [twins.simulator.world.add(provider) for provider in ACCOUNTS.values()]
    twins.simulator.faults.add(faults.status(500), host="media", times=None)
    twins.run()
    save_index(twins)
    twins.simulator.faults.clear()
    assert 0 == twins.run("--retry-now").exit_code
    before = tree(twins.disk)
    for item in made:
        twins.simulator.world.delete(item.provider, item.id)
    put_index_back(twins)

    for _ in range(4):
        let_time_pass(twins)
        result = twins.run("--accept-shrunk")

    assert 0 == result.exit_code, result.err
    assert before.keys() == tree(twins.disk).keys() == tree(twins.folder / "mirror").keys()
    assert media_tree(twins.disk).keys() == {
        media["path"] for document in sidecars(twins.disk) for media in document["media"]
    }
    assert 0 == twins.archiver("verify", "--all").exit_code
    assert 0 == sum(row["lost"] for row in twins.archiver("status", "--json").document["accounts"])


@pytest.mark.parametrize("gone", ["disk", "mirror"])
def test_repair_with_an_old_index_writes_no_old_words_over_new_ones(
    twins: House, gone: str
) -> None:
    """One of two newer sidecars is missing: nothing tells who is right, so nothing is replaced."""
    item = next(
        item
        for item in twins.simulator.world.page("geminigen", 0, 20)
        if len([file for file in item.files if file.role == "output"]) == 1
    )
    save_index(twins)
    twins.simulator.world.change("geminigen", item.id, prompt=NEWER)
    assert 0 == twins.run("--sweep").exit_code
    put_index_back(twins)
    other = "mirror" if gone == "disk" else "disk"
    [document] = [one for one in sidecars(twins.folder / gone) if one["prompt"] == NEWER]
    name = f"{document['media'][0]['path'].rpartition('.')[0]}.json"
    path = twins.folder / gone / name
    path.unlink()

    for _ in range(2):
        assert 3 == twins.archiver("verify", "--all").exit_code
        assert 3 == twins.archiver("repair").exit_code

    assert NEWER in (twins.folder / other / name).read_text(encoding="utf-8")
