"""Ctrl-C and SIGTERM: everything in flight is told to stop, and the exit code says why.

Nothing needs to be saved on the way out: every write is whole or invisible (promise 2). So
whatever hangs is left behind: a command that has not ended `PATIENCE_SECONDS` after the first
signal is ended, and a second signal ends it at once.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from archiver.errors import Interrupted

PATIENCE_SECONDS = 4.0
_STOPPED = "stopped; nothing is half done, start it again to go on"
_AT_ONCE = "stopped at once; what is stored is whole, start it again to go on"

stopping = threading.Event()
"""Set as soon as the program was asked to stop; transfers and waits end when it is."""


class _Stop(BaseException):
    """Travels from the signal to the end of the block; no library takes it for its own error."""


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise Interrupted in the main thread for SIGINT (130) and SIGTERM (143)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        yield
    except _Stop as stop:
        error = Interrupted(stop.args[1])
        error.exit_code = stop.args[0]
        raise error from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopped_says(message: str) -> Iterator[None]:
    """Have a stop in here end with another message: what was begun is not to be begun again."""
    try:
        yield
    except _Stop as stop:
        raise _Stop(stop.args[0], message) from None


def leave(exit_code: int) -> NoReturn:
    """End the process; threads that hang are not waited for when it was asked to stop."""
    if not stopping.is_set():
        gc.freeze()  # else all objects are searched for cycles on the way out, for 30 ms
        sys.exit(exit_code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(exit_code)


def _stop(number: int, _frame: FrameType | None) -> None:
    exit_code = 128 + number
    if stopping.is_set():
        _end(exit_code, _AT_ONCE)
    stopping.set()
    signal.signal(signal.SIGALRM, lambda _number, _frame: _end(exit_code, _STOPPED))
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)
    raise _Stop(exit_code, _STOPPED)


def _end(exit_code: int, message: str) -> NoReturn:
    with suppress(OSError):  # stderr may be closed, or full
        os.write(2, f"archiver: {message}\n".encode())
    os._exit(exit_code)
