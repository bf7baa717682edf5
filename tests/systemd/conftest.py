"""A machine on which the README was followed, and a provider whose history it archives."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from archiver.simulator import Simulator
from tests.conftest import require
from tests.servers import find_free_port
from tests.stories.conftest import simulator  # noqa: F401
from tests.systemd.machine import Machine, can_boot, do, layer_over, make_root, switched_on

CHECKOUT = Path(__file__).parents[2]
OFFLINE = "export PIP_NO_INDEX=1 PIP_FIND_LINKS=/var/cache/wheels PIP_ROOT_USER_ACTION=ignore"
"""There is no network in the machine: pip finds the wheels in a folder."""
KEPT_IN = "ARCHIVER_TEST_MACHINES"
"""Names a folder in which the Debian and the wheels are kept from one session to the next."""


class Lines:
    """The lines of the documents, to be typed as they stand there."""

    def __init__(self) -> None:
        readme = _blocks(CHECKOUT / "README.md", "As a systemd service")
        self.install, self.config, self.by_hand, self.daemon, self.timers = readme
        deploy = _blocks(CHECKOUT / "docs" / "deploy.md", "systemd")
        self.nas, self.encrypted, self.upgrade = deploy


def _blocks(document: Path, title: str) -> list[str]:
    section = document.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```(?:ba)?sh\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="session")
def lines() -> Lines:
    """Read the documents."""
    return Lines()


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Debian and the wheels are; skips where no machine can be had, or is wanted."""
    if os.environ.get("ARCHIVER_TORTURE", "") != "all":
        pytest.skip("machines take their time: only under ARCHIVER_TORTURE=all")
    require("nspawn", can_boot(), "there is no root, or no systemd-nspawn and mmdebstrap")
    folder = Path(os.environ.get(KEPT_IN) or tmp_path_factory.mktemp("machines"))
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # each worker of xdist comes here
        make_root(folder)
        _make_wheels(folder)
    return folder


@pytest.fixture(scope="session")
def binds(kept: Path) -> dict[Path, str]:
    """What a machine sees of this one: the checkout in place of a clone, and wheels."""
    return {CHECKOUT: "/usr/local/src/archiver", _make_wheels(kept): "/var/cache/wheels"}


@pytest.fixture(scope="session")
def installed(
    kept: Path, binds: dict[Path, str], lines: Lines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The file system of a Debian in which archiver was installed as the README says."""
    with layer_over(make_root(kept), tmp_path_factory.mktemp("installed") / "layer") as root:
        with switched_on(root, binds) as machine:
            machine.sh(f"{OFFLINE}\ncd /usr/local/src/archiver\n{lines.install}")
        yield root


@pytest.fixture
def root(installed: Path, tmp_path: Path) -> Iterator[Path]:
    """The file system of one test's machine."""
    with layer_over(installed, tmp_path / "layer") as merged:
        yield merged


@pytest.fixture
def machine(
    root: Path,
    binds: dict[Path, str],
    lines: Lines,
    simulator: Simulator,  # noqa: F811
) -> Iterator[Machine]:
    """A machine that is on, with the README's config; nothing is started yet.

    The environment has the units ask the simulator where they would ask the provider, and listen
    at a port of their own: the machines share the loopback of this one.
    """
    with switched_on(root, binds) as machine:
        for folder in ("archiver.service.d", "archiver-.service.d"):
            machine.write(f"/etc/systemd/system/{folder}/simulator.conf", _pointed_to(simulator))
        machine.sh(lines.config, simulator.api_key("geminigen") + "\n")
        yield machine


def _pointed_to(simulator: Simulator) -> str:  # noqa: F811
    account = {
        "BASE_URL": simulator.base_url("geminigen"),
        "CDN_BASE_URL": f"{simulator.base_url('media')}/geminigen/",
        "REQUESTS_PER_MINUTE": "0",
    }
    others = {
        "TRANSFER__ALLOW_PRIVATE_HOSTS": "true",
        "DAEMON__LISTEN": f"127.0.0.1:{find_free_port()}",
    }
    named = {f"ACCOUNTS__STUDIO__{name}": value for name, value in account.items()} | others
    lines = [f"Environment=ARCHIVER__{name}={value}\n" for name, value in named.items()]
    return "".join(("[Service]\n", *lines))


def _make_wheels(folder: Path) -> Path:
    """Fetch the locked requirements as wheels for the machine's Python, once for each lock."""
    lock = CHECKOUT / "requirements" / "run.txt"
    wheels = folder / f"wheels-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not wheels.is_dir():
        made = folder / f"{wheels.name}.{os.getpid()}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        only = ["--only-binary=:all:", "--python-version=3.11", f"--dest={made}"]
        do(*pip, *only, f"--requirement={lock}")
        made.rename(wheels)
    return wheels
