"""Ctrl-C and SIGTERM: everything in flight is told to stop, and the exit code says why.

Nothing needs to be saved on the way out: every write is whole or invisible (promise 2).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from archiver.errors import Interrupted

stopping = threading.Event()
"""Set as soon as the program was asked to stop; transfers and waits end when it is."""


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise Interrupted in the main thread for SIGINT (130) and SIGTERM (143)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, _stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    if stopping.is_set():
        return
    stopping.set()
    error = Interrupted("stopped; the next run goes on from here")
    error.exit_code = 128 + number
    raise error
