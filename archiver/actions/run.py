"""One pass over the accounts: list, compare, capture, record; and the numbers of it.

Listing (a thread an account) and capture (`concurrency` threads) go on at the same time and
meet in the index, which hands out what is due, the earliest deadline first. One account's or
one file's trouble is counted and shown, and never stops the others.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from archiver.actions.archive import Account, Archive
from archiver.actions.capture import capture
from archiver.actions.commit import CaptureReport
from archiver.actions.forecast import Forecast, forecast
from archiver.actions.links import LiveLinks
from archiver.actions.listing import WalkReport
from archiver.actions.prepare import prepare
from archiver.actions.walk import WalkOptions, walk
from archiver.errors import AnswerInvalid, ArchiverError, DestinationError, ProviderUnavailable
from archiver.fetch.engine import MediaEngine
from archiver.index import captured, ledger, listed, queries
from archiver.model import State

MAX_SHOWN_PROBLEMS = 50
MAX_DOWNS = 5
"""An API that could not be reached for so many generations in a row is left alone for the run."""
POLL_SECONDS = 0.2
EXIT_WELL, EXIT_FAILED, EXIT_INCOMPLETE, EXIT_LOSS, EXIT_CREDENTIALS = 0, 1, 3, 4, 12
_WORST_FIRST = (EXIT_LOSS, EXIT_CREDENTIALS, EXIT_FAILED, EXIT_INCOMPLETE)


class Observer(Protocol):
    """Is told what happens while it happens: a progress bar, a log. Called from one thread."""

    def listed(self, report: WalkReport) -> None:
        """An account's history was walked."""

    def captured(self, report: CaptureReport) -> None:
        """A generation was tried."""

    def failed(self, account: str, error: Exception) -> None:
        """An account cannot go on in this run."""

    def foreseen(self, forecast: Forecast) -> None:
        """Something will be lost unless something changes."""

    def destination_failed(self, name: str, error: DestinationError) -> None:
        """A destination is left out of this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How one run is made. `limit` bounds the generations that are captured.

    `retries_now` does not wait for the next try of what failed; `every` is each account's poll
    interval, for the forecast.
    """

    walk: WalkOptions
    concurrency: int
    limit: int | None = None
    retries_now: bool = False
    every: Mapping[str, timedelta] = field(default_factory=dict)


@dataclass(slots=True)
class AccountSummary:
    """What a run did for one account."""

    provider: str
    listed: int = 0
    new: int = 0
    is_sweep: bool = False
    provider_total: int | None = None
    archived: int = 0
    failed: int = 0
    lost: int = 0
    files: int = 0
    size_bytes: int = 0
    in_progress: int = 0
    bad_rows: int = 0
    error: str | None = None
    exit_code: int = EXIT_WELL


