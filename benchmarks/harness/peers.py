"""Where the other programs are: on the path, beside this interpreter, or in a venv of their own.

`gallery-dl` and `awscli` are never among the requirements: `make bench` puts them into
`.venv/peers`, and `BENCH_VENV` names another place. Who is not there is left out, and the
document says so.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from benchmarks.harness.failure import Unmeasurable
from benchmarks.harness.settings import ROOT


def find(name: str) -> str | None:
    """Find a program; None leaves it out of the figures."""
    own = Path(os.environ.get("BENCH_VENV", ROOT / ".venv" / "peers"))
    for place in (own / "bin", Path(sys.executable).parent):
        if (place / name).exists():
            return str(place / name)
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def need(name: str) -> str:
    """Find a program without which a figure cannot be measured."""
    found = find(name)
    if found is None:
        raise Unmeasurable(f"{name} is not installed: this figure needs it")
    return found
