"""A fresh index from the sidecars of a local archive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import history, household
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.processes import Commands
from benchmarks.harness.report import Figure, Goal, value
from benchmarks.harness.settings import rounds, scaled

WITHIN_SECONDS = 300.0
FLAT_MIB = 20.0
"""So much more memory than for a hundredth of the sidecars still counts as flat."""


def measure(folder: Path) -> Iterator[Figure]:
    """Rebuild a long and a short archive, and compare the memory."""
    many = scaled(1_000_000, least=1000)
    few = max(100, many // 100)
    for name, count in (("long", many), ("short", few)):
        history.begin(folder / name)
        disk = folder / name / "disk"
        history.multiply(folder / name, count, "--sidecars", str(disk), with_index=False)
    contenders = [
        _rebuild(folder / "long", f"{many:,} sidecars", many),
        _rebuild(folder / "short", f"{few:,} sidecars", few),
    ]
    measured = play(contenders, folder, rounds(1))
    peaks = [value(one, "MiB") for one in measured]
    per_million = value(measured[0], "s") / many * 1_000_000
    yield Figure(
        name="rebuild",
        part="",
        work="sidecars on the local disk",
        unit="rows/s",
        measured=measured,
        goals=[
            Goal(text="s a million", value=per_million, bound=WITHIN_SECONDS, is_floor=False),
            Goal(
                text="MiB more than for a hundredth",
                value=peaks[0] - peaks[1],
                bound=FLAT_MIB,
                is_floor=False,
            ),
        ],
    )


def _rebuild(home: Path, name: str, count: int) -> Contender:
    def prepare(_folder: Path) -> Commands:
        shutil.rmtree(home / "state", ignore_errors=True)
        return [household.archiver(home / "config.toml", "rebuild", "--from", "disk", "--json")]

    return Contender(name=name, amount=count, prepare=prepare)
