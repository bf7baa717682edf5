"""The facts of the machine and the versions that a figure depends on; no names, no paths."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
from importlib import metadata
from pathlib import Path

from benchmarks.harness.peers import find
from benchmarks.harness.settings import ROOT

_VERSION = re.compile(r"\d+(?:\.\d+)+")
_ASKED = {
    "nginx": ["-v"],
    "curl": ["--version"],
    "aria2c": ["--version"],
    "wget2": ["--version"],
    "rclone": ["version"],
    "weed": ["version"],
    "gallery-dl": ["--version"],
    "aws": ["--version"],
}


def load() -> float:
    """Return how busy the machine was in the last minute."""
    return os.getloadavg()[0]


def describe() -> str:
    """Describe the machine in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB of memory, "
        f"{_file_system()}, {platform.system()} {platform.release().partition('-')[0]}"
    )


def versions() -> str:
    """Name every program that took part, with its version; who is not there is named too."""
    ours = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    ours += [f"{name} {metadata.version(name)}" for name in ("pycurl", "boto3", "httpx")]
    return ", ".join([*ours, *(f"{name} {_version(name)}" for name in _ASKED)])


def _version(name: str) -> str:
    path = find(name)
    if path is None:
        return "(not there)"
    done = subprocess.run(
        [path, *_ASKED[name]], capture_output=True, text=True, check=False, timeout=30
    )
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else "(unknown)"


def _file_system() -> str:
    """Name the file system that holds the work folders."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, place, found = line.split()[:3]
        inside = f"{ROOT}/".startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, found
    return kind
