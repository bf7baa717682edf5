"""One image a test process, one world, and a box for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.container.engine import PROGRAMS, ROOT, Engine, can_run_containers
from tests.container.world import IMAGE, Box, World


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Build the image as the README says, on a base that can be had here."""
    if os.environ.get("ARCHIVER_TORTURE", "") != "all":
        pytest.skip("an image takes its time: only under ARCHIVER_TORTURE=all")
    require("podman", can_run_containers(), f"there is no root, or not all of {PROGRAMS}")
    engine = Engine(Path(tempfile.mkdtemp(prefix="archiver-image-")))  # short: it holds sockets
    try:
        engine.must(*engine.build_command.split(), "--tag", IMAGE, ROOT)
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Start the simulator in a network of its own; real media need PyAV."""
    try:
        import av  # noqa: F401  # the simulator makes real media with it
    except ImportError:
        require("media", None, "PyAV is not installed: pip install '.[demo]'")
    world = World()
    yield world
    world.close()


@pytest.fixture
def box(engine: Engine, world: World, tmp_path: Path) -> Iterator[Box]:
    """Make the folders of one archive; what was started for it is removed."""
    yield Box(engine, world, tmp_path)
    world.thaw()
    world.join()
    engine.must("podman", "rm", "--all", "--force", "--time", "0")
