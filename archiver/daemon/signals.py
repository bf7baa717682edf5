"""Signals as something to wait for: handlers that take locks can stop a program for ever."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
RELOAD = frozenset({signal.SIGHUP})


@contextmanager
def caught_signals() -> Iterator[Callable[[float], frozenset[signal.Signals]]]:
    """Catch SIGTERM, SIGINT and SIGHUP; gives a function that waits so many seconds for some."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = {number: signal.getsignal(number) for number in STOP | RELOAD}
    for number in before:
        signal.signal(number, lambda _number, _frame: None)
    woken_before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def wait(seconds: float) -> frozenset[signal.Signals]:
        if not select.select([reader], [], [], max(0.0, seconds))[0]:
            return frozenset()
        with suppress(BlockingIOError):
            return frozenset(signal.Signals(number) for number in reader.recv(4096))
        return frozenset()

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(woken_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()
