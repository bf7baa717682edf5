"""Works through the hints: asks for each generation by its id, and captures what is ready.

What a hint says is never believed: the provider's own answer is recorded as a listing would be, and
captured in the same write order. What is not ready, or not known there yet, is asked for again,
later and later; polling finds whatever is left. Rows are written by the calling thread, all that
just ended in one commit.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any

from archiver.actions.archive import Account, Archive
from archiver.actions.capturing.capture import capture
from archiver.actions.capturing.commit import CaptureReport, Tried, record
from archiver.actions.listing.links import LiveLinks
from archiver.actions.parallel import open_pool
from archiver.actions.pushing.claims import Claims
from archiver.actions.pushing.hint_book import CAPTURED, KNOWN, HintBook
from archiver.actions.pushing.take import take
from archiver.actions.running.options import Observer
from archiver.actions.running.tally import Tally
from archiver.errors import (
    ArchiverError,
    CredentialsRejected,
    GenerationNotFound,
    Interrupted,
    ProviderUnavailable,
    RateLimited,
)
from archiver.fetch.engine import MediaEngine
from archiver.index import hints, ledger, queries
from archiver.index.hints import Hint
from archiver.index.rows import Known
from archiver.log import get_logger
from archiver.model import Generation, State

CROWDED_SECONDS = 10.0
"""An account with more hints than requests is asked for its list instead, and waits so long."""
REFUSED_SECONDS = 600.0
"""So long waits one whose key cannot be had, or is refused: a person has to act."""
POLL_SECONDS = 0.2
SAVE_SECONDS = 5.0
DRAIN_SECONDS = 1.5
_TO_ASK = frozenset({State.IN_PROGRESS, State.LOST})
"""What is asked for even though it is known; what was never heard of is, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeedOptions:
    """How hints are worked through, by so many threads.

    `accounts` names those whose hints are heeded; `open_account` opens one. `claims` are shared
    with passes. `ask_pass` is told of accounts with more hints than their budget allows.
    Nothing is begun while `may_go_on` says no.
    """

    concurrency: int
    claims: Claims
    accounts: Collection[str]
    open_account: Callable[[str], Account]
    ask_pass: Callable[[str], None]
    may_go_on: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Work:
    """What a thread does for a hint: it asks, or it captures the generation of this number."""

    hint: Hint
    number: int | None = None


