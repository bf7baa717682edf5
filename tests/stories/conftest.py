"""The households that stories are told in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.simulator import Simulator
from tests.conftest import require
from tests.servers import SeaweedFS
from tests.stories.house import House, s3_options

ITEMS = 8


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Four providers with a small history each."""
    try:
        import av  # noqa: F401  # the simulator makes real media with it
    except ImportError:
        require("media", None, "PyAV is not installed: pip install '.[demo]'")
    with Simulator(seed=7) as simulator:
        simulator.world.populate_all(ITEMS)
        simulator.switches.neuralbox_schema = "new"
        yield simulator


@pytest.fixture
def house(tmp_path: Path, simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> House:
    """A user with one local destination."""
    return House(tmp_path, simulator, capsys)


@pytest.fixture
def house_with_bucket(house: House, seaweedfs: SeaweedFS) -> House:
    """A user with a local destination and a bucket of a real store."""
    client = seaweedfs.make_client()
    bucket = f"story-{house.simulator.base_url('media').rpartition(':')[2]}"
    client.create_bucket(Bucket=bucket)
    client.close()
    house.destinations["vault"] = s3_options(seaweedfs, bucket)
    return house
