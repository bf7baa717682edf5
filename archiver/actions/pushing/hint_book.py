"""Which hints are in hand, and how each one ends: done, or to be tried again later and later.

Written down in one commit for all that came to an end at about the same time. What was in hand at a
death is still in the index, and is taken up again. What ended without an answer is forgotten with
its events: a service that sends one again is heard again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from archiver.index import Index, counters, hints
from archiver.index.hints import Hint

CAPTURED, KNOWN, NOT_FOUND, LEFT = "captured", "known", "not_found", "left_to_polling"
"""How a hint may end, as it is counted."""
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 60.0
MOST_TRIES = 10
MOST_MISSES = 5
"""So often is asked for what a provider does not know: half a minute. It may know it late; but any
id may stand in a webhook whose signature does not cover it."""
_IN_VAIN = frozenset({NOT_FOUND, LEFT})


class HintBook:
    """The hints of one session. Used by one thread."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._in_hand: set[tuple[str, str]] = set()
        self._settled: list[tuple[Hint, str]] = []
        self._postponed: list[tuple[Hint, float]] = []

    def __len__(self) -> int:
        """How many are in hand."""
        return len(self._in_hand)

    @property
    def has_news(self) -> bool:
        """Whether there is something to write down."""
        return bool(self._settled or self._postponed)

    def waiting(self, now: datetime, limit: int, accounts: Collection[str]) -> list[Hint]:
        """Load so many hints of these accounts that are to be taken up."""
        found = hints.waiting(self._index, now, len(self._in_hand) + limit, accounts)
        return [one for one in found if _key(one) not in self._in_hand][:limit]

    def take(self, hint: Hint) -> None:
        """Have a hint in hand."""
        self._in_hand.add(_key(hint))

    def put_back(self, hint: Hint) -> None:
        """Leave a hint as it was."""
        self._in_hand.discard(_key(hint))

    def settle(self, hint: Hint, how: str) -> None:
        """Be done with a hint."""
        self._settled.append((hint, how))

    def postpone(self, hint: Hint, at_least_seconds: float = 0.0) -> None:
        """Try again later; what was tried often enough is left to polling."""
        if hint.tries + 1 >= MOST_TRIES:
            self.settle(hint, LEFT)
            return
        doubled = min(FIRST_WAIT_SECONDS * 2**hint.tries, LONGEST_WAIT_SECONDS)
        self._postponed.append((hint, max(doubled, at_least_seconds)))

    def miss(self, hint: Hint) -> None:
        """Try again later, but not as often: its provider knows no such generation."""
        if hint.tries + 1 >= MOST_MISSES:
            self.settle(hint, NOT_FOUND)
        else:
            self.postpone(hint)

    def write(self, now: datetime) -> None:
        """Write down what came to an end."""
        if not self.has_news:
            return
        counted = Counter[counters.Counter]()
        with self._index.transaction():
            for hint, how in self._settled:
                if how in _IN_VAIN:
                    hints.give_up(self._index, hint)
                else:
                    hints.done(self._index, hint.account, hint.generation_id, hint.received_at)
                counted[counters.Counter(counters.HINTS, hint.account, how)] += 1
            for hint, seconds in self._postponed:
                hints.later(self._index, hint, now + timedelta(seconds=seconds))
            counters.add(self._index, counted)
        for hint, _ in (*self._settled, *self._postponed):
            self.put_back(hint)
        self._settled, self._postponed = [], []


def _key(hint: Hint) -> tuple[str, str]:
    return hint.account, hint.generation_id
