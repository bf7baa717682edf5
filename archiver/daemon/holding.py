"""The run lock of this process, and what those share who hold it: passes and hints.

The first one takes it, the last one gives it back. Request budgets are remembered in the index
when it is given back, as another process may spend from them then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from archiver.actions.pushing.claims import Claims
from archiver.wiring.accounts import Paces
from archiver.wiring.archive import run_lock


class Holding:
    """Holds the run lock as long as anybody in this process needs it. Thread-safe."""

    def __init__(self) -> None:
        self.claims = Claims()
        self._lock = threading.Lock()
        self._held = ExitStack()
        self._holders = 0
        self._paces = Paces()

    @contextmanager
    def held(self, state_dir: Path) -> Iterator[Paces]:
        """Hold it; raises LockHeld at once while another process does."""
        with self._lock:
            if not self._holders:
                self._held.enter_context(run_lock(state_dir, wait=False))
                self._paces = Paces()
            self._holders += 1
            paces = self._paces
        try:
            yield paces
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._held.close()
