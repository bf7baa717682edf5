"""Disks that are full, read-only, out of file names, or not there at all (promise 2).

Every time: words and an exit code, nothing wrong visible; and once the disk is well again, one
run ends where an uninterrupted one does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from archiver.simulator import faults
from tests.drills.conftest import Figures
from tests.drills.disks import change_disk, require_mount, small_disk, unmount
from tests.drills.truth import (
    check_anything_visible,
    check_ends_alike,
    check_is_whole,
    crash_in,
    learn,
    run_to_end,
    start_run,
)
from tests.stories.house import House, media_tree

INCOMPLETE, NO_ARCHIVE = 3, 10
WELL = ("size=64m", "nr_inodes=10k", "rw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with the disk of which folder, and the exit codes that tell it."""

    name: str
    folder: str
    options: tuple[str, ...]
    exit_codes: tuple[int, ...]


TROUBLES = (
    Trouble(name="full archive", folder="disk", options=("size=2m",), exit_codes=(INCOMPLETE,)),
    Trouble(
        name="archive out of file names",
        folder="disk",
        options=("size=64m", "nr_inodes=40"),
        exit_codes=(INCOMPLETE,),
    ),
    Trouble(
        name="archive full from the start",
        folder="disk",
        options=("size=4k",),
        exit_codes=(INCOMPLETE, NO_ARCHIVE),
    ),
    Trouble(
        name="archive read-only",
        folder="disk",
        options=("size=64m", "ro"),
        exit_codes=(NO_ARCHIVE,),
    ),
    Trouble(name="full state", folder="state", options=("size=180k",), exit_codes=(1, NO_ARCHIVE)),
    Trouble(
        name="state full from the start",
        folder="state",
        options=("size=4k",),
        exit_codes=(1, NO_ARCHIVE),
    ),
    Trouble(
        name="state read-only",
        folder="state",
        options=("size=64m", "ro"),
        exit_codes=(1, NO_ARCHIVE, 78),
    ),
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name.replace(" ", "-"))
def test_disk_in_trouble_is_told_and_the_next_run_on_a_good_one_completes(
    house: House, figures: Figures, trouble: Trouble
) -> None:
    """A disk that takes no more leaves nothing wrong; with room again, all is as it should be."""
    require_mount(house.folder)
    truth = learn(_room_for(house, "truth"))
    there = _room_for(house, "there")
    with small_disk(there.folder / trouble.folder, *trouble.options) as disk:
        ended = run_to_end(there)
        assert crash_in(ended) is None, ended.said
        assert ended.exit_code in trouble.exit_codes, ended.said
        seen = check_anything_visible(there, truth)
        change_disk(disk, *WELL)
        after = check_ends_alike(there, truth, "--retry-now")
    figures("exit code while the disk was in trouble", ended.exit_code)
    figures("media files visible then, all right", seen.files)
    figures("media requests of the next run", after.media_requests)


@pytest.mark.timeout(300)
def test_archive_that_is_not_mounted_is_refused_and_its_empty_mount_point_stays_empty(
    house: House, figures: Figures
) -> None:
    """A directory that held an archive and is empty now is not written to; exit code 10."""
    require_mount(house.folder)
    there = _room_for(house, "there")
    with _bound(there.folder) as stack:
        truth = learn(there)
        stack.close()
        house.simulator.world.add("oxen")

        ended = run_to_end(there)

        assert NO_ARCHIVE == ended.exit_code, ended.said
        assert "mounted" in ended.said
        assert [] == list(there.disk.iterdir())
        _bind(there.folder, stack)
        after = run_to_end(there)
        assert 0 == after.exit_code, after.said
        found = media_tree(there.disk)
        assert truth.media.items() <= found.items()
        assert len(truth.media) + 1 == len(found)
    figures("exit code without the mount", ended.exit_code)
    figures("media requests of the next run", after.media_requests)


@pytest.mark.timeout(300)
def test_archive_that_is_unmounted_in_the_middle_of_a_run_is_not_continued_below(
    house: House, figures: Figures
) -> None:
    """What comes after the disk has gone is not written to the directory under the mount."""
    require_mount(house.folder)
    truth = learn(_room_for(house, "truth"))
    there = _room_for(house, "there")
    house.simulator.faults.add(faults.slow(0.1), host="media", times=None)
    with _bound(there.folder) as stack:
        process = start_run(there)
        _wait_for(lambda: len(media_tree(there.disk)) > 4, process)
        stack.close()
        exit_code = process.wait(60)
        below = sorted(there.disk.rglob("*"))
        assert [] == [path for path in below if path.is_file()]
        shutil.rmtree(there.disk)
        there.disk.mkdir()
        _bind(there.folder, stack)
        seen = check_anything_visible(there, truth)
        house.simulator.faults.clear()
        after = check_ends_alike(there, truth, "--retry-now")
        check_is_whole(there, truth)
    assert exit_code in (INCOMPLETE, NO_ARCHIVE)
    figures("exit code of the run that lost its disk", exit_code)
    figures("media files visible on the disk", seen.files)
    figures("files written below the mount point", 0)
    figures("media requests of the next run", after.media_requests)


def _room_for(house: House, name: str) -> House:
    there = replace(house, folder=house.folder / name)
    there.folder.mkdir()
    there.write_config()
    return there


def _bound(folder: Path) -> ExitStack:
    """Show the folder `real` as `disk`, as a mount does, until the stack is closed."""
    (folder / "real").mkdir()
    (folder / "disk").mkdir()
    stack = ExitStack()
    _bind(folder, stack)
    return stack


def _bind(folder: Path, stack: ExitStack) -> None:
    mount = shutil.which("mount") or "mount"
    command = [mount, "--bind", str(folder / "real"), str(folder / "disk")]
    subprocess.run(command, check=True, capture_output=True)
    stack.callback(unmount, folder / "disk", is_used=True)


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not condition():
        assert process.poll() is None, "the run ended too early"
        os.sched_yield()
