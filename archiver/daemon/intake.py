"""Writes hints down before their senders are told so, many in one commit, and counts the rest.

A commit waits for the disk: those that come meanwhile share the next one, so a burst of a thousand
takes a few dozen. The index is opened anew each time: it may have been replaced by a rebuilt one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from archiver.errors import ArchiverError, IndexUnavailable
from archiver.index import counters, hints, index_errors, open_index
from archiver.log import get_logger

PATIENCE_SECONDS = 0.8
"""A sender gets its answer within a second, also while a pass writes: then it has to try again."""
BUSY_SECONDS = 0.6
TURN_SECONDS = 0.02
"""SQLite waits longer and longer between its tries, and a busy pass would always be first."""
COUNT_SECONDS = 1.0
"""What was refused is counted this much later at most: a flood costs a commit a second."""
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """One hint that waits to be written; `is_new` becomes False for an event that was known."""

    account: str
    generation_id: str
    event: str
    received_at: datetime
    is_new: Future[bool] = field(default_factory=Future)


class Intake:
    """One thread that writes for all that answer requests. `wake` is called after new hints."""

    def __init__(self, state_dir: Path, wake: Callable[[], None]) -> None:
        self._state_dir = state_dir
        self._wake = wake
        self._slips: list[Slip] = []
        self._counted: Counter[counters.Counter] = Counter()
        self._changed = threading.Condition()
        self._is_ending = False
        self._thread = threading.Thread(target=self._go, name="webhooks", daemon=True)
        self._thread.start()

    def put(self, slip: Slip) -> bool:
        """Write a hint down; False when its event was known. Raises IndexUnavailable in time.

        One that is written later all the same does no harm: its sender sends it again.
        """
        with self._changed:
            self._slips.append(slip)
            self._changed.notify()
        try:
            return slip.is_new.result(PATIENCE_SECONDS)
        except TimeoutError:
            raise IndexUnavailable("the index is busy: send it again") from None

    def count(self, account: str, outcome: str) -> None:
        """Count what became of a request; it is written soon."""
        with self._changed:
            self._counted[counters.Counter(counters.WEBHOOKS, account, outcome)] += 1
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join(2 * PATIENCE_SECONDS)

    def _go(self) -> None:
        is_ending = False
        while not is_ending:
            slips, counted, is_ending = self._next()
            if not (slips or counted):
                continue
            try:
                self._write_in_time(slips, counted)
            except Exception as error:
                if not isinstance(error, ArchiverError):
                    get_logger().exception("http.failed")
                self._give_up(slips, counted, error)

    def _next(self) -> tuple[list[Slip], Counter[counters.Counter], bool]:
        """Wait for something to write; the counts wait longer than the hints."""
        with self._changed:
            self._changed.wait_for(lambda: self._slips or self._counted or self._is_ending)
            self._changed.wait_for(lambda: self._slips or self._is_ending, COUNT_SECONDS)
            slips, self._slips = self._slips[:MOST_AT_ONCE], self._slips[MOST_AT_ONCE:]
            counted, self._counted = self._counted, Counter[counters.Counter]()
            return slips, counted, self._is_ending and not self._slips

    def _write_in_time(self, slips: list[Slip], counted: Counter[counters.Counter]) -> None:
        """Write between the commits of a pass: asked often, a gap is met; raises after a while."""
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._write(slips, counted)
            except IndexUnavailable:
                if time.monotonic() >= until:
                    raise
                time.sleep(TURN_SECONDS / 10)
            else:
                return

    def _write(self, slips: list[Slip], counted: Counter[counters.Counter]) -> None:
        with (
            index_errors(self._state_dir),
            closing(open_index(self._state_dir, create=True, busy_seconds=TURN_SECONDS)) as index,
            index.transaction(),
        ):
            new = [
                hints.add(index, one.account, one.generation_id, one.event, one.received_at)
                for one in slips
            ]
            counters.add(index, counted)
        for slip, is_new in zip(slips, new, strict=True):
            slip.is_new.set_result(is_new)
        if any(new):
            self._wake()

    def _give_up(
        self, slips: list[Slip], counted: Counter[counters.Counter], error: Exception
    ) -> None:
        """Have the senders told to send again; what was counted is written with the next."""
        for slip in slips:
            with suppress(Exception):
                slip.is_new.set_exception(IndexUnavailable(str(error)))
        with self._changed:
            self._counted.update(counted)
