"""Contenders for one piece of work, measured in turn: A B A B, as the machine drifts."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.processes import Commands, Cost, run
from benchmarks.harness.settings import ROUNDS, put_away


def _accept(_folder: Path) -> None:
    """Nothing is there to be checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One program at the work. `amount` is how much of it one round does, in the figure's unit.

    `prepare` makes an empty folder ready and returns what is measured; `check` ends the benchmark
    when the work was not done.
    """

    name: str
    amount: float
    prepare: Callable[[Path], Commands]
    check: Callable[[Path], None] = _accept
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the rounds of one contender cost."""

    name: str
    amount: float
    costs: tuple[Cost, ...]


def play(contenders: Sequence[Contender], parent: Path, rounds: int = ROUNDS) -> list[Measured]:
    """Measure all contenders in turn, after one round that is not counted where there are more."""
    costs: dict[str, list[Cost]] = {one.name: [] for one in contenders}
    warming = int(rounds > 1)
    for number in range(rounds + warming):
        for one in contenders:
            cost = _play_one(one, parent)
            sys.stderr.write(f"  {one.name}: {cost.seconds:.3f} s\n")
            if number >= warming:
                costs[one.name].append(cost)
    return [
        Measured(name=one.name, amount=one.amount, costs=tuple(costs[one.name]))
        for one in contenders
    ]


def _play_one(one: Contender, parent: Path) -> Cost:
    folder = Path(tempfile.mkdtemp(prefix="round-", dir=parent))
    try:
        commands = one.prepare(folder)
        os.sync()  # what earlier rounds left behind is not this one's to flush
        cost = run(commands, folder, one.environment)
        one.check(folder)
    finally:
        put_away(folder)
    return cost
