"""A simulator with a clock that stands, and someone to visit it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archiver.simulator import Simulator
from tests.simulator.visitor import MovingClock, Visitor


@pytest.fixture
def clock() -> MovingClock:
    """Return a clock for the test to move."""
    return MovingClock()


@pytest.fixture
def simulator(clock: MovingClock) -> Iterator[Simulator]:
    """Start a simulator with an empty world."""
    with Simulator(seed=7, clock=clock) as running:
        yield running


@pytest.fixture
def visitor(simulator: Simulator) -> Iterator[Visitor]:
    """Return a client of the simulator."""
    guest = Visitor(simulator)
    yield guest
    guest.close()
