"""One run: make ready, pass over the accounts once, and close the books."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from archiver.actions.archive import Account, Archive, Unusable
from archiver.actions.forecast import forecast
from archiver.actions.running.one_pass import OnePass
from archiver.actions.running.options import Observer, RunOptions
from archiver.actions.running.prepare import prepare
from archiver.actions.running.summary import EXIT_FAILED, AccountSummary, RunSummary
from archiver.errors import ArchiveMissing, ArchiverError, DestinationForbidden, Interrupted
from archiver.index import Index, captured, counters, ledger, listed
from archiver.log import bound
from archiver.model import State

if TYPE_CHECKING:
    from archiver.fetch.engine import MediaEngine

__all__ = ["AccountSummary", "Observer", "RunOptions", "RunSummary", "run"]


def run(
    archive: Archive,
    accounts: Mapping[str, Account],
    unusable: Mapping[str, Unusable],
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
    with bound(run=summary.run_id):
        has_died = ledger.last_run_died(archive.index)
        is_first_today = _is_first_today(archive, summary.started_at)
        ledger.start_run(archive.index, summary.run_id, summary.started_at)
        with _noting_failure(archive.index, summary):
            if is_first_today:
                archive.index.check()  # a damaged page may be met by nobody else
            if has_died:
                captured.suspect_all(archive.index)
            usable = _make_ready(archive, options, observer, summary)
            OnePass(usable, accounts, engine, options, observer, summary).go()
            _count_unusable(archive, unusable, observer, summary)
            summary.media_requests = engine.requests
            summary.ended_at = archive.clock()
            _close_books(archive, accounts, summary)
            _foresee(archive, accounts, options, observer, summary)
        observer.finished(summary)
    return summary


@contextmanager
def _noting_failure(index: Index, summary: RunSummary) -> Iterator[None]:
    """Write down what breaks a run off, so that it is not taken for one that was killed."""
    try:
        yield
    except BaseException as error:
        code = EXIT_FAILED if isinstance(error, Exception) else Interrupted.exit_code
        code = error.exit_code if isinstance(error, ArchiverError) else code
        told = {
            "error": str(error) or type(error).__name__,
            "destinations_failed": summary.destinations_failed,
        }
        with suppress(sqlite3.Error):  # the index may be what failed, and that error tells more
            ledger.break_off(index, summary.run_id, code, told)
        raise


def _is_first_today(archive: Archive, now: datetime) -> bool:
    """Whether no run began on this day before, but some did on another one."""
    last = ledger.last_started_at(archive.index)
    return last is not None and last.date() != now.date()


def _make_ready(
    archive: Archive, options: RunOptions, observer: Observer, summary: RunSummary
) -> Archive:
    """Prepare the destinations and the index; returns the archive with what can be used."""

    def show_life(_report: object) -> None:
        ledger.show_life(archive.index, summary.run_id, archive.clock())
        options.may_go_on()  # its answer counts later: a take-over that stopped would begin anew

    try:
        prepared = prepare(archive, show_life)
    except (ArchiveMissing, DestinationForbidden) as none_left:
        summary.destinations_failed = dict.fromkeys(archive.destinations, str(none_left))
        raise
    summary.rebuilt = {name: report.sidecars for name, report in prepared.rebuilt.items()}
    for line in prepared.warnings:
        summary.add_problem(line)
    for name, error in prepared.unusable.items():
        summary.destinations_failed[name] = str(error)
        observer.destination_failed(name, error)
    listed.want_roles(archive.index, archive.roles, summary.started_at)
    if options.retries_now:
        captured.retry_all(archive.index, summary.started_at)
    return archive.without(frozenset(prepared.unusable))


def _count_unusable(
    archive: Archive, unusable: Mapping[str, Unusable], observer: Observer, summary: RunSummary
) -> None:
    """Count and remember the accounts that could not be opened: `status` shows them too."""
    for name, account in unusable.items():
        error = account.error
        summary.accounts[name] = AccountSummary(
            provider=account.provider,
            still_due=ledger.count_by_state(archive.index, name)[State.PENDING],
            error=str(error),
        )
        summary.accounts[name].add_error_code(error.exit_code)
        summary.add_problem(f"{name}: {error}")
        counters.add(
            archive.index, {counters.Counter(counters.ACCOUNT_ERRORS, name, error.label): 1}
        )
        _remember(archive.index, name, summary)
        observer.failed(name, error)


def _close_books(archive: Archive, accounts: Mapping[str, Account], summary: RunSummary) -> None:
    """Remember for each account how it went, and that the run came to its end."""
    ended_at = summary.ended_at or archive.clock()
    for name in accounts:
        done = summary.accounts[name]
        counts = ledger.count_by_state(archive.index, name)
        done.in_progress, done.still_due = counts[State.IN_PROGRESS], counts[State.PENDING]
        _remember(archive.index, name, summary)
    numbers = {name: summary.total(name) for name in ("listed", "new", "archived", "files", "lost")}
    told = {**numbers, "destinations_failed": summary.destinations_failed}
    ledger.end_run(archive.index, summary.run_id, ended_at, summary.exit_code, told)


def _remember(index: Index, name: str, summary: RunSummary) -> None:
    """Remember how a run went for one account."""
    done, ended_at = summary.accounts[name], summary.ended_at
    record = ledger.load_account(index, name, done.provider)
    ledger.save_account(
        index,
        replace(
            record,
            last_success_at=ended_at if done.is_well else record.last_success_at,
            last_error=done.error,
            last_exit_code=done.error_code or done.exit_code,
            first_tried_at=record.first_tried_at or summary.started_at,
        ),
    )


def _foresee(
    archive: Archive,
    accounts: Mapping[str, Account],
    options: RunOptions,
    observer: Observer,
    summary: RunSummary,
) -> None:
    """Say what each account will lose unless something changes."""
    for name, account in accounts.items():
        foreseen = forecast(
            archive.index,
            name,
            account.provider.name,
            options.every.get(name, timedelta(0)),
            account.pace.per_hour,
            summary.ended_at or archive.clock(),
        )
        ledger.save_forecast(archive.index, name, foreseen.too_late, foreseen.too_late_from)
        if foreseen.lost:
            summary.forecasts.append(foreseen)
            observer.foreseen(foreseen)
