"""The threads of one run.

Listing (a thread an account) and capture go on at the same time and meet in the index, which
hands out what is due, the earliest deadline first. Captures are the fibers of one thread; there are
more of them than the `concurrency` transfers that the media engine makes at a time, since what came
is made durable beside the next ones.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from archiver.actions.archive import Account, Archive
from archiver.actions.listing.links import LiveLinks
from archiver.actions.listing.page import WalkReport
from archiver.actions.listing.walk import walk
from archiver.actions.parallel import open_fibers, open_pool
from archiver.actions.running.options import Observer, RunOptions
from archiver.actions.running.results import Results
from archiver.actions.running.stores import Stores
from archiver.actions.running.summary import RunSummary
from archiver.actions.running.tally import Tally
from archiver.errors import (
    Interrupted,
)
from archiver.index import ledger, queries

if TYPE_CHECKING:
    from archiver.actions.capturing.commit import Tried
    from archiver.fetch.engine import MediaEngine
    from archiver.fibers.pool import FiberPool

POLL_SECONDS = 0.2
GATHER_SECONDS = 0.02
"""A commit, and a look at what is due, cost the same for one as for a dozen."""
SAVE_SECONDS = 5.0
MOST_AHEAD = 16
"""So many generations a worker may wait to be captured."""
DRAIN_SECONDS = 1.5
"""Whoever was asked to stop gives the threads so long to end; one that hangs is left behind."""


class OnePass:
    """The threads of one run and what they report; only the calling thread touches the rest."""

    def __init__(
        self,
        archive: Archive,
        accounts: Mapping[str, Account],
        engine: MediaEngine,
        options: RunOptions,
        observer: Observer,
        summary: RunSummary,
    ) -> None:
        self._archive = archive
        self._all = accounts
        self._engine = engine
        self._options = options
        self._observer = observer
        self._summary = summary
        self._links = LiveLinks()
        self._walks: dict[Future[WalkReport], str] = {}
        self._captures: dict[Future[Tried], tuple[int, str]] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._fibers = options.concurrency * 2 - 1  # one at a time stays one at a time
        self._left = options.limit
        self._recorded: Counter[str] = Counter()
        self._stores = Stores(archive, options.patience_seconds, options.concurrency, summary)
        self._tally = Tally(archive.index, engine)
        self._results = Results(archive, accounts, observer, summary, self._tally)
        self._saved_at = time.monotonic()
        self._is_cut = False

    def go(self) -> None:
        """List and capture until nothing is due."""
        walkers = open_pool(max(1, len(self._results.accounts)), "walk")
        workers = open_fibers(self._fibers, "capture", len(self._archive.destinations))
        patience_seconds: float | None = DRAIN_SECONDS
        try:
            self._list(walkers)
            while self._go_on(walkers, workers) or self._walks or self._captures:
                self._collect()
            self._note_cut()
        except Interrupted:
            raise
        except Exception:
            patience_seconds = None
            raise
        finally:
            walkers.shutdown(wait=False, cancel_futures=True)
            workers.shutdown()
            # `wait` would wait for ever for those that were cancelled before they began.
            wait([one for one in self._running if not one.cancelled()], patience_seconds)
            self._options.claims.give_back(number for number, _ in self._captures.values())
            self._save()
        self._stores.tell(self._observer.destination_failed)

    @property
    def _running(self) -> list[Future[Any]]:
        return [*self._walks, *self._captures]

    def _save(self) -> None:
        """Remember what each account has spent of its request budget: a kill must not refund it.

        Likewise what was counted, and that the run goes on.
        """
        self._saved_at = time.monotonic()
        self._tally.save()
        ledger.show_life(self._archive.index, self._summary.run_id, self._archive.clock())
        for name, account in self._all.items():
            spent_at, paused_until = account.pace.spent(), account.pace.paused_until
            provider = account.provider.name
            ledger.save_budget(self._archive.index, name, provider, spent_at, paused_until)

    def _list(self, walkers: ThreadPoolExecutor) -> None:
        """Walk the accounts that are not just being walked."""
        for name in self._results.accounts.keys() - self._walks.values():
            future = walkers.submit(
                walk, self._archive, self._results.accounts[name], self._options.walk, self._links
            )
            self._walks[future] = name
            future.add_done_callback(self._ended.put)

    def _go_on(self, walkers: ThreadPoolExecutor, workers: FiberPool) -> int:
        """Begin what may be begun; returns how many captures that was.

        Where something slow was still in flight when a cut pass may go on, it begins anew with
        all accounts: they must not wait for it.
        """
        was_cut, self._is_cut = self._is_cut, not self._options.may_go_on()
        if self._is_cut or self._stores.are_out():
            for future in self._captures:
                future.cancel()
            return 0
        if was_cut:
            self._list(walkers)
        return self._submit(workers)

    def _submit(self, workers: FiberPool) -> int:
        """Keep the workers fed with what is most urgent; returns how many were added.

        As much waits for them as ends while its rows are written: no more, so that what becomes
        urgent comes soon. With a limit what is most urgent is known only when all is listed.
        """
        ahead = self._options.concurrency * 2 + self._recorded.total() * 2
        room = min(ahead, self._options.concurrency * MOST_AHEAD) - len(self._captures)
        if self._left is not None:
            room = 0 if self._walks else min(room, self._left)
        if room <= self._options.concurrency // 2 and self._captures:
            return 0
        claimed = self._options.claims.all().union(*self._results.refused.values())
        free = self._free_slots()
        accounts = [name for name, slots in free.items() if slots > 0]
        added = 0
        for number, name in queries.due(
            self._archive.index, accounts, self._archive.clock(), claimed, max(0, room)
        ):
            if free[name] <= 0 or not self._options.claims.take(number):
                continue
            free[name] -= 1
            added += 1
            self._begin(workers, number, name)
        self._left = None if self._left is None else self._left - added
        return added

    def _begin(self, workers: FiberPool, number: int, name: str) -> None:
        """Have a worker capture one generation; a run with nothing to capture loads less."""
        from archiver.actions.capturing.capture import capture

        account = self._results.accounts[name]
        future = workers.submit(capture, self._archive, account, self._engine, self._links, number)
        self._captures[future] = (number, name)
        future.add_done_callback(self._ended.put)

    def _note_cut(self) -> None:
        """Name the accounts that were not through when the pass was told to end."""
        for name in self._results.accounts if self._is_cut else ():
            left = queries.due(self._archive.index, [name], self._archive.clock(), set(), 1)
            self._summary.accounts[name].is_cut |= bool(list(left))

    def _free_slots(self) -> dict[str, int]:
        """How many more captures each account may have: a slow API must not hold all workers."""
        bound = self._options.concurrency * 2
        if len(self._results.accounts) > 1:
            bound = max(1, self._options.concurrency * 3 // 4)
        busy = Counter(name for _, name in self._captures.values())
        ended = self._recorded
        return {name: bound + ended[name] * 2 - busy[name] for name in self._results.accounts}

    def _collect(self) -> None:
        """Wait for something to end, and count it."""
        if time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save()
            self._stores.leave_slow_ones_out()
        tries: list[tuple[str, Tried]] = []
        ended: list[int] = []
        for future in self._just_ended():
            if future in self._walks:
                self._results.walked(self._walks.pop(future), future)
                continue
            number, name = self._captures.pop(future)
            ended.append(number)
            tried = None if future.cancelled() else self._results.tried(name, number, future)
            if tried is not None:
                tries.append((name, tried))
        try:
            self._results.record(tries)
        finally:
            self._options.claims.give_back(ended)
        # Where a destination fails nothing is added: what waits would be fetched for nobody.
        self._recorded = Counter(name for name, tried in tries if not tried.progress.failures)
        self._forget_dropped()

    def _forget_dropped(self) -> None:
        """Let nothing wait of an account that is left out: a dead API would hold the workers."""
        for future, (_, name) in self._captures.items():
            if name not in self._results.accounts:
                future.cancel()

    def _just_ended(self) -> Iterator[Future[Any]]:
        """Wait for something to end, then a moment for what is about to, and give all that has."""
        with suppress(Empty):
            yield self._ended.get(timeout=POLL_SECONDS)
            if len(self._captures) > self._fibers:
                time.sleep(GATHER_SECONDS)  # the workers have enough to go on with
            while True:
                yield self._ended.get_nowait()
