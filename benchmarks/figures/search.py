"""The first page of a search among a million prompts: in the index, and as a whole process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import history, household
from benchmarks.harness.contest import Contender, Measured, play
from benchmarks.harness.processes import Cost
from benchmarks.harness.report import Figure, Goal, value
from benchmarks.harness.settings import ROOT, ROUNDS, scaled

PAGE_ROWS = 50
FIRST_PAGE_MS = 50.0
TEXTS = {
    "in a tenth": "basalt",
    "in a few": "quokka",
    "in none": "zyzzyva",
    "two letters": "qu",
    "two letters, in none": "ju",
    "one letter": "e",
}


def measure(folder: Path) -> Iterator[Figure]:
    """Search for what stands in many prompts, in few, and in none."""
    count = scaled(1_000_000, least=1000)
    home = history.long_home(folder, count)
    measured = [_inside(home, name, text) for name, text in TEXTS.items()]
    yield Figure(
        name="search",
        part="in the index",
        work=f"first {PAGE_ROWS} of {count:,} prompts",
        unit="ms",
        measured=measured,
        goals=[
            Goal(
                text=f"ms, {one.name}", value=value(one, "ms"), bound=FIRST_PAGE_MS, is_floor=False
            )
            for one in measured
        ],
    )
    words = ("--limit", str(PAGE_ROWS))
    config = home / "config.toml"
    yield Figure(
        name="search",
        part="whole process",
        work=f"first {PAGE_ROWS} of {count:,} prompts",
        unit="ms",
        measured=play(
            [
                _process(name, household.archiver(config, "search", text, *words))
                for name, text in TEXTS.items()
            ],
            folder,
        ),
        goals=[],
    )


def _process(name: str, command: list[str]) -> Contender:
    return Contender(name=name, amount=1, prepare=lambda _: [command])


def _inside(home: Path, name: str, text: str) -> Measured:
    """Take the first search of a fresh process each time: what follows finds its pages warm."""
    words = ["benchmarks.harness.query", str(home / "config.toml"), text, str(PAGE_ROWS)]
    costs = []
    for _ in range(ROUNDS + 1):
        before = os.times().children_user
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=ROOT, check=True, capture_output=True, text=True
        )
        spent = os.times().children_user - before
        costs.append(Cost(json.loads(done.stdout)["seconds"][0], spent, 0.0))
    return Measured(name=name, amount=1, costs=tuple(costs[1:]))
