"""`python -m benchmarks [FIGURE ...]`: measure, print the tables, and write the document.

Only a measurement at full scale is written to docs/performance.md; a quick look is printed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.figures import FIGURES
from benchmarks.harness import document, recorded
from benchmarks.harness.failure import Unmeasurable
from benchmarks.harness.settings import SCALE, put_away, work_folder


def main(names: Sequence[str]) -> int:
    """Measure and print; the exit code says whether all could be measured, nothing about speed."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise SystemExit(f"no figure {', '.join(unknown)}: there are {', '.join(FIGURES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers are ended on the way out
    all_went_well = True
    with work_folder() as work:
        for name in names or FIGURES:
            sys.stderr.write(f"{name}\n")
            parts, is_whole = _measure(name, work / name)
            all_went_well &= is_whole
            if parts:
                _tell(name, parts)
    return 0 if all_went_well else 1


def _measure(name: str, folder: Path) -> tuple[list[dict[str, Any]], bool]:
    """Measure one figure in a folder of its own; tells whether it came to its end.

    What was measured before something did not work is kept, and the other figures go on.
    """
    folder.mkdir()
    parts: list[dict[str, Any]] = []
    try:
        for figure in import_module(f"benchmarks.figures.{name}").measure(folder):
            parts.append(figure.as_json())  # noqa: PERF401 - a failure must not lose the first ones
    except (Unmeasurable, subprocess.SubprocessError) as failure:
        sys.stderr.write(f"{name} could not be measured to its end: {failure}\n")
        return parts, False
    finally:
        put_away(folder)
    return parts, True


def _tell(name: str, parts: list[dict[str, Any]]) -> None:
    """Print one figure, and write it down."""
    results = recorded.save(name, parts)
    sys.stdout.write(document.tables({name: parts}) + "\n\n")
    sys.stdout.flush()
    if SCALE == 1:
        document.write(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
