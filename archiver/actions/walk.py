"""Walks an account's history into the index (promise 3: nothing missed).

A walk stops early only where that is safe: the provider lists newest first, the last walk was
whole and saw as many rows as the provider counts, a whole page is known and older than the
look-back, and that total has not grown by more than was found. Otherwise it is a sweep: the whole
history. A walk that was cut off is gone on with: from the start to what is known, then from the
page before the one where it broke. Generations that were in progress and did not show up are
asked for by id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from archiver.actions.archive import Account, Archive
from archiver.actions.links import LiveLinks
from archiver.actions.listing import WalkReport, take_page
from archiver.actions.unfinished import ask_for_unfinished
from archiver.index import ledger, listed
from archiver.model import BadRow, Generation, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkOptions:
    """How far to walk. `since` is the user's own bound: such a walk proves nothing beyond it.

    `accepts_shrunk` is the user's word that a listing which lost more than half is right.
    """

    look_back: timedelta
    sweep_every: timedelta
    is_sweep: bool = False
    since: datetime | None = None
    accepts_shrunk: bool = False


def walk(archive: Archive, account: Account, options: WalkOptions, links: LiveLinks) -> WalkReport:
    """List one account into the index; raises ProviderError when the walk breaks off."""
    now = archive.clock()
    listed.move_deadlines(archive.index, account.name, account.kept_for)
    record = ledger.load_account(archive.index, account.name, account.provider.name)
    report = WalkReport(account=account.name, is_sweep=_must_sweep(record, account, options, now))
    is_whole = _list(archive, account, options, links, record, report) and options.since is None
    ask_for_unfinished(archive, account, report, links)
    usual_total = _usual_total(record, report, options)
    ledger.save_account(
        archive.index,
        replace(
            record,
            walk_is_complete=is_whole,
            walk_cursor=None,
            last_walk_at=now,
            last_sweep_at=now if report.is_sweep and is_whole else record.last_sweep_at,
            provider_total=record.provider_total if options.since else report.total,
            usual_total=usual_total,
            last_error=None,
        ),
    )
    return report


def _list(
    archive: Archive,
    account: Account,
    options: WalkOptions,
    links: LiveLinks,
    record: ledger.AccountRecord,
    report: WalkReport,
) -> bool:
    """Walk the pages; returns whether nothing was left out between what is known and the end."""
    cut_off_at = record.walk_cursor if report.is_sweep and not options.is_sweep else None
    pages = account.provider.pages()
    before: str | None = None
    now = archive.clock()
    record = replace(record, walk_is_complete=False)
    while (page := next(pages, None)) is not None:
        page, has_older = _within(page, options.since)
        seen = take_page(archive, account, page, links, report, now)
        if has_older and account.provider.capabilities.newest_first:
            return False
        is_known = bool(seen) and not any(one.is_new for one in seen)
        if _may_stop(seen, page, record, report, options, now):
            return True
        if cut_off_at is not None and is_known:
            pages, cut_off_at = account.provider.pages(cut_off_at), None
        ledger.save_account(archive.index, replace(record, walk_cursor=cut_off_at or before))
        before = page.next_cursor
    return report.listed + report.bad_row_count >= (report.total or 0)


def _within(page: Page, since: datetime | None) -> tuple[Page, bool]:
    """Leave out what was made before the user's bound, and tell whether there was any of it."""
    if since is None:
        return page, False
    rows = tuple(row for row in page.rows if not _is_older(row, since))
    return replace(page, rows=rows), len(rows) < len(page.rows)


def _is_older(row: Generation | BadRow, since: datetime) -> bool:
    if isinstance(row, BadRow) or row.created_at is None:
        return False
    return row.created_at < since


def _usual_total(record: ledger.AccountRecord, report: WalkReport, options: WalkOptions) -> int:
    """Compare what is listed now with what used to be, and say what is usual from now on."""
    told = report.total if report.total is not None else report.listed
    is_comparable = options.since is None and (report.total is not None or report.is_sweep)
    if not is_comparable and report.listed:
        return record.usual_total
    if told * 2 < record.usual_total and not options.accepts_shrunk:
        report.shrunk_from = record.usual_total
        return record.usual_total
    return told


def _must_sweep(
    record: ledger.AccountRecord, account: Account, options: WalkOptions, now: datetime
) -> bool:
    return (
        options.is_sweep
        or not account.provider.capabilities.newest_first
        or not record.walk_is_complete
        or record.last_sweep_at is None
        or now - record.last_sweep_at >= options.sweep_every
    )


def _may_stop(
    seen: list[listed.Seen],
    page: Page,
    record: ledger.AccountRecord,
    report: WalkReport,
    options: WalkOptions,
    now: datetime,
) -> bool:
    """Decide after a page whether what follows is known; every doubt means to read on."""
    is_newest_first = not any(isinstance(row, BadRow) for row in page.rows) and bool(seen)
    if report.is_sweep or not is_newest_first or any(one.is_new for one in seen):
        return False
    has_grown = None not in (page.total, record.provider_total) and (
        (page.total or 0) > (record.provider_total or 0) + report.new
    )
    return not has_grown and _all_older(seen, now - options.look_back)


def _all_older(seen: Iterable[listed.Seen], moment: datetime) -> bool:
    times = [one.generation.created_at for one in seen]
    return all(created_at is not None and created_at < moment for created_at in times)
