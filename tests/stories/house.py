"""A household for stories: a simulator, a config with two destinations, and the command line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from archiver.cli import run_command
from archiver.simulator import Simulator
from archiver.simulator.item import Item
from tests.servers import SeaweedFS

ACCOUNTS = {"studio": "geminigen", "farm": "oxen", "lips": "sync", "box": "neuralbox"}
PATIENCE_SECONDS = 30.0
KEPT_ROLES = ("output", "thumbnail", "last_frame", "segment", "speech")


@dataclass(frozen=True, slots=True)
class Result:
    """What a command line said."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON Lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(slots=True)
class House:
    """One user's set-up. `destinations` and `accounts` are TOML; changing them rewrites nothing."""

    folder: Path
    simulator: Simulator
    capsys: pytest.CaptureFixture[str]
    destinations: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    budgets: dict[str, int] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    has_xmp: bool = False
    extra: str = ""

    def __post_init__(self) -> None:
        self.destinations.setdefault("disk", 'type = "local"\npath = "disk"')

    @property
    def config_path(self) -> Path:
        """Where the config is."""
        return self.folder / "config.toml"

    @property
    def disk(self) -> Path:
        """The local destination."""
        return self.folder / "disk"

    def write_config(self) -> None:
        """Write the config as the fields say now."""
        required = f"require = {json.dumps(self.required)}\n" if self.required else ""
        xmp = "xmp = true\n" if self.has_xmp else ""
        parts = [
            '[archive]\nstate_dir = "state"\n' + required + xmp,
            "[transfer]\nallow_private_hosts = true\n",
            self.extra,
        ]
        for name, options in self.destinations.items():
            parts.append(f"[destinations.{name}]\n{options}\n")
        for name, provider in ACCOUNTS.items():
            own = {
                "geminigen": f'cdn_base_url = "{self.simulator.base_url("media")}/geminigen/"\n',
                "neuralbox": 'plan = "elite"\n',
            }
            base = self.bases.get(name, self.simulator.base_url(provider))
            key = self.keys.get(name, self.simulator.api_key(provider))
            parts.append(
                f'[accounts.{name}]\nprovider = "{provider}"\nbase_url = "{base}"\n'
                f'api_key = "{key}"\nrequests_per_minute = {self.budgets.get(name, 0)}\n'
                f"{own.get(provider, '')}"
            )
        self.config_path.write_text("\n".join(parts), encoding="utf-8")

    def archiver(self, *arguments: str | Path) -> Result:
        """Run a command line in this process, with the config of this house."""
        self.write_config()
        return self.bare("-c", self.config_path, *arguments)

    def bare(self, *arguments: str | Path) -> Result:
        """Run a command line in this process, without a config."""
        self.capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        said = self.capsys.readouterr()
        return Result(code, said.out, said.err)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command line as a process of its own."""
        self.write_config()
        return subprocess.Popen(
            [sys.executable, "-m", "archiver", "-q", "-c", str(self.config_path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str) -> Result:
        """Make one run that prints its summary as JSON."""
        return self.archiver("-q", "run", "--json", *arguments)


def until(is_so: Callable[[], object]) -> None:
    """Wait for something to be so."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not come to that"
        time.sleep(0.005)


def id_of(provider: str, item: Item) -> str:
    """An item's id as its provider's API tells it (NeuralBox: the newer schema)."""
    return str(item.number) if provider == "neuralbox" else item.id


def sha256_of(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(folder: Path) -> dict[str, str]:
    """The visible files below a folder with their SHA-256, by relative path."""
    return {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".archiver") for part in path.parts)
    }


def media_tree(folder: Path) -> dict[str, str]:
    """The same without sidecars."""
    return {name: digest for name, digest in tree(folder).items() if not name.endswith(".json")}


def sidecars(folder: Path) -> Iterator[Mapping[str, Any]]:
    """All sidecars of a local archive."""
    for path in sorted(folder.rglob("*.json")):
        if ".archiver" not in path.parts:
            yield json.loads(path.read_text(encoding="utf-8"))


def expected_hashes(
    simulator: Simulator,
    roles: tuple[str, ...] = KEPT_ROLES,
    providers: Iterable[str] = tuple(ACCOUNTS.values()),
) -> list[str]:
    """The SHA-256 of every file that finished items made, in the roles that are kept."""
    now = simulator.world.clock()
    return sorted(
        simulator.expected_file(file).sha256
        for provider in providers
        for item in simulator.world.items(provider)
        if item.state(now) == "completed"
        for file in item.files
        if file.role in roles
    )


def s3_options(store: SeaweedFS, bucket: str) -> str:
    """The TOML of a destination in a bucket of a real store."""
    return (
        f'type = "s3"\nbucket = "{bucket}"\nprefix = "generations"\n'
        f'endpoint_url = "{store.endpoint_url}"\nregion = "{store.region}"\n'
        f'access_key = "{store.access_key}"\nsecret_key = "{store.secret_key}"'
    )
