"""One download into two destinations, against each of them alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures.capture_s3 import SMALL_BYTES, archiver_run
from benchmarks.figures.capture_small import ours
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.report import Figure, Goal, Unit, value
from benchmarks.harness.settings import rounds, scaled
from benchmarks.harness.store import store
from benchmarks.harness.worlds import world

DEARER = 1.25
LARGE_MB, LARGE_FILES = 100, 5


def measure(folder: Path) -> Iterator[Figure]:
    """Measure small files, then large ones."""
    small, large_mb = scaled(1000, least=20), scaled(LARGE_MB, least=10)
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
        local = ours(made.provider, files, f"*{suffix}", "local alone")
        measured = play(
            [
                archiver_run(made, at, "both", amount, suffix, has_disk=True),
                archiver_run(made, at, "S3 alone", amount, suffix),
                Contender(name=local.name, amount=amount, prepare=local.prepare, check=local.check),
            ],
            folder,
            rounds(3),
        )
    both, *alone = (value(one, "s") for one in measured)
    return Figure(
        name="two_destinations",
        part=folder.name,
        work=f"{files} files of {size_bytes // 1000:,} KB",
        unit=unit,
        measured=measured,
        goals=[
            Goal(
                text="times the slower one alone",
                value=both / max(alone),
                bound=DEARER,
                is_floor=False,
            )
        ],
    )
