"""Capture of many small files: whole `archiver run` processes against curl, which does less.

The peer is handed its links, and keeps no index, no sidecars and no promise for single files:
it downloads 16 at a time, hashes what came, and flushes the file system once.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SIZE_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Host:
    """Where the simulated provider is, and its key."""

    base_url: str
    api_key: str


def measure(
    files: int, rounds: int, parent: Path, curl: str | None
) -> tuple[list[float], list[float]]:
    """Return the seconds of archiver and of the peer, in turn, after one round not counted."""
    ours: list[float] = []
    peer: list[float] = []
    with _simulator(files) as host:
        for _ in range(rounds + 1):
            seconds, archived = _round(parent, files, host, None)
            ours.append(seconds)
            if curl is None:
                continue
            seconds, fetched = _round(parent, files, host, curl)
            peer.append(seconds)
            if archived != fetched:
                raise SystemExit("the two did not fetch the same files: nothing to compare")
    return ours[1:], peer[1:]


@contextmanager
def _simulator(files: int) -> Iterator[Host]:
    """Serve the provider from a process of its own."""
    command = [sys.executable, "-m", "archiver.simulator", "--json", "--format", "png"]
    command += ["--count", str(files), "--size-bytes", str(SIZE_BYTES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            yield Host(**json.loads(process.stdout.readline())["providers"]["oxen"])
        finally:
            process.terminate()


def _round(parent: Path, files: int, host: Host, curl: str | None) -> tuple[float, list[str]]:
    """Time the peer, or archiver without one; also return the hashes of what is there then."""
    with tempfile.TemporaryDirectory(prefix="archiver-bench-", dir=parent) as name:
        folder = Path(name)
        commands = _archiver(folder, host) if curl is None else _peer(folder, host, curl)
        os.sync()  # what earlier rounds left behind is not this one's to flush
        start = time.perf_counter()
        with (folder / "output").open("wb") as output:
            for command in commands:
                subprocess.run(command, cwd=folder, check=True, stdout=output)
        seconds = time.perf_counter() - start
        paths = [path for path in (folder / "disk").rglob("*.png") if path.is_file()]
        if len(paths) != files:
            raise SystemExit(f"{len(paths)} of {files} files arrived: see {commands[0][0]}")
        return seconds, sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)


def _archiver(folder: Path, host: Host) -> list[list[str]]:
    """Write a config, and return the command line of one run."""
    config = folder / "config.toml"
    config.write_text(
        '[archive]\nstate_dir = "state"\n'
        "[transfer]\nallow_private_hosts = true\n"
        '[destinations.disk]\ntype = "local"\npath = "disk"\n'
        f'[accounts.farm]\nprovider = "oxen"\nbase_url = "{host.base_url}"\n'
        f'api_key = "{host.api_key}"\nrequests_per_minute = 0\n',
        encoding="utf-8",
    )
    run = [sys.executable, "-m", "archiver", "-q", "-c", str(config), "run", "--account", "farm"]
    return [run]


def _peer(folder: Path, host: Host, curl: str) -> list[list[str]]:
    """Write curl's own config with fresh links, and return the command lines of the peer."""
    (folder / "disk").mkdir()
    blocks, names = [], []
    for number, link in enumerate(_links(host)):
        names.append(f"disk/{number:06}.png")
        block = f'url = "{link}"\noutput = "{names[-1]}"\nlocation\nfail\nshow-error\n'
        if link.startswith(f"{host.base_url}/"):  # the key is for the API's own host
            block += f'header = "Authorization: Bearer {host.api_key}"\n'
        blocks.append(block)
    (folder / "curl.conf").write_text("next\n".join(blocks), encoding="utf-8")
    download = [curl, "--no-progress-meter", "--parallel", "--parallel-max", "16"]
    download += ["--config", "curl.conf"]
    return [download, ["sha256sum", *names], ["sync", "-f", "disk"]]


def _links(host: Host) -> Iterator[str]:
    """Read the media links from the listing."""
    page = pages = 1
    while page <= pages:
        request = urllib.request.Request(  # noqa: S310 - the simulator's own address
            f"{host.base_url}/api/ai/generations?page={page}&page_size=1000",
            headers={"Authorization": f"Bearer {host.api_key}"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            document = json.load(answer)
        pages, page = document["total_pages"], page + 1
        yield from (row["result_url"] for row in document["generations"])
