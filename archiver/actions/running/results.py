"""What is made of the reports of a run's threads: rows, numbers, and who is left out from now on.

One account's, one file's or one destination's trouble is counted and shown, and never stops the
others. Used by one thread.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from archiver.actions.archive import Account, Archive
from archiver.actions.listing.page import WalkReport
from archiver.actions.running.options import Observer
from archiver.actions.running.summary import EXIT_FAILED, EXIT_INCOMPLETE, EXIT_LOSS, RunSummary
from archiver.actions.running.tally import Tally
from archiver.errors import (
    AnswerInvalid,
    ArchiverError,
    Interrupted,
    ProviderUnavailable,
    RateLimited,
)
from archiver.model import State

if TYPE_CHECKING:
    from archiver.actions.capturing.commit import CaptureReport, Tried

MAX_DOWNS = 5
"""An API that could not be reached for so many generations in a row is left alone for the run."""
MAX_REFUSED = 200
"""So many generations are tried without the API once its budget is used up."""


class Results:
    """Counts what the threads report.

    `accounts` are those that go on; `refused` the generations of each that wait for the next run,
    as its request budget is used up.
    """

    def __init__(
        self,
        archive: Archive,
        accounts: Mapping[str, Account],
        observer: Observer,
        summary: RunSummary,
        tally: Tally,
    ) -> None:
        self._archive = archive
        self._observer = observer
        self._summary = summary
        self._tally = tally
        self._downs: Counter[str] = Counter()
        self.accounts = dict(accounts)
        self.refused: dict[str, set[int]] = {}

    def walked(self, name: str, future: Future[WalkReport]) -> None:
        """Take what a walk came to."""
        try:
            report = future.result()
        except (sqlite3.Error, Interrupted):
            raise
        except (ProviderUnavailable, AnswerInvalid, RateLimited) as error:
            self._note(name, error)  # what was listed before it broke off is still to be had
            return
        except Exception as error:
            self._drop(name, error)
            return
        account = self._summary.accounts[name]
        account.listed, account.new = report.listed, account.new + report.new
        account.is_sweep, account.provider_total = report.is_sweep, report.total
        account.bad_rows, account.is_cut = report.bad_row_count, report.is_cut
        account.shrunk_from = report.shrunk_from
        for row in report.bad_rows:
            self._summary.add_problem(
                f"{name}: row {row.id or 'without id'} cannot be read: {row.reason}"
            )
        if report.shrunk_from is not None:
            self._summary.add_problem(
                f"{name}: the history holds less than half of the {report.shrunk_from} generations "
                "it used to; nothing is deleted here. If that is right: run --accept-shrunk"
            )
        if report.bad_row_count or report.shrunk_from is not None:
            account.add_code(EXIT_INCOMPLETE)
        self._observer.listed(report)

    def tried(self, name: str, number: int, future: Future[Tried]) -> Tried | None:
        """Take what a try came to; None when there is nothing to record."""
        try:
            return future.result()
        except (sqlite3.Error, Interrupted):
            raise
        except RateLimited as error:
            self._go_on_without_api(name, number, error)
        except Exception as error:
            self._drop(name, error)
        return None

    def record(self, tries: Sequence[tuple[str, Tried]]) -> None:
        """Write the index rows of all that just ended, in one commit, and count them."""
        if not tries:
            return
        from archiver.actions.capturing.commit import record

        reports = record(self._archive, [tried for _, tried in tries])
        for (name, tried), report in zip(tries, reports, strict=True):
            if isinstance(report, Exception):
                self._drop(name, report)
            else:
                self._end_capture(name, tried.known.number, report)

    def _end_capture(self, name: str, number: int, report: CaptureReport) -> None:
        self._count(name, report)
        self._tally.take(report)
        self._observer.captured(report)
        if isinstance(report.account_error, RateLimited):
            self._go_on_without_api(name, number, report.account_error)
        elif report.account_error is not None:
            self._drop(name, report.account_error)
            return
        self._downs[name] = self._downs[name] + 1 if report.is_provider_down else 0
        if self._downs[name] >= MAX_DOWNS:
            self._drop(name, ProviderUnavailable(f"{report.reason}; left alone for this run"))

    def _go_on_without_api(self, name: str, number: int, error: RateLimited) -> None:
        """Leave one generation for the next run: others may need nothing but their media host."""
        if self._summary.accounts[name].error is None:
            self._note(name, error)
        refused = self.refused.setdefault(name, set())
        refused.add(number)
        if len(refused) >= MAX_REFUSED:
            self._drop(name, error)

    def _count(self, name: str, report: CaptureReport) -> None:
        account = self._summary.accounts[name]
        account.files += report.files
        account.size_bytes += report.size_bytes
        account.lost += report.lost
        account.archived += report.state is State.ARCHIVED
        if report.reason is not None and not report.is_destination_fault:
            self._summary.add_problem(f"{name}/{report.generation_id}: {report.reason}")
        if report.is_tried_again:
            account.failed += 1
            account.unplaced += report.is_destination_fault
            account.add_code(EXIT_INCOMPLETE)
        if report.lost:
            account.add_code(EXIT_LOSS)

    def _drop(self, name: str, error: Exception) -> None:
        """Leave an account out of the rest of the run; its other captures in flight may end.

        A bug that one account's answers set off is treated alike, but with exit code 1.
        """
        is_dropped = self.accounts.pop(name, None) is None
        if not is_dropped or self._summary.accounts[name].error is None:
            self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        account = self._summary.accounts[name]
        is_expected = isinstance(error, ArchiverError)
        account.error = str(error) if is_expected else f"internal error: {error!r}"
        account.add_error_code(error.exit_code if isinstance(error, ArchiverError) else EXIT_FAILED)
        self._tally.take_error(name, error)
        self._summary.add_problem(f"{name}: {account.error}")
        self._observer.failed(name, error)
