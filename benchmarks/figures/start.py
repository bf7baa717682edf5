"""How long a person waits for the shortest answers, and how long Python takes to do nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import history, household
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.report import Figure, Goal, value
from benchmarks.harness.settings import scaled

HELP_MS, STATUS_MS = 150.0, 300.0


def measure(folder: Path) -> Iterator[Figure]:
    """Measure `--help`, and `status` over a short and a long history."""
    history.begin(folder / "short")
    count = scaled(1_000_000, least=1000)
    measured = play(
        [
            _one("archiver --help", household.archiver(None, "--help")),
            _one("archiver status, 1", _status(folder / "short")),
            _one(f"archiver status, {count:,}", _status(history.long_home(folder, count))),
            _one("python -c pass", [sys.executable, "-c", "pass"]),
        ],
        folder,
    )
    told, brief, whole = (value(one, "ms") for one in measured[:3])
    yield Figure(
        name="start",
        part="",
        work="one whole process",
        unit="ms",
        measured=measured,
        goals=[
            Goal(text="ms for --help", value=told, bound=HELP_MS, is_floor=False),
            Goal(text="ms for status of one", value=brief, bound=STATUS_MS, is_floor=False),
            Goal(text=f"ms for status of {count:,}", value=whole, bound=STATUS_MS, is_floor=False),
        ],
    )


def _status(home: Path) -> list[str]:
    return household.archiver(home / "config.toml", "status")


def _one(name: str, command: list[str]) -> Contender:
    return Contender(name=name, amount=1, prepare=lambda _: [command])
