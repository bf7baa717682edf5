"""Starts command lines that die: a process that has everything loaded and forks a child for each.

Started as a module of its own with one thread, so that a fork is safe. It reads one JSON order
a line and answers with the child's exit code, negative for a signal, as `subprocess` does.
Loading the program takes longer than most runs; that is all that is saved here: the child runs
`archiver.cli.run_command` and is killed like any other.
"""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import sys
import threading
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

CHILD_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 0.005
_real_sleep, _real_wait = time.sleep, threading.Event.wait


def _shorten_pauses() -> None:
    """Let pauses between two tries end soon; must happen before anybody binds `time.sleep`."""

    def sleep(seconds: Any) -> None:
        _real_sleep(min(float(seconds), _LONGEST_PAUSE_SECONDS))

    def wait(self: threading.Event, timeout: float | None = None) -> bool:
        is_pause = timeout is not None and timeout > 0.2
        return _real_wait(self, _LONGEST_PAUSE_SECONDS if is_pause else timeout)

    time.sleep = sleep
    threading.Event.wait = wait  # type: ignore[method-assign]


def _load() -> None:
    """Load what a run loads, so that each child begins with it."""
    import boto3.session

    import archiver
    from archiver.config.schema import config_model
    from archiver.providers.geminigen import CONNECTION
    from archiver.providers.http import HttpApi
    from archiver.providers.pace import Pace

    for found in pkgutil.walk_packages(archiver.__path__, "archiver."):
        if not found.name.startswith(("archiver.simulator", "archiver.__main__")):
            import_module(found.name)
    config_model()
    HttpApi("http://127.0.0.1", "key", CONNECTION, Pace(0, 0)).close()
    client = boto3.session.Session("a", "b", region_name="us-east-1").client("s3")
    client.close()


def _run_child(order: dict[str, Any]) -> None:
    """Be the child: never returns."""
    from archiver.cli import run_command
    from tests.torture.calls import Gate, install, plan_from

    said = os.open(f"{order['folder']}/said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    plan = plan_from(order["plan"]) if order["plan"] else None
    gate = Gate(order["folder"], tuple(order["roots"]), plan)
    install(gate)
    code = 1
    try:
        code = run_command(order["arguments"])
    except BaseException:
        traceback.print_exc()
    if plan is None:
        gate.write_calls()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _wait_for(child: int) -> int:
    give_up_at = time.monotonic() + CHILD_SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > give_up_at:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 99
        _real_sleep(0.002)


def main() -> None:
    """Serve orders until the input ends."""
    _shorten_pauses()
    _load()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _run_child(order)
        sys.stdout.write(json.dumps(_wait_for(child)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
