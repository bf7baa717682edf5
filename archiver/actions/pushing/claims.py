"""Who has which generation in hand: a pass and a hint must not fetch the same one side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Claims:
    """The generations, by their numbers, that threads of this process work on. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[int] = set()

    def take(self, number: int) -> bool:
        """Claim a generation; False when somebody else has it in hand."""
        with self._lock:
            if number in self._taken:
                return False
            self._taken.add(number)
            return True

    def give_back(self, numbers: Iterable[int]) -> None:
        """Let others have generations again, once their rows say how they are."""
        with self._lock:
            self._taken.difference_update(numbers)

    def all(self) -> frozenset[int]:
        """What is in hand just now."""
        with self._lock:
            return frozenset(self._taken)
