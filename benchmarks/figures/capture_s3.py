"""Capture straight into a store, without a detour over the disk: small files, and large ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import fetchers, household
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.peers import find
from benchmarks.harness.processes import Commands
from benchmarks.harness.report import Figure, Unit, ratio_goals
from benchmarks.harness.settings import rounds, scaled
from benchmarks.harness.store import Store, store
from benchmarks.harness.worlds import World, world

RCLONE = "rclone copyurl"
WANTED = {RCLONE: ("times rclone copyurl to the same store", 1.0)}
SMALL_BYTES, LARGE_MB, LARGE_FILES = 10_000, 100, 20


def measure(folder: Path) -> Iterator[Figure]:
    """Measure small files, then large ones, each with a fresh store."""
    small, large_mb = scaled(2000, least=20), scaled(LARGE_MB, least=10)
    yield _measure(folder / "small", small, SMALL_BYTES, "files/s", small)
    yield _measure(
        folder / "large", LARGE_FILES, large_mb * 1_000_000, "MB/s", LARGE_FILES * large_mb
    )


def _measure(folder: Path, files: int, size_bytes: int, unit: Unit, amount: int) -> Figure:
    folder.mkdir()
    suffix = ".png" if unit == "files/s" else ".mp4"
    with (
        world(folder, files, size_bytes, same_bytes=unit == "MB/s") as made,
        store(folder / "store") as at,
    ):
        contenders = [archiver_run(made, at, "archiver run", amount, suffix)]
        if find("rclone"):
            contenders.append(_rclone(made, at, amount, suffix))
        measured = play(contenders, folder, rounds(3))
    return Figure(
        name="capture_s3",
        part=folder.name,
        work=f"{files} files of {size_bytes // 1000:,} KB to SeaweedFS",
        unit=unit,
        measured=measured,
        goals=ratio_goals(measured, unit, WANTED),
    )


def archiver_run(
    made: World, at: Store, name: str, amount: int, suffix: str, *, has_disk: bool = False
) -> Contender:
    """Make the contender that captures into a prefix of its own each time."""
    files = len(made.provider.links)

    def prepare(folder: Path) -> Commands:
        destinations = {"vault": at.destination(folder.name)}
        if has_disk:
            destinations["disk"] = household.LOCAL
        config = household.write_config(
            folder, made.provider.base_url, made.provider.api_key, destinations=destinations
        )
        return [household.archiver(config, "run")]

    def check(folder: Path) -> None:
        at.must_hold(folder.name, files, suffix)
        at.must_hold(folder.name, files, ".json")

    return Contender(name=name, amount=amount, prepare=prepare, check=check)


def _rclone(made: World, at: Store, amount: int, suffix: str) -> Contender:
    links = made.provider.links

    def prepare(folder: Path) -> Commands:
        return [fetchers.rclone_copyurl(folder, links, at.rclone_place(folder.name))]

    return Contender(
        name=RCLONE,
        amount=amount,
        prepare=prepare,
        check=lambda folder: at.must_hold(folder.name, len(links), suffix),
        environment=at.rclone_environment,
    )
