"""Configs for the project's own command line, and what an archive holds afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness.failure import Unmeasurable
from benchmarks.harness.settings import CONCURRENCY
from tests.servers import SeaweedFS

LOCAL = 'type = "local"\npath = "disk"'
SIDECAR = "*.json"


def s3(store: SeaweedFS, bucket: str, prefix: str) -> str:
    """Return the options of a destination in a bucket."""
    return (
        f'type = "s3"\nbucket = "{bucket}"\nprefix = "{prefix}"\n'
        f'endpoint_url = "{store.endpoint_url}"\nregion = "{store.region}"\n'
        f'access_key = "{store.access_key}"\nsecret_key = "{store.secret_key}"'
    )


def write_config(
    folder: Path,
    base_url: str,
    api_key: str,
    *,
    provider: str = "oxen",
    destinations: Mapping[str, str] | None = None,
) -> Path:
    """Write a config with one account, and with as many downloads at a time as the peers have."""
    parts = [
        '[archive]\nstate_dir = "state"\n',
        f"[transfer]\nallow_private_hosts = true\nconcurrency = {CONCURRENCY}\n"
        f"per_host = {CONCURRENCY}\n",
    ]
    for name, options in (destinations or {"disk": LOCAL}).items():
        parts.append(f"[destinations.{name}]\n{options}\n")
    plan = 'plan = "elite"\n' if provider == "neuralbox" else ""
    parts.append(
        f'[accounts.farm]\nprovider = "{provider}"\nbase_url = "{base_url}"\n'
        f'api_key = "{api_key}"\nrequests_per_minute = 0\nrequests_per_hour = 0\n{plan}'
    )
    config = folder / "config.toml"
    config.write_text("\n".join(parts), encoding="utf-8")
    return config


def archiver(config: Path | None, *words: str) -> list[str]:
    """Return a command line of the project."""
    place = ["-c", str(config)] if config else []
    return [sys.executable, "-m", "archiver", "-q", *place, *words]


def must_hold(folder: Path, files: int, pattern: str) -> None:
    """End the benchmark unless so many files lie below a folder."""
    found = sum(path.is_file() and ".archiver" not in path.parts for path in folder.rglob(pattern))
    if found != files:
        raise Unmeasurable(f"{found} of {files} files {pattern} arrived")


def must_have_ended(folder: Path, **wanted: int) -> None:
    """End the benchmark unless the summary of `run --json` says so."""
    document = json.loads((folder / "output").read_text(encoding="utf-8"))
    [account] = document["accounts"].values()
    for name, many in wanted.items():
        if account[name] != many:
            raise Unmeasurable(f"{name} is {account[name]}, not {many}")