class Heeding:
    """The threads that heed hints; only the calling thread touches the rest.

    The caller holds the run lock and has made the destinations ready (`running.prepare`).
    """

    def __init__(
        self, archive: Archive, engine: MediaEngine, options: HeedOptions, observer: Observer
    ) -> None:
        self._archive = archive
        self._index = archive.index
        self._engine = engine
        self._options = options
        self._observer = observer
        self._links = LiveLinks()
        self._accounts: dict[str, Account] = {}
        self._book = HintBook(archive.index)
        self._running: dict[Future[Any], _Work] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._tally = Tally(archive.index, engine)
        self._saved_at = time.monotonic()

    def go(self) -> None:
        """Heed hints until none waits that can be heeded now."""
        pool = open_pool(self._options.concurrency, "hint")
        try:
            while self._begin(pool) or len(self._book):
                self._collect(pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            wait([one for one in self._running if not one.cancelled()], DRAIN_SECONDS)
            numbers = [one.number for one in self._running.values() if one.number is not None]
            self._options.claims.give_back(numbers)
            self._save()

    def _begin(self, pool: ThreadPoolExecutor) -> int:
        """Take up what waits; returns how many hints that was."""
        room = self._options.concurrency - len(self._book)
        if room <= 0 or not self._options.may_go_on():
            return 0
        busy = Counter(work.hint.account for work in self._running.values())
        bound = max(1, self._options.concurrency * 3 // 4)  # a slow API must not hold all threads
        free = [name for name in self._options.accounts if busy[name] < bound]
        found = self._book.waiting(self._archive.clock(), room, free)
        return sum(self._heed(pool, hint) for hint in found)

    def _heed(self, pool: ThreadPoolExecutor, hint: Hint) -> bool:
        """Begin what one hint needs; False when its account cannot be asked now."""
        try:
            account = self._account(hint.account)
        except ArchiverError as error:  # its key cannot be read
            get_logger().debug("hint.postponed", account=hint.account, reason=str(error))
            self._put_off(hint.account, REFUSED_SECONDS)
            return False
        known = next(iter(queries.by_id(self._index, hint.generation_id, hint.account)), None)
        if known is not None and known.state not in _TO_ASK:
            return self._keep(hint, lambda one: self._follow(pool, one, known))
        if not self._may_ask(account):
            return False
        listed = None if known is None else known.listed_record
        work = (account.provider.detail, hint.generation_id, listed)
        return self._keep(hint, lambda one: self._submit(pool, _Work(one), *work))

    def _keep(self, hint: Hint, go_on: Callable[[Hint], None]) -> bool:
        """Have a hint in hand from now on."""
        self._book.take(hint)
        go_on(hint)
        return True

    def _account(self, name: str) -> Account:
        if name not in self._accounts:
            self._accounts[name] = self._options.open_account(name)
        return self._accounts[name]

    def _may_ask(self, account: Account) -> bool:
        """Tell whether there is budget for one more request; else its hints wait, all of them."""
        spare, name = account.pace.spare(), account.name
        asking = [one for one in self._running.values() if one.number is None]
        if spare is None or spare > sum(one.hint.account == name for one in asking):
            return True
        pause_seconds = account.pace.paused_until - self._archive.clock().timestamp()
        if pause_seconds <= CROWDED_SECONDS:
            self._options.ask_pass(name)
        self._put_off(name, max(pause_seconds, CROWDED_SECONDS))
        return False

    def _put_off(self, account: str, seconds: float) -> None:
        """Have all hints of an account wait: what keeps one of them waiting is the account's."""
        moment = self._archive.clock() + timedelta(seconds=seconds)
        hints.put_off(self._index, account, moment)

    def _submit(
        self, pool: ThreadPoolExecutor, work: _Work, call: Callable[..., Any], *given: object
    ) -> None:
        future = pool.submit(call, *given)
        self._running[future] = work
        future.add_done_callback(self._ended.put)

    def _follow(self, pool: ThreadPoolExecutor, hint: Hint, known: Known) -> None:
        """Do what a generation needs that the index knows: nothing, time, or to be captured."""
        if known.state is State.IN_PROGRESS:
            self._book.postpone(hint)
        elif known.next_try_at is None or known.state in (State.ARCHIVED, State.LOST):
            self._book.settle(hint, KNOWN)
        elif not self._options.may_go_on():  # whoever goes on later finds the hint
            self._book.put_back(hint)
        elif not self._options.claims.take(known.number):  # a pass has it in hand
            self._book.postpone(hint)
        else:
            account = self._accounts[hint.account]
            given = (self._archive, account, self._engine, self._links, known.number)
            self._submit(pool, _Work(hint, known.number), capture, *given)

    def _collect(self, pool: ThreadPoolExecutor) -> None:
        """Wait for something to end, and write it down."""
        answers: list[tuple[Hint, Generation]] = []
        tries: list[tuple[Hint, Tried]] = []
        ended: list[int] = []
        try:
            for future in self._just_ended():
                work = self._running.pop(future)
                if work.number is not None:
                    ended.append(work.number)
                result = self._result(work.hint, future)
                if isinstance(result, Generation):
                    answers.append((work.hint, result))
                elif isinstance(result, Tried):
                    tries.append((work.hint, result))
            self._record(tries)
        finally:
            self._options.claims.give_back(ended)
        for hint, known in self._take(answers):
            self._follow(pool, hint, known)
        self._book.write(self._archive.clock())
        if time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save()

    def _just_ended(self) -> Iterator[Future[Any]]:
        """Wait a moment for something to end, and give all that has."""
        with suppress(Empty):
            if not self._book.has_news:
                yield self._ended.get(timeout=POLL_SECONDS)
            while True:
                yield self._ended.get_nowait()

    def _result(self, hint: Hint, future: Future[Any]) -> object:
        """Take what a thread came to; None where that is written down already."""
        try:
            return future.result()
        except (sqlite3.Error, Interrupted):
            raise
        except GenerationNotFound:
            self._book.miss(hint)
        except Exception as error:
            self._fail(hint, error)
        return None

    def _fail(self, hint: Hint, error: Exception) -> None:
        """Try again later; what is none of our errors is a bug, and the log tells."""
        log = get_logger().bind(account=hint.account, id=hint.generation_id)
        if not isinstance(error, ArchiverError):
            log.error("hint.crashed", error=repr(error))
            self._book.postpone(hint)
            return
        log.debug("hint.postponed", reason=str(error))
        self._book.postpone(hint, error.retry_after_seconds or 0.0)
        if isinstance(error, CredentialsRejected):
            self._put_off(hint.account, REFUSED_SECONDS)
        elif isinstance(error, ProviderUnavailable | RateLimited):
            self._put_off(hint.account, error.retry_after_seconds or CROWDED_SECONDS)

    def _take(self, answers: Sequence[tuple[Hint, Generation]]) -> list[tuple[Hint, Known]]:
        """Record what the provider said, in one commit."""
        taken: list[tuple[Hint, Known]] = []
        if answers:
            with self._index.transaction():
                for hint, generation in answers:
                    try:
                        account = self._accounts[hint.account]
                        taken.append((hint, take(self._archive, account, generation, self._links)))
                    except sqlite3.Error:
                        raise
                    except Exception as error:
                        self._fail(hint, error)
        return taken

    def _record(self, tries: Sequence[tuple[Hint, Tried]]) -> None:
        """Write the rows of what was tried, in one commit, and count it."""
        if not tries:
            return
        reports = record(self._archive, [tried for _, tried in tries])
        for (hint, _), report in zip(tries, reports, strict=True):
            if isinstance(report, Exception):
                self._fail(hint, report)
            else:
                self._conclude(hint, report)

    def _conclude(self, hint: Hint, report: CaptureReport) -> None:
        self._tally.take(report)
        self._observer.captured(report)
        is_left = report.is_tried_again and report.state is not State.ARCHIVED
        if is_left or report.state is State.IN_PROGRESS:
            self._book.postpone(hint)
        else:
            self._book.settle(hint, CAPTURED)

    def _save(self) -> None:
        """Remember what was counted, and what was spent of the request budgets."""
        self._saved_at = time.monotonic()
        self._tally.save()
        for name, account in self._accounts.items():
            spent_at, paused_until = account.pace.spent(), account.pace.paused_until
            provider = account.provider.name
            ledger.save_budget(self._index, name, provider, spent_at, paused_until)
