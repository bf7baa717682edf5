"""podman and buildah with a store of their own: what they build and run is gone with it.

Debian: apt-get install --no-install-recommends podman buildah runc netavark mmdebstrap.
The base image is made from Debian packages and stands in for the official one, which is in a
registry; $ARCHIVER_TEST_BASE names another one (such as python:3.13-slim, where one can pull).
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = ("podman", "buildah", "runc", "mmdebstrap", "ip", "nsenter")
BASE_VARIABLE = "ARCHIVER_TEST_BASE"
STAND_IN = "localhost/debian-python"
PATIENCE_SECONDS = 600
_PACKAGES = "ca-certificates,python3,python3-venv,tzdata"
_AS_OFFICIAL = 'find "$1/usr/lib" -name "*.pyc" -delete'  # the official image has none either
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
"""
_STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


def can_run_containers() -> bool:
    """Tell whether all programs are there, and the right to run them."""
    return os.geteuid() == 0 and all(shutil.which(program) for program in PROGRAMS)


def find_podman_compose() -> str | None:
    """Find what reads compose files for podman: beside this interpreter, or on the path."""
    beside = Path(sys.executable).with_name("podman-compose")
    return str(beside) if beside.exists() else shutil.which("podman-compose")


class Engine:
    """Builds images and runs containers; `close` removes all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "containers.conf").write_text(_CONTAINERS_CONF, encoding="utf-8")
        storage = _STORAGE_CONF.format(folder=folder)
        (folder / "storage.conf").write_text(storage, encoding="utf-8")
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def call(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program with this store; whatever its exit code is."""
        return subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def must(self, *command: str | Path) -> str:
        """Run a program that has to succeed; returns what it printed."""
        done = self.call(*command)
        words = " ".join(map(str, command))
        assert 0 == done.returncode, f"{done.returncode}: {words}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def _base(self) -> str:
        """Name the base image; makes the stand-in if no other one was named."""
        named = os.environ.get(BASE_VARIABLE)
        if named:
            return named
        tar = self.folder / "base.tar"
        options = (
            "--variant=minbase",
            f"--include={_PACKAGES}",
            f"--customize-hook={_AS_OFFICIAL}",
        )
        self.must("mmdebstrap", *options, "bookworm", tar)
        container = self.must("buildah", "from", "scratch")
        self.must("buildah", "add", "--quiet", container, tar)
        self.must("buildah", "config", "--env", f"PATH={_PATH}", container)
        self.must("buildah", "commit", "--quiet", "--rm", container, STAND_IN)
        tar.unlink()
        return STAND_IN

    @cached_property
    def build_command(self) -> str:
        """Say what stands for `docker build`: with this machine's way to packages mounted."""
        pip = self.folder / "pip.conf"
        pip.write_text(_pip_config(), encoding="utf-8")
        volumes = [f"{pip}:/etc/pip.conf:ro", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"]
        volumes += [f"{path}:{path}:ro" for path in _local_packages(_pip_config())]
        mounted = " ".join(f"--volume {volume}" for volume in volumes)
        return (
            "buildah bud --format docker --isolation chroot --network host --layers "
            f"{mounted} --build-arg BASE={self._base()}"
        )

    def close(self) -> None:
        """Remove every container, image and mount of this store, and the store."""
        self.call("podman", "rm", "--all", "--force", "--time", "0")
        self.call("podman", "rmi", "--all", "--force")
        for mount in reversed(list(self._mounts())):
            self.call("umount", "--lazy", mount)
        shutil.rmtree(self.folder)

    def _mounts(self) -> Iterator[str]:
        for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
            if line.split()[1].startswith(f"{self.folder}/"):
                yield line.split()[1]


def _pip_config() -> str:
    """Put what pip is told on this machine, by files and variables, into one file."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    told = dict(line.split("=", 1) for line in listed.stdout.splitlines() if "=" in line)
    options = {
        name.rpartition(".")[2]: value.strip("'\"").replace("\\n", " ")
        for name, value in told.items()
    }
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items())


def _local_packages(pip_config: str) -> list[Path]:
    """Find the folders of packages that pip is told of."""
    parser = configparser.RawConfigParser()
    parser.read_string(pip_config)
    words = [
        word.removeprefix("file://")
        for name in ("find-links", "extra-index-url", "index-url")
        for word in parser.get("global", name, fallback="").split()
    ]
    folders = [Path(word) for word in words if word.startswith("/")]
    return [path.parent if path.name == "simple" else path for path in folders if path.exists()]
