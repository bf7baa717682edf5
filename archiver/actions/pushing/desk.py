"""Brings single generations home: under the run lock, or through whoever holds it.

Runs and the daemon may be at work beside a command. What it wants is in the index already
(`take`); if it cannot have the lock it leaves a hint, which a daemon takes up at once, and looks
until the generation rests or the lock is free.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from archiver.actions.archive import Account, Archive
from archiver.actions.capturing.commit import CaptureReport
from archiver.actions.listing.links import LiveLinks
from archiver.actions.pushing.claims import Claims
from archiver.actions.pushing.secure import secure
from archiver.actions.running.prepare import look_for_any, prepare
from archiver.errors import LockHeld
from archiver.fetch.engine import MediaEngine
from archiver.index import hints, ledger, queries
from archiver.index.rows import Known
from archiver.model import State

Lock = Callable[[], AbstractContextManager[None]]
"""Opens the run lock, or raises LockHeld at once; entered and left by any thread."""
PREPARED_FOR_SECONDS = 60.0
"""A disk may be unmounted while nobody holds the lock: so old a look is made again."""
SAVE_SECONDS = 5.0


def rests(known: Known) -> bool:
    """Tell whether nothing is left to be done: kept everywhere, lost, left out, or not finished."""
    if known.state is State.ARCHIVED:
        return known.next_try_at is None
    return known.state in (State.LOST, State.EXCLUDED, State.IN_PROGRESS)


class Desk:
    """What one command captures with. Thread-safe; `close` writes down what accounts have spent.

    The lock is held while something is being captured, and no longer.
    """

    def __init__(
        self,
        archive: Archive,
        accounts: Mapping[str, Account],
        engine: MediaEngine,
        lock: Lock,
        on_captured: Callable[[CaptureReport], None],
    ) -> None:
        self.archive = archive
        self.accounts = accounts
        self._engine = engine
        self._open_lock = lock
        self._on_captured = on_captured
        self._mutex = threading.Lock()
        self._held: AbstractContextManager[None] | None = None
        self._users = 0
        self._ready: Archive | None = None
        self._ready_at = 0.0
        self._claims = Claims()
        self._hinted: set[tuple[str, str]] = set()
        self._saved_at = time.monotonic()

    def make_ready(self) -> None:
        """Find out whether anything can be kept, before it is paid for; raises as `prepare` does.

        While another process has the lock nothing is written: it is only looked for what is there.
        """
        with self._locked() as ready:
            if ready is None:
                look_for_any(self.archive)

    def look(self, known: Known) -> Known:
        """Load what the index says of a generation by now."""
        return queries.load(self.archive.index, known.number)

    def settle(self, known: Known, links: LiveLinks | None = None) -> Known:
        """Take one generation as far as it goes now; returns how it stands then.

        It may stand as before: another process, or another thread, is at work on it. Raises what
        concerns its account, its destinations or the index.
        """
        if rests(known) or not self._claims.take(known.number):
            return self.look(known)
        try:
            with self._locked() as ready:
                if ready is None:
                    self.hint(known.generation.account, known.generation.id)
                else:
                    self._capture(ready, known, links)
        finally:
            self._claims.give_back([known.number])
        self.save_budgets()
        return self.look(known)

    def _capture(self, ready: Archive, known: Known, links: LiveLinks | None) -> None:
        """Capture what is still to be had: its sidecar may just have been taken over."""
        account = self.accounts[known.generation.account]
        if not rests(self.look(known)):
            self._on_captured(secure(ready, account, self._engine, known.number, links))
        if (account.name, known.generation.id) in self._hinted:
            hints.done(self.archive.index, account.name, known.generation.id)

    def hint(self, account: str, generation_id: str) -> None:
        """Leave word, once, that this is wanted: a daemon asks for it, and captures it, at once."""
        with self._mutex:
            if (account, generation_id) in self._hinted:
                return
            is_first = not self._hinted
            self._hinted.add((account, generation_id))
        index, now = self.archive.index, self.archive.clock()
        if is_first:  # there may never have been a daemon
            hints.forget_old(index, now)
        hints.add(index, account, generation_id, uuid.uuid4().hex, now)

    @contextmanager
    def _locked(self) -> Iterator[Archive | None]:
        """Hold the run lock together with all threads; gives None where another process has it."""
        with self._mutex:
            ready = self._enter()
        try:
            yield ready
        finally:
            if ready is not None:
                with self._mutex:
                    self._leave()

    def _enter(self) -> Archive | None:
        if self._held is None:
            lock = self._open_lock()
            try:
                lock.__enter__()
            except LockHeld:
                return None
            self._held = lock
        self._users += 1
        try:
            return self._prepared()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        self._users -= 1
        if self._users == 0 and self._held is not None:
            held, self._held = self._held, None
            held.__exit__(None, None, None)

    def _prepared(self) -> Archive:
        now = time.monotonic()
        if self._ready is None or now - self._ready_at > PREPARED_FOR_SECONDS:
            prepared = prepare(self.archive)
            self._ready = self.archive.without(frozenset(prepared.unusable))
            self._ready_at = now
        return self._ready

    def save_budgets(self, *, now: bool = False) -> None:
        """Remember what each account has spent, every few seconds: a kill must not refund it.

        A run beside this spends as well, so what the index has of it stays.
        """
        with self._mutex:
            if not now and time.monotonic() - self._saved_at < SAVE_SECONDS:
                return
            self._saved_at = time.monotonic()
        for name, account in self.accounts.items():
            provider, pace = account.provider.name, account.pace
            before = ledger.load_account(self.archive.index, name, provider)
            spent = sorted({*before.requests_spent_at, *pace.spent()})
            paused_until = max(before.paused_until, pace.paused_until)
            ledger.save_budget(self.archive.index, name, provider, spent, paused_until)
