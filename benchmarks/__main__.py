"""`python -m benchmarks`: measure, and print a table with the facts of the machine."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.capture_small import SIZE_BYTES, measure


def main() -> int:
    """Measure and print; the exit code says nothing about speed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--files", type=int, default=500, help="generations, one PNG each")
    parser.add_argument("--rounds", type=int, default=5, help="times that each is measured")
    options = parser.parse_args()
    curl = shutil.which("curl")
    ours, peer = measure(options.files, options.rounds, _disk_of_the_tree(), curl)
    sys.stdout.write("\n".join(_table(options.files, ours, peer, curl)) + "\n")
    return 0


def _disk_of_the_tree() -> Path:
    """Return a folder outside this tree on its disk: the temporary one may be in memory."""
    tree, temporary = Path(__file__).resolve().parents[1], Path(tempfile.gettempdir())
    return temporary if temporary.stat().st_dev == tree.stat().st_dev else tree.parent


def _table(files: int, ours: list[float], peer: list[float], curl: str | None) -> list[str]:
    """Lay out what was measured."""
    lines = [
        f"capture of {files} generations, one PNG of {SIZE_BYTES} bytes each, to a local directory",
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {_curl_version(curl)}",
        f"load {os.getloadavg()[0]:.1f} after the rounds; the simulator shares the cores",
        "rounds in turn, after one of each that is not counted; seconds of wall time",
        "",
        f"{'':<32}{'median':>8}{'files/s':>9}   rounds",
        _row("archiver run", files, ours),
    ]
    if not peer:
        return [*lines, "curl is not installed: archiver was measured alone"]
    ratio = median(ours) / median(peer)
    return [
        *lines,
        _row("curl + sha256sum + sync -f", files, peer),
        f"{'ratio of medians':<32}{ratio:>8.2f}",
    ]


def _row(name: str, files: int, seconds: list[float]) -> str:
    """Lay out one side."""
    middle = median(seconds)
    each = " ".join(f"{value:.2f}" for value in seconds)
    return f"{name:<32}{middle:>8.2f}{files / middle:>9.0f}   {each}"


def _curl_version(curl: str | None) -> str:
    """Return the name and version that curl tells."""
    if curl is None:
        return "no curl"
    said = subprocess.run([curl, "--version"], check=True, capture_output=True, text=True).stdout
    return " ".join(said.split()[:2])


if __name__ == "__main__":
    sys.exit(main())
