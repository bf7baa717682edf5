"""Walks an account's history into the index (promise 3: nothing missed).

A walk stops early only where that is safe: the provider lists newest first, the last walk was
whole and saw as many rows as the provider counts, a whole page is known and older than the
look-back, and that count agrees with the index. Otherwise it is a sweep: the whole history. A
walk that was cut off is gone on with: from the start to what is known, then from the page where
it broke. Generations that were in progress and did not show up are asked for by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from archiver.actions.archive import Account, Archive
from archiver.actions.listing.links import LiveLinks
from archiver.actions.listing.page import WalkReport, take_page
from archiver.actions.listing.unfinished import ask_for_unfinished
from archiver.index import ledger, listed
from archiver.model import BadRow, Generation, Page

START = ""
"""The gap that begins with the listing itself."""
MAX_GAPS = 8
"""A walk that broke off more often begins anew."""
ASKED_WHEN_CUT = 20
"""A walk that is cut again and again must not keep what finished meanwhile waiting, nor a stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkOptions:
    """How far to walk. `since` is the user's own bound: such a walk proves nothing beyond it.

    `accepts_shrunk` is the user's word that a listing which lost more than half is right. The walk
    breaks off where `may_go_on` says no, and the next goes on there. It is not asked after a page
    that is read anew: however short the walks are, each comes a page further.
    """

    look_back: timedelta
    sweep_every: timedelta
    is_sweep: bool = False
    since: datetime | None = None
    accepts_shrunk: bool = False
    may_go_on: Callable[[], bool] = lambda: True


def walk(archive: Archive, account: Account, options: WalkOptions, links: LiveLinks) -> WalkReport:
    """List one account into the index; raises ProviderError when the walk breaks off."""
    now = archive.clock()
    listed.move_deadlines(archive.index, account.name, account.kept_for)
    record = ledger.load_account(archive.index, account.name, account.provider.name)
    report = WalkReport(account=account.name, is_sweep=_must_sweep(record, account, options, now))
    _list(archive, account, options, links, record, report)
    if report.is_cut:
        ask_for_unfinished(archive, account, report, links, at_most=ASKED_WHEN_CUT)
        return report
    after = _settle(record, report, options, now)
    ask_for_unfinished(archive, account, report, links)
    ledger.save_account(archive.index, after)
    return report


def _list(
    archive: Archive,
    account: Account,
    options: WalkOptions,
    links: LiveLinks,
    record: ledger.AccountRecord,
    report: WalkReport,
) -> None:
    """Walk the pages to the end, or to where nothing more can be new.

    While it goes on the index holds, as `walk_gaps`, from where it has to be gone on with: this
    page, then those where earlier walks broke off. Between two of them everything is known; so a
    page without news leads to the next gap, but not before one with news was read in this one.
    """
    gaps = _gaps_to_close(record, report, options)
    pages, here, may_jump, is_anew = account.provider.pages(), START, True, True
    now = archive.clock()
    under_way = replace(record, walk_is_complete=False, walk_gaps=())
    while (page := next(pages, None)) is not None:
        page, has_older = _within(page, options.since)
        seen = take_page(archive, account, page, links, report, now)
        if has_older and account.provider.capabilities.newest_first:
            return
        if _may_stop(archive, seen, page, record, report, options, now):
            return
        has_news = any(one.is_new for one in seen)
        may_jump = may_jump or has_news
        if gaps and may_jump and seen and not has_news:
            here, may_jump, is_anew, report.is_resumed = gaps.pop(0), False, True, True
            pages = account.provider.pages(here or None)
            report.new_at_gap = report.new
            ledger.save_account(archive.index, under_way)  # the place may be gone: not twice
            continue
        ledger.save_account(archive.index, replace(under_way, walk_gaps=(here, *gaps)))
        here = page.next_cursor or here
        if page.next_cursor is not None and not is_anew and not options.may_go_on():
            report.is_cut = True
            return
        is_anew = False
    report.is_at_end = True


