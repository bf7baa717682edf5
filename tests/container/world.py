"""A network with nothing in it but the simulator of the providers, and a box for one archive."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.container.engine import Engine

IMAGE = "archiver"
UID = 10001
HARDENED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--memory=128m",
    "--pids-limit=50",
)
ITEMS = 6
_IP = shutil.which("ip") or "ip"


class World:
    """A network namespace with loopback only, in which the simulator runs."""

    def __init__(self) -> None:
        self.name = f"archiver-test-{os.getpid()}"
        self.namespace = f"ns:/run/netns/{self.name}"
        self._ip("netns", "add", self.name)
        self.join()
        simulator = [sys.executable, "-m", "archiver.simulator", "--count", str(ITEMS), "--json"]
        self._process = subprocess.Popen(
            [_IP, "netns", "exec", self.name, *simulator], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._told: dict[str, Any] = json.loads(self._process.stdout.readline())

    @property
    def api_key(self) -> str:
        """The key of the one account."""
        return str(self._told["providers"]["geminigen"]["api_key"])

    @property
    def environment(self) -> dict[str, str]:
        """What turns a config for the real provider into one for the simulator."""
        return {
            "ARCHIVER__TRANSFER__ALLOW_PRIVATE_HOSTS": "true",
            "ARCHIVER__ACCOUNTS__STUDIO__BASE_URL": self._told["providers"]["geminigen"][
                "base_url"
            ],
            "ARCHIVER__ACCOUNTS__STUDIO__CDN_BASE_URL": (
                f"{self._told['media']['base_url']}/geminigen/"
            ),
        }

    def freeze(self) -> None:
        """Let the providers take connections and never answer."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them answer again."""
        self._process.send_signal(signal.SIGCONT)

    def part(self) -> None:
        """Cut every connection, so that all of them fail at once."""
        self._ip("-n", self.name, "link", "set", "lo", "down")

    def join(self) -> None:
        """Let connections be made again."""
        self._ip("-n", self.name, "link", "set", "lo", "up")

    def close(self) -> None:
        """End the simulator and take the network away."""
        self.thaw()
        self._process.terminate()
        self._process.communicate(timeout=30)
        self._ip("netns", "del", self.name)

    def _ip(self, *words: str) -> None:
        subprocess.run([_IP, *words], check=True)


@dataclass(slots=True)
class Box:
    """The folders of one archive, and the words of `podman run` for it."""

    engine: Engine
    world: World
    folder: Path

    def __post_init__(self) -> None:
        for name in ("config", "secrets", "state", "archive"):
            (self.folder / name).mkdir()
        self.write_key(self.world.api_key)
        self.write_config()
        self.give_to(UID, 0)

    def write_key(self, key: str) -> None:
        """Write the file that holds the account's key."""
        (self.folder / "secrets" / "geminigen").write_text(key + "\n", encoding="utf-8")

    def write_config(self, more: str = "") -> None:
        """Write the config of docs/deploy, and something more."""
        shipped = Path(__file__).parent.parent.parent / "docs/deploy/compose/config/config.toml"
        text = shipped.read_text(encoding="utf-8")
        (self.folder / "config" / "config.toml").write_text(text + more, encoding="utf-8")

    def give_to(self, user: int, group: int) -> None:
        """Let a user write where the container has to."""
        for name in ("state", "archive"):
            os.chown(self.folder / name, user, group)

    @property
    def options(self) -> list[str]:
        """The options of `podman run` that make it hardened, and place it in the world."""
        mounts = {"config": "/config:ro", "secrets": "/run/secrets:ro"}
        mounts |= {"state": "/state", "archive": "/archive"}
        volumes = [f"--volume={self.folder / name}:{place}" for name, place in mounts.items()]
        return [*HARDENED, *volumes, *self.world_options]

    @property
    def world_options(self) -> list[str]:
        """The network, and the addresses in it."""
        variables = [f"--env={name}={value}" for name, value in self.world.environment.items()]
        return ["--network", self.world.namespace, *variables]

    def run(self, *arguments: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run one command line in a container that is gone afterwards: exit code and words."""
        words = ["--rm", "--no-healthcheck", *self.options, *options]
        done = self.engine.call("podman", "run", *words, IMAGE, *arguments)
        return done.returncode, done.stdout + done.stderr

    def start(self, *arguments: str) -> str:
        """Start a container that stays; returns its id."""
        words = ["--detach", "--health-interval=disable", *self.options]
        return self.engine.must("podman", "run", *words, IMAGE, *arguments).splitlines()[-1]

    def is_well(self, container: str) -> bool:
        """Let the engine make its health check once."""
        return 0 == self.engine.call("podman", "healthcheck", "run", container).returncode

    def log(self, container: str) -> str:
        """What a container has said so far."""
        done = self.engine.call("podman", "logs", container)
        return done.stdout + done.stderr

    def stop(self, container: str) -> int:
        """Stop it by SIGTERM, and return its exit code; 137 if it had to be killed."""
        self.engine.must("podman", "stop", "--time", "90", container)
        return int(self.engine.must("podman", "inspect", "--format={{.State.ExitCode}}", container))

    def files(self) -> list[Path]:
        """What the archive holds: media and sidecars."""
        archive = self.folder / "archive" / "geminigen"
        return [path for path in archive.rglob("*") if path.is_file()]
