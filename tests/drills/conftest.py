"""What the drills share: a household on a world that stands still, and their figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archiver.simulator import Simulator
from archiver.simulator.item import Recipe
from tests.conftest import require
from tests.stories.house import House

ITEMS = 8
_PROPERTY = "figures"
Figures = Callable[[str, object], None]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Four providers whose items have all ended, so that two runs at any time are alike."""
    try:
        import av  # noqa: F401  # the simulator makes real media with it
    except ImportError:
        require("media", None, "PyAV is not installed: pip install '.[demo]'")
    with Simulator(seed=7) as simulator:
        simulator.world.populate_all(ITEMS, Recipe(in_progress=0))
        simulator.switches.neuralbox_schema = "new"
        yield simulator


@pytest.fixture
def house(tmp_path: Path, simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> House:
    """A user with one local destination."""
    return House(tmp_path, simulator, capsys)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Note one line of a drill's table: what was counted, and how many."""

    def note(what: str, count: object) -> None:
        record_property(_PROPERTY, (what, str(count)))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all drills, a table each."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            lines = [tuple(pair) for name, pair in report.user_properties if name == _PROPERTY]
            if lines and report.when == "call":
                terminalreporter.section(report.nodeid.rpartition("/")[2], sep="-")
                width = max(len(what) for what, _ in lines)
                for what, count in lines:
                    terminalreporter.write_line(f"{what:<{width}}  {count:>8}")
