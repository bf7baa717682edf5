"""Keeps the links of freshly listed generations at hand, in memory only (promise 8).

A signed link is a secret, so the index never holds one. What falls out of this bounded cache is
asked for again by id when its turn comes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from archiver.model import Generation

MAX_GENERATIONS = 4000


class LiveLinks:
    """The most recently listed generations by row number, with their links. Thread-safe."""

    def __init__(self, max_generations: int = MAX_GENERATIONS) -> None:
        self._max_generations = max_generations
        self._lock = threading.Lock()
        self._generations: OrderedDict[int, Generation] = OrderedDict()

    def put(self, number: int, generation: Generation) -> None:
        """Keep the links of a generation; the oldest make room."""
        with self._lock:
            self._generations[number] = generation
            self._generations.move_to_end(number)
            while len(self._generations) > self._max_generations:
                self._generations.popitem(last=False)

    def take(self, number: int) -> Generation | None:
        """Hand out a generation's links, once."""
        with self._lock:
            return self._generations.pop(number, None)
