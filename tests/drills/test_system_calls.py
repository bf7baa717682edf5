"""Fails system calls of the real program, one after the other, from outside (promise 2).

strace lets the Nth call of a thread fail, or ends the program there. Nothing wrong may be
visible afterwards, and one plain run ends where an uninterrupted one does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import require
from tests.drills.conftest import Figures
from tests.drills.switch import WHOLE_TIMEOUT_SECONDS, is_whole
from tests.drills.truth import (
    Ended,
    Truth,
    check_anything_visible,
    check_ends_alike,
    crash_in,
    learn,
    run_to_end,
)
from tests.stories.house import House

KILLED = (-9, 137)
QUICK_POINTS = 1
EXPECTED_EXIT_CODES = {0, 1, 3, 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What happens to which calls. Each point is strace's `when`: the Nth call of a thread.

    `N+` means from the Nth on, `N+M` every Mth from the Nth on.
    """

    name: str
    calls: str
    action: str
    points: tuple[str, ...]
    one_worker: bool = True


_KILL = "signal=SIGKILL"


def _each(*numbers: int) -> tuple[str, ...]:
    return tuple(str(number) for number in numbers)


SWEEPS = (
    Sweep(
        name="eio-from-fsync",
        calls="fsync,fdatasync",
        action="error=EIO",
        points=("20+5", *_each(1, 2, 3, 4, 5, 6, 8, 11, 15, 21, 30, 42, 60, 85, 120), "1+", "40+"),
    ),
    Sweep(
        name="no-space-for-files",
        calls="write",
        action="error=ENOSPC",
        points=("30+", *_each(1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610), "1+", "9+7"),
    ),
    Sweep(
        name="quota-used-up",
        calls="write",
        action="error=EDQUOT",
        points=("30+", *_each(2, 8, 34, 144, 610), "1+", "9+7"),
    ),
    Sweep(
        name="no-space-for-the-index",
        calls="pwrite64",
        action="error=ENOSPC",
        points=("40+", *_each(1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610), "1+", "99+"),
    ),
    Sweep(
        name="rename-forbidden",
        calls="rename,renameat,renameat2",
        action="error=EACCES",
        points=("2+3", *_each(1, 2, 3, 5, 8, 13, 21, 34, 55, 70), "1+"),
    ),
    Sweep(
        name="killed-at-a-call-of-the-worker",
        calls="fsync,fdatasync,rename,write,pwrite64,unlink,mkdir",
        action=_KILL,
        points=_each(400, 1, 2, 3, 5, 9, 15, 25, 40, 65, 90, 130, 180, 250, 350, 500, 700, 1000),
    ),
    Sweep(
        name="killed-at-a-call-of-many-workers",
        calls="fsync,fdatasync,rename,pwrite64,unlink,mkdir",
        action=_KILL,
        points=_each(20, 1, 4, 7, 10, 13, 16, 25, 30, 40, 50, 60, 80, 100, 150, 200),
        one_worker=False,
    ),
)


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_system_call_that_fails_leaves_nothing_wrong(
    house: House, figures: Figures, sweep: Sweep
) -> None:
    """At each point: nothing wrong is visible, words and no traceback, the next run completes."""
    require("strace", _can_inject(house.folder), "strace cannot inject faults here")
    truth = learn(_room_for(house, "truth"))
    points = sweep.points if is_whole() else sweep.points[:QUICK_POINTS]
    exits: Counter[int] = Counter()
    injected = 0
    for number, point in enumerate(points):
        there = _room_for(house, f"point-{number}")
        ended, hits = _run_with(there, sweep, point)
        injected += hits
        exits[ended.exit_code] += 1
        _judge(there, truth, sweep, point, ended)
        check_ends_alike(there, truth, "--retry-now")
        shutil.rmtree(there.folder)
    assert injected, "no call was hit"
    figures("points swept", len(points))
    figures("calls that failed or killed", injected)
    for code, count in sorted(exits.items()):
        figures(f"  runs that ended with {code}", count)
    figures("files wrong, claims false, next runs that ended otherwise", 0)


def _judge(house: House, truth: Truth, sweep: Sweep, point: str, ended: Ended) -> None:
    where = f"{sweep.name} at {point}: exit code {ended.exit_code}: {ended.said[-2000:]}"
    assert crash_in(ended) is None, where
    if sweep.action != _KILL:
        assert ended.exit_code in EXPECTED_EXIT_CODES, where
        is_mute = "write" in sweep.calls.split(",")  # standard error may be on the full disk, too
        assert ended.exit_code in (0, 3) or ended.said or is_mute, where
    check_anything_visible(house, truth)


def _room_for(house: House, name: str) -> House:
    """A folder of its own in the same world, with a config."""
    there = replace(house, folder=house.folder / name)
    there.folder.mkdir()
    there.write_config()
    return there


def _run_with(house: House, sweep: Sweep, point: str) -> tuple[Ended, int]:
    """Run under strace; also tells how many calls it let fail."""
    log = house.folder / "calls"
    is_kill = sweep.action == _KILL
    under = [
        *("strace", "-f", "-qq", "-o", str(log)),
        *(() if is_kill else ("--seccomp-bpf",)),  # faster, but strace 6.1 sends no signal with it
        *("-E", "PYTHONDONTWRITEBYTECODE=1"),
        *(("-E", "ARCHIVER__TRANSFER__CONCURRENCY=1") if sweep.one_worker else ()),
        *("-e", f"trace={sweep.calls}", "-e", f"inject={sweep.calls}:{sweep.action}:when={point}"),
    ]
    ended = run_to_end(house, under=under)
    text = log.read_text(encoding="utf-8", errors="replace")
    hits = int(ended.exit_code in KILLED) if is_kill else text.count("(INJECTED)")
    log.unlink()
    return ended, hits


def _can_inject(folder: Path) -> bool:
    """Tell whether strace is there and may trace: some containers forbid it."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    command = [strace, "-qq", "-o", str(folder / "trial"), "-e", "trace=none", "-e"]
    command += ["inject=fsync:error=EIO", shutil.which("true") or "true"]
    return subprocess.run(command, capture_output=True, env=os.environ, check=False).returncode == 0
