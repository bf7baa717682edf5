"""One kind of work at a time, in a thread of its own.

What is asked for while the lane works is done when it has ended, all of it together and once:
so no job piles up behind a slow one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from archiver.log import get_logger

IDLE_SECONDS = 1.0
GATHER_SECONDS = 0.1


class Lane:
    """Does work that is asked for by name. `beat` is called while there is nothing to do."""

    def __init__(
        self,
        name: str,
        work: Callable[[frozenset[str]], None],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._work = work
        self._beat = beat
        self._asked: set[str] = set()
        self._changed = threading.Condition()
        self._is_ending = False
        # A thread that hangs must not hold up the end of the process.
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def ask(self, *names: str) -> None:
        """Ask for work; returns at once."""
        with self._changed:
            self._asked.update(names)
            self._changed.notify()

    def end(self) -> None:
        """Begin nothing more; returns at once."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()

    def has_ended(self, timeout_seconds: float) -> bool:
        """Wait for the end of what is being done, and tell whether it came."""
        self._thread.join(max(0.0, timeout_seconds))
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether it can still work."""
        return self._thread.is_alive()

    def _go(self) -> None:
        while True:
            names = self._next()
            if names is None:
                return
            try:
                self._work(names)
            except Exception:
                # A bug in one piece of work; the next one may go well, and the log tells.
                get_logger().exception("job.crashed", job=sorted(names))

    def _next(self) -> frozenset[str] | None:
        """Wait for work; None at the end."""
        with self._changed:
            while not self._asked and not self._is_ending:
                self._changed.wait(IDLE_SECONDS)
                self._beat()
            # Jobs that are due at the same moment ask one after the other.
            self._changed.wait_for(lambda: self._is_ending, GATHER_SECONDS)
            if self._is_ending:
                return None
            names, self._asked = frozenset(self._asked), set()
            return names
