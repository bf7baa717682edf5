"""The tables: on the terminal, and between two markers in docs/performance.md."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import FIGURES
from benchmarks.harness.settings import ROOT

PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- measured: written by `make bench`, not by hand -->"
END = "<!-- end of what was measured -->"

_GOALS = "| figure | measured | goal | reached |\n|---|---|---|---|"
_ROWS = (
    "| figure | who | median | unit | CPU s | peak MiB | rounds |\n|---|---|---|---|---|---|---|"
)


def tables(figures: dict[str, Any]) -> str:
    """Lay out the goals, then every contender."""
    goals = [line for name in FIGURES for line in _goal_lines(name, figures)]
    rows = [line for name in FIGURES for line in _row_lines(name, figures.get(name, []))]
    return "\n".join([_GOALS, *goals, "", _ROWS, *rows])


def written(results: dict[str, Any]) -> str:
    """Return what stands between the markers."""
    facts = f"{results['machine']}. {results['versions']}."
    return f"{BEGIN}\n\n{facts}\n\n{tables(results['figures'])}\n\n{END}"


def write(results: dict[str, Any]) -> None:
    """Replace what stands between the markers."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + written(results) + after, encoding="utf-8")


def _title(name: str, part: dict[str, Any]) -> str:
    return f"`{name}`" + (f", {part['part']}" if part["part"] else "")


def _goal_lines(name: str, figures: dict[str, Any]) -> list[str]:
    if name not in figures:
        return []
    return [
        f"| {_title(name, part)} | {_number(goal['value'])} {goal['text']} | "
        f"at {'least' if goal['is_floor'] else 'most'} {_number(goal['bound'])} | "
        f"{'yes' if goal['is_reached'] else '**no**'} |"
        for part in figures[name]
        for goal in part["goals"]
    ]


def _row_lines(name: str, parts: list[dict[str, Any]]) -> list[str]:
    return [
        f"| {_title(name, part)}: {part['work']} (load {part['load']}) | {row['name']} | "
        f"{_number(row['value'])} | {part['unit']} | {row['cpu_seconds']:.2f} | "
        f"{row['peak_mib']:.0f} | {len(row['seconds'])} |"
        for part in parts
        for row in part["rows"]
    ]


def _number(value: float) -> str:
    """Write a number with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
