"""Cuts the power of a real filesystem at random moments of a run (promise 2).

The program runs on an ext4 image of its own. At a random moment the image is copied as it is:
what was only in the page cache is gone. The copy is mounted, its journal replayed, and judged.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.simulator import faults
from archiver.simulator.item import PROVIDERS
from tests.drills.conftest import Figures
from tests.drills.disks import cut_power, image_mounted, make_image, require_loop_mount
from tests.drills.switch import WHOLE_TIMEOUT_SECONDS, is_whole
from tests.drills.truth import (
    Seen,
    Truth,
    check_anything_visible,
    check_ends_alike,
    learn,
    leftovers,
    start_run,
)
from tests.stories.house import House

SEED = 20_260_101
CUTS_A_RUN = 5
QUICK_CUTS, WHOLE_CUTS = 3, 50
MEDIA_DELAY_SECONDS = 0.05
PATIENCE_SECONDS = 60
_RUN_ARGUMENTS = ("--sweep",)


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
def test_power_cut_at_any_moment_of_a_first_run_leaves_nothing_wrong(
    house: House, figures: Figures
) -> None:
    """After replay all that is visible is right, and one more run ends as if nothing had been."""
    require_loop_mount(house.folder)
    house.simulator.faults.add(faults.slow(MEDIA_DELAY_SECONDS), host="media", times=None)
    truth, seconds = _learn_in(house, "truth")
    _drill(house, truth, seconds, figures)


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
def test_power_cut_while_an_archive_is_brought_up_to_date_leaves_nothing_wrong(
    house: House, figures: Figures
) -> None:
    """A run that rewrites sidecars and adds files to an archive may be cut anywhere, too."""
    require_loop_mount(house.folder)
    house.simulator.faults.add(faults.slow(MEDIA_DELAY_SECONDS), host="media", times=None)
    _learn_in(house, "before")
    _change_the_world(house)
    _copy_archive(house.folder / "before", house.folder / "truth")
    truth, seconds = _learn_in(house, "truth")
    _drill(house, truth, seconds, figures, before=house.folder / "before")


def _learn_in(house: House, name: str) -> tuple[Truth, float]:
    """Make an uninterrupted run in a folder of its own; also tells how long it works."""
    there = replace(house, folder=house.folder / name)
    there.folder.mkdir(exist_ok=True)
    there.write_config()
    process = start_run(there, *_RUN_ARGUMENTS)
    _wait_for_work(house)
    started_at = time.monotonic()
    assert 0 == process.wait()
    seconds = time.monotonic() - started_at
    return learn(there, *_RUN_ARGUMENTS), seconds


def _wait_for_work(house: House) -> None:
    """Wait until the run that was just started has asked a provider for the first time."""
    house.simulator.requests.clear()
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not house.simulator.requests.count():
        assert time.monotonic() < give_up_at, "the run does not begin"
        time.sleep(0.005)


def _change_the_world(house: House) -> None:
    world = house.simulator.world
    for provider in PROVIDERS:
        for item in list(world.items(provider)):
            world.change(provider, item.id, prompt=f"{item.prompt}, once more")
        world.add(provider)


def _copy_archive(source: Path, target: Path) -> None:
    for name in ("state", "disk"):
        shutil.copytree(source / name, target / name)


def _drill(
    house: House, truth: Truth, seconds: float, figures: Figures, before: Path | None = None
) -> None:
    cuts, left = WHOLE_CUTS if is_whole() else QUICK_CUTS, 0
    seen: list[Seen] = []
    for copy in _cut_copies(house, cuts, seconds, before):
        with image_mounted(copy, house.folder / "after") as folder:
            there = replace(house, folder=folder)
            seen.append(check_anything_visible(there, truth))
            left += len(leftovers(there.disk))
            check_ends_alike(there, truth, *_RUN_ARGUMENTS)
        copy.unlink()
    assert cuts == len(seen)
    figures("moments at which the power went", len(seen))
    whole = (len(truth.media), len(truth.sidecars), len(truth.sidecars))
    amid = sum((0, 0, 0) < (one.files, one.sidecars, one.archived) < whole for one in seen)
    figures("  of them between the first file and the last row", amid)
    figures("media files visible after replay", sum(one.files for one in seen))
    figures("sidecars visible after replay", sum(one.sidecars for one in seen))
    figures("generations the index called archived", sum(one.archived for one in seen))
    figures("temporary files left, and cleaned by a later run", left)
    figures("files wrong, claims false, runs that ended otherwise", 0)


def _cut_copies(house: House, cuts: int, seconds: float, before: Path | None) -> Iterator[Path]:
    """Run again and again on a fresh disk, and cut each run several times, at seeded moments."""
    dice = random.Random(SEED)
    image, done = house.folder / "disk.img", 0
    while done < cuts:
        count = min(CUTS_A_RUN, cuts - done)
        moments = [(slot + dice.random()) / count * seconds for slot in range(count)]
        copies = [house.folder / f"cut-{done + number}.img" for number in range(count)]
        make_image(image)
        with image_mounted(image, house.folder / "live") as folder:
            if before is not None:
                _copy_archive(before, folder)
                subprocess.run(["sync", "-f", str(folder)], check=True)  # noqa: S607
            _run_and_cut(replace(house, folder=folder), image, moments, copies)
        yield from copies
        done += count


def _run_and_cut(house: House, image: Path, moments: list[float], copies: list[Path]) -> None:
    house.write_config()
    process = start_run(house, *_RUN_ARGUMENTS)
    ran_seconds = 0.0
    try:
        _wait_for_work(house)
        for moment, copy in zip(moments, copies, strict=True):
            with suppress(subprocess.TimeoutExpired):
                process.wait(moment - ran_seconds)
            ran_seconds = moment
            cut_power(image, copy, process)
    finally:
        process.kill()
        process.wait()
