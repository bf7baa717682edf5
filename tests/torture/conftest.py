"""What torture tests share: a simulator on a fake clock, and a place to print figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.simulator import Simulator
from tests.conftest import require
from tests.torture.ground import Clock, Ground


@pytest.fixture(scope="session")
def media_maker() -> None:
    """Make sure that the simulator can make real media."""
    try:
        import av  # noqa: F401  # the simulator makes real media with it
    except ImportError:
        require("media", None, "PyAV is not installed: pip install '.[demo]'")


@pytest.fixture
def ground(tmp_path: Path, media_maker: None) -> Iterator[Ground]:
    """One user with one local destination, and empty histories."""
    clock = Clock()
    with Simulator(seed=11, clock=clock) as simulator:
        yield Ground(tmp_path, simulator, clock)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the tests recorded as their figures."""
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
    ]
    for report in reports:
        for name, figures in report.user_properties:
            terminalreporter.write_line(f"{name}: {figures}")
