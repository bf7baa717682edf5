"""What a figure found: contenders, goals, and their JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from benchmarks.harness.contest import Measured
from benchmarks.harness.machine import load

Unit = Literal["files/s", "MB/s", "ms", "s", "MiB", "rows/s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One thing to reach: a measured value, and the bound it must not fall below, or exceed."""

    text: str
    value: float
    bound: float
    is_floor: bool = True

    @property
    def is_reached(self) -> bool:
        """Whether the value is on the right side of its bound."""
        return self.value >= self.bound if self.is_floor else self.value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of the suite as it was measured. `part` tells variants of one work apart."""

    name: str
    part: str
    work: str
    unit: Unit
    measured: Sequence[Measured]
    goals: Sequence[Goal]

    def as_json(self) -> dict[str, Any]:
        """Write everything down, with the rounds, for comparison over time."""
        rows = [
            {
                "name": one.name,
                "value": value(one, self.unit),
                "seconds": [round(cost.seconds, 4) for cost in one.costs],
                "cpu_seconds": round(median(cost.cpu_seconds for cost in one.costs), 3),
                "peak_mib": round(median(cost.peak_mib for cost in one.costs), 1),
            }
            for one in self.measured
        ]
        goals = [{**asdict(goal), "is_reached": goal.is_reached} for goal in self.goals]
        return {
            "part": self.part,
            "work": self.work,
            "unit": self.unit,
            "load": round(load(), 1),
            "rows": rows,
            "goals": goals,
        }


def value(one: Measured, unit: Unit) -> float:
    """Return the median in a unit: a rate, a time, or the most memory of any round."""
    seconds = median(cost.seconds for cost in one.costs)
    if unit == "MiB":
        return max(cost.peak_mib for cost in one.costs)
    if unit == "ms":
        return seconds * 1000
    return seconds if unit == "s" else one.amount / seconds


def ratio_goals(
    measured: Sequence[Measured], unit: Unit, wanted: dict[str, tuple[str, float]]
) -> list[Goal]:
    """Compare the first with peers: `wanted` maps a peer to what it is called, and the bound."""
    by_name = {one.name: value(one, unit) for one in measured}
    ours = value(measured[0], unit)
    return [
        Goal(text=text, value=ours / by_name[name], bound=bound)
        for name, (text, bound) in wanted.items()
        if name in by_name
    ]
