"""One run: make ready, pass over the accounts once, and close the books."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from archiver.actions.archive import Account, Archive, Unusable
from archiver.actions.forecast import forecast
from archiver.actions.running.one_pass import Observer, OnePass, RunOptions
from archiver.actions.running.prepare import prepare
from archiver.actions.running.summary import AccountSummary, RunSummary
from archiver.fetch.engine import MediaEngine
from archiver.index import captured, ledger, listed
from archiver.model import State

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
    _check_daily(archive, summary.started_at)
    if ledger.last_run_died(archive.index):
        captured.suspect_all(archive.index)
    ledger.start_run(archive.index, summary.run_id, summary.started_at)
    usable = _make_ready(archive, options, observer, summary)
    OnePass(usable, accounts, engine, options, observer, summary).go()
    _count_unusable(archive, unusable, observer, summary)
    summary.media_requests = engine.requests
    summary.ended_at = archive.clock()
    _close_books(archive, accounts, summary)
    _foresee(archive, accounts, options, observer, summary)
    return summary


def _check_daily(archive: Archive, now: datetime) -> None:
    """Read the whole index in the first run of a day: a damaged page may be met by nobody else."""
    last = ledger.last_started_at(archive.index)
    if last is not None and last.date() != now.date():
        archive.index.check()


def _make_ready(
    archive: Archive, options: RunOptions, observer: Observer, summary: RunSummary
) -> Archive:
    """Prepare the destinations and the index; returns the archive with what can be used."""
    prepared = prepare(archive)
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
            provider=account.provider, error=str(error), exit_code=error.exit_code
        )
        summary.add_problem(f"{name}: {error}")
        record = ledger.load_account(archive.index, name, account.provider)
        ledger.save_account(archive.index, replace(record, last_error=str(error)))
        observer.failed(name, error)


def _close_books(archive: Archive, accounts: Mapping[str, Account], summary: RunSummary) -> None:
    """Remember for each account how it went, and that the run came to its end."""
    ended_at = summary.ended_at or archive.clock()
    for name, account in accounts.items():
        record = ledger.load_account(archive.index, name, account.provider.name)
        done = summary.accounts[name]
        done.in_progress = ledger.count_by_state(archive.index, name)[State.IN_PROGRESS]
        ledger.save_account(
            archive.index,
            replace(
                record,
                last_success_at=ended_at if done.is_well else record.last_success_at,
                last_error=done.error,
            ),
        )
    numbers = {name: summary.total(name) for name in ("listed", "new", "archived", "files", "lost")}
    told = {**numbers, "destinations_failed": summary.destinations_failed}
    ledger.end_run(archive.index, summary.run_id, ended_at, summary.exit_code, told)


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
        if foreseen.lost:
            summary.forecasts.append(foreseen)
            observer.foreseen(foreseen)