def _gaps_to_close(
    record: ledger.AccountRecord, report: WalkReport, options: WalkOptions
) -> list[str]:
    is_asked_for = options.is_sweep or options.since is not None
    if not report.is_sweep or is_asked_for or len(record.walk_gaps) > MAX_GAPS:
        return []
    return list(record.walk_gaps)


def _settle(
    record: ledger.AccountRecord, report: WalkReport, options: WalkOptions, now: datetime
) -> ledger.AccountRecord:
    """Judge a walk that came to its end: whether it was whole, and what is usual from now on.

    Rows that a provider counts and does not list are doubted once; twice the same number of them
    is how that provider counts. A sweep in pieces is one too, though its rows cannot be counted,
    when its last piece held nothing new: else a history that no single walk gets through would be
    swept without end. Its first piece is younger than the walk before it.
    """
    usual_total = _usual_total(record, report, options)
    if options.since is not None:
        return replace(
            record, walk_is_complete=False, walk_gaps=(), last_walk_at=now, last_error=None
        )
    is_sweep = report.is_at_end and not report.is_resumed
    unlisted = max(0, (report.total or 0) - report.rows) if is_sweep else record.unlisted
    is_whole = not is_sweep or unlisted in (0, record.unlisted)
    is_proven = is_whole and report.is_at_end and (is_sweep or report.new == report.new_at_gap)
    swept_at = now if is_sweep else record.last_walk_at or now
    return replace(
        record,
        walk_is_complete=is_whole,
        walk_gaps=(),
        last_walk_at=now,
        last_sweep_at=swept_at if is_proven else record.last_sweep_at,
        provider_total=report.total,
        usual_total=usual_total,
        shrunk_from=_shrunk_from(record, report),
        unreadable=report.bad_row_count if is_sweep else record.unreadable,
        unlisted=unlisted,
        last_error=None,
    )


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
    """Compare what is listed now with what used to be, and say what is usual from now on.

    The rows that came tell more than the provider's own count, which may be wrong.
    """
    if options.since is not None:
        return record.usual_total
    is_counted = report.is_at_end and not report.is_resumed
    told = report.rows if is_counted else max(report.total or record.usual_total, report.rows)
    if told * 2 < record.usual_total and not options.accepts_shrunk:
        report.shrunk_from = record.usual_total
        return record.usual_total
    return told


def _shrunk_from(record: ledger.AccountRecord, report: WalkReport) -> int | None:
    """Say whether the listing lacks more than half; a walk that counted nothing cannot tell."""
    is_counted = report.total is not None or (report.is_at_end and not report.is_resumed)
    return report.shrunk_from if is_counted else record.shrunk_from


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
    archive: Archive,
    seen: list[listed.Seen],
    page: Page,
    record: ledger.AccountRecord,
    report: WalkReport,
    options: WalkOptions,
    now: datetime,
) -> bool:
    """Decide after a page whether what follows is known; every doubt means to read on."""
    is_readable = bool(seen) and not any(isinstance(row, BadRow) for row in page.rows)
    if report.is_sweep or not is_readable or any(one.is_new for one in seen):
        return False
    return _all_older(seen, now - options.look_back) and _agrees(archive, page, record, report)


def _agrees(archive: Archive, page: Page, record: ledger.AccountRecord, report: WalkReport) -> bool:
    """Tell whether the provider's count leaves no doubt: nothing came, or went, out of sight."""
    if page.total is None:
        return True
    accounted = ledger.count_known(archive.index, report.account)
    accounted += record.unreadable + record.unlisted
    has_grown = page.total > (record.provider_total or page.total) + report.new
    return not has_grown and record.usual_total <= page.total * 2 <= accounted * 2


def _all_older(seen: Iterable[listed.Seen], moment: datetime) -> bool:
    times = [one.generation.created_at for one in seen]
    return all(created_at is not None and created_at < moment for created_at in times)