@dataclass(slots=True)
class RunSummary:
    """What a run did; `problems` are lines for a person, the first ones of many."""

    run_id: str
    started_at: datetime
    ended_at: datetime | None = None
    accounts: dict[str, AccountSummary] = field(default_factory=dict)
    destinations_failed: dict[str, str] = field(default_factory=dict)
    rebuilt: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    media_requests: int = 0
    forecasts: list[Forecast] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Loss before a dead key, before a bug, before what will be tried again."""
        codes = {account.exit_code for account in self.accounts.values()}
        if self.destinations_failed:
            codes.add(EXIT_INCOMPLETE)
        return next(
            (code for code in _WORST_FIRST if code in codes),
            EXIT_WELL,
        )

    def total(self, name: str) -> int:
        """Add one number up over all accounts."""
        return sum(int(getattr(account, name)) for account in self.accounts.values())


def run(
    archive: Archive,
    accounts: Mapping[str, Account],
    unusable: Mapping[str, ArchiverError],
    engine: MediaEngine,
    options: RunOptions,
    observer: Observer,
) -> RunSummary:
    """Make one pass. Raises only what concerns the whole archive.

    `unusable` names the accounts that could not be opened: they are counted and shown.
    """
    summary = RunSummary(run_id=uuid.uuid4().hex[:12], started_at=archive.clock())
    summary.accounts = {
        name: AccountSummary(provider=account.provider.name) for name, account in accounts.items()
    }
    if ledger.last_run_died(archive.index):
        captured.suspect_all(archive.index)
    ledger.start_run(archive.index, summary.run_id, summary.started_at)
    prepared = prepare(archive)
    summary.rebuilt = {name: report.sidecars for name, report in prepared.rebuilt.items()}
    for name, error in prepared.unusable.items():
        summary.destinations_failed[name] = str(error)
        observer.destination_failed(name, error)
    listed.want_roles(archive.index, archive.roles, summary.started_at)
    if options.retries_now:
        captured.retry_all(archive.index, summary.started_at)
    usable = archive.without(frozenset(prepared.unusable))
    _Pass(usable, accounts, engine, options, observer, summary).go()
    for name, failure in unusable.items():
        summary.accounts[name] = AccountSummary(
            provider="-", error=str(failure), exit_code=failure.exit_code
        )
        summary.problems.append(f"{name}: {failure}")
        observer.failed(name, failure)
    summary.media_requests = engine.requests
    summary.ended_at = archive.clock()
    _close_books(archive, accounts, summary)
    for name, account in accounts.items():
        every = options.every.get(name, timedelta(0))
        foreseen = forecast(
            archive.index,
            name,
            account.provider.name,
            every,
            account.pace.per_hour,
            summary.ended_at,
        )
        if foreseen.lost:
            summary.forecasts.append(foreseen)
            observer.foreseen(foreseen)
    return summary


class _Pass:
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
        self._accounts = dict(accounts)
        self._engine = engine
        self._options = options
        self._observer = observer
        self._summary = summary
        self._links = LiveLinks()
        self._walks: dict[Future[WalkReport], str] = {}
        self._captures: dict[Future[CaptureReport], tuple[int, str]] = {}
        self._downs: dict[str, int] = {}
        self._left = options.limit

    def go(self) -> None:
        """List and capture until nothing is due."""
        walkers = ThreadPoolExecutor(max(1, len(self._accounts)), "walk")
        workers = ThreadPoolExecutor(self._options.concurrency, "capture")
        try:
            for name, account in self._accounts.items():
                future = walkers.submit(
                    walk, self._archive, account, self._options.walk, self._links
                )
                self._walks[future] = name
            while self._submit(workers) or self._walks or self._captures:
                self._collect()
        finally:
            walkers.shutdown(cancel_futures=True)
            workers.shutdown(cancel_futures=True)

    def _submit(self, workers: ThreadPoolExecutor) -> int:
        """Keep the workers fed with what is most urgent; returns how many were added.

        With a limit that is known only when every account is listed.
        """
        room = self._options.concurrency * 2 - len(self._captures)
        if self._left is not None:
            room = 0 if self._walks else min(room, self._left)
        if room <= self._options.concurrency // 2 and self._captures:
            return 0
        claimed = {number for number, _ in self._captures.values()}
        free = self._free_slots()
        accounts = [name for name, slots in free.items() if slots > 0]
        added = 0
        for number, name in queries.due(
            self._archive.index, accounts, self._archive.clock(), claimed, max(0, room)
        ):
            if free[name] <= 0:
                continue
            free[name] -= 1
            added += 1
            account = self._accounts[name]
            future = workers.submit(
                capture, self._archive, account, self._engine, self._links, number
            )
            self._captures[future] = (number, name)
        self._left = None if self._left is None else self._left - added
        return added

    def _free_slots(self) -> dict[str, int]:
        """How many more captures each account may have: a slow API must not hold all workers."""
        bound = self._options.concurrency * 2
        if len(self._accounts) > 1:
            bound = max(1, self._options.concurrency * 3 // 4)
        busy = Counter(name for _, name in self._captures.values())
        return {name: bound - busy[name] for name in self._accounts}

    def _collect(self) -> None:
        """Wait for something to end, and count it."""
        running: list[Future[Any]] = [*self._walks, *self._captures]
        done, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
        for future in done:
            if future in self._walks:
                self._end_walk(self._walks.pop(future), future)
            else:
                self._end_capture(self._captures.pop(future)[1], future)

    def _end_walk(self, name: str, future: Future[WalkReport]) -> None:
        try:
            report = future.result()
        except sqlite3.Error:
            raise
        except (ProviderUnavailable, AnswerInvalid) as error:
            self._note(name, error)  # what was listed before it broke off is still to be had
            return
        except Exception as error:
            self._drop(name, error)
            return
        account = self._summary.accounts[name]
        account.listed, account.new = report.listed, report.new
        account.is_sweep, account.provider_total = report.is_sweep, report.total
        account.bad_rows = report.bad_row_count
        for row in report.bad_rows:
            self._problem(f"{name}: row {row.id or 'without id'} cannot be read: {row.reason}")
        if report.shrunk_from is not None:
            self._problem(
                f"{name}: the history holds less than half of the {report.shrunk_from} generations "
                "it used to; nothing is deleted here. If that is right: run --accept-shrunk"
            )
        if report.bad_row_count or report.shrunk_from is not None:
            account.exit_code = max(account.exit_code, EXIT_INCOMPLETE)
        self._observer.listed(report)

    def _end_capture(self, name: str, future: Future[CaptureReport]) -> None:
        try:
            report = future.result()
        except sqlite3.Error:
            raise
        except Exception as error:
            self._drop(name, error)
            return
        account = self._summary.accounts[name]
        account.files += report.files
        account.size_bytes += report.size_bytes
        account.lost += report.lost
        account.archived += report.state is State.ARCHIVED
        if report.reason is not None:
            self._problem(f"{name}/{report.generation_id}: {report.reason}")
        if report.is_tried_again:
            account.failed += 1
            account.exit_code = max(account.exit_code, EXIT_INCOMPLETE)
        if report.lost:
            account.exit_code = EXIT_LOSS
        self._observer.captured(report)
        if report.account_error is not None:
            self._drop(name, report.account_error)
            return
        self._downs[name] = self._downs.get(name, 0) + 1 if report.is_provider_down else 0
        if self._downs[name] >= MAX_DOWNS:
            self._drop(name, ProviderUnavailable(f"{report.reason}; left alone for this run"))

    def _drop(self, name: str, error: Exception) -> None:
        """Leave an account out of the rest of the run; its other captures in flight may end.

        A bug that one account's answers set off is treated alike, but with exit code 1.
        """
        is_dropped = self._accounts.pop(name, None) is None
        if not is_dropped or self._summary.accounts[name].error is None:
            self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        account = self._summary.accounts[name]
        is_expected = isinstance(error, ArchiverError)
        account.error = str(error) if is_expected else f"internal error: {error!r}"
        if account.exit_code != EXIT_LOSS:
            account.exit_code = error.exit_code if isinstance(error, ArchiverError) else EXIT_FAILED
        self._problem(f"{name}: {account.error}")
        self._observer.failed(name, error)

    def _problem(self, line: str) -> None:
        if len(self._summary.problems) < MAX_SHOWN_PROBLEMS:
            self._summary.problems.append(line)


def _close_books(archive: Archive, accounts: Mapping[str, Account], summary: RunSummary) -> None:
    """Remember for each account how it went and how much of its request budget is spent."""
    ended_at = summary.ended_at or archive.clock()
    for name, account in accounts.items():
        record = ledger.load_account(archive.index, name, account.provider.name)
        done = summary.accounts[name]
        done.in_progress = ledger.count_by_state(archive.index, name)[State.IN_PROGRESS]
        is_well = done.exit_code in (EXIT_WELL, EXIT_LOSS) and done.error is None
        ledger.save_account(
            archive.index,
            replace(
                record,
                last_success_at=ended_at if is_well else record.last_success_at,
                last_error=done.error,
                requests_spent_at=account.pace.spent(),
                paused_until=account.pace.paused_until,
            ),
        )
    numbers = {name: summary.total(name) for name in ("listed", "new", "archived", "files", "lost")}
    ledger.end_run(archive.index, summary.run_id, ended_at, summary.exit_code, numbers)
