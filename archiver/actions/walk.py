"""Walks an account's history into the index (promise 3: nothing missed).

A walk stops early only where that is safe: the provider lists newest first, the last walk was
whole and saw as many rows as the provider counts, a whole page is known and older than the
look-back, and that total has not grown by more than was found. Otherwise it is a sweep: the whole
history. A walk that was cut off is gone on with: from the start to what is known, then from the
page before the one where it broke. Generations that were in progress and did not show up are
asked for by id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from archiver import keys
from archiver.actions.archive import Account, Archive
from archiver.actions.download import Lost
from archiver.actions.links import LiveLinks
from archiver.errors import (
    AnswerInvalid,
    CredentialsRejected,
    GenerationNotFound,
    KeyInvalid,
    ProviderUnavailable,
)
from archiver.index import captured, ledger, listed, queries
from archiver.index.rows import Known
from archiver.model import BadRow, Generation, Page, State

MAX_SHOWN_ROWS = 20
MAX_REFUSALS = 3
"""One item that cannot be asked for is its own affair; so many are the account's."""


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


@dataclass(slots=True)
class WalkReport:
    """What a walk saw. `bad_rows` holds the first ones, `bad_row_count` counts all.

    `shrunk_from` is set when the listing suddenly holds less than half of what it used to.
    """

    account: str
    listed: int = 0
    new: int = 0
    pages: int = 0
    total: int | None = None
    is_sweep: bool = False
    shrunk_from: int | None = None
    in_progress: set[str] = field(default_factory=set)
    bad_row_count: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)


def walk(archive: Archive, account: Account, options: WalkOptions, links: LiveLinks) -> WalkReport:
    """List one account into the index; raises ProviderError when the walk breaks off."""
    now = archive.clock()
    record = ledger.load_account(archive.index, account.name, account.provider.name)
    report = WalkReport(account=account.name, is_sweep=_must_sweep(record, account, options, now))
    is_whole = _list(archive, account, options, links, record, report) and options.since is None
    _ask_again(archive, account, report, links)
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
        seen = _record(archive, account, page, links, report, now)
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


def _record(
    archive: Archive,
    account: Account,
    page: Page,
    links: LiveLinks,
    report: WalkReport,
    now: datetime,
) -> list[listed.Seen]:
    bad_rows = [row for row in page.rows if isinstance(row, BadRow)]
    generations = [row for row in page.rows if isinstance(row, Generation)]
    entries = []
    for generation in generations:
        try:
            entries.append(_judge(archive, account, generation))
        except (KeyInvalid, ValueError, OverflowError) as error:
            bad_rows.append(BadRow(id=generation.id, reason=str(error)))
    seen = listed.record_page(archive.index, entries, archive.roles, now)
    report.in_progress |= {one.generation.id for one in seen if one.state is State.IN_PROGRESS}
    for one in seen:
        if one.state is State.PENDING and account.provider.capabilities.listing_has_media:
            links.put(one.number, one.generation)
    report.pages += 1
    report.listed += len(seen)
    report.new += sum(one.is_new for one in seen)
    report.total = page.total if page.total is not None else report.total
    _count_bad_rows(report, bad_rows)
    return seen


def _judge(archive: Archive, account: Account, generation: Generation) -> listed.Listed:
    has_media = account.provider.capabilities.listing_has_media
    return listed.Listed(
        generation=generation,
        fingerprint=_fingerprint(generation, has_media),
        stem=keys.make_stem(archive.layout, generation),
        deadline_at=account.deadline_of(generation),
        assets=generation.assets if has_media else None,
        excluded_because=account.exclusion_of(generation),
    )


def _fingerprint(generation: Generation, has_media: bool) -> str:
    """Digest what a sidecar tells, without what changes at every listing (links, progress)."""
    told = (
        generation.kind,
        generation.status,
        generation.model,
        generation.prompt,
        generation.negative_prompt,
        generation.name,
        str(generation.expires_at),
        str(generation.completed_at),
        str(generation.error),
        sorted(asset.key for asset in generation.assets) if has_media else None,
    )
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _ask_again(archive: Archive, account: Account, report: WalkReport, links: LiveLinks) -> None:
    """Ask by id for what was in progress and was not just listed: it may be anywhere by now."""
    refusals = 0
    for generation_id in queries.in_progress(archive.index, account.name):
        if generation_id in report.in_progress:
            continue
        [known] = queries.by_id(archive.index, generation_id, account.name)
        try:
            generation = account.provider.detail(generation_id, known.listed_record)
        except GenerationNotFound as error:
            _record_vanished(archive, known, error)
            continue
        except (AnswerInvalid, ProviderUnavailable, CredentialsRejected) as error:
            _count_bad_rows(report, [BadRow(id=generation_id, reason=str(error))])
            refusals += 1
            if refusals >= MAX_REFUSALS:
                raise
            continue
        page = Page(rows=(generation,), total=None, next_cursor=None)
        _record(archive, account, page, links, WalkReport(account=account.name), archive.clock())


def _record_vanished(archive: Archive, known: Known, error: GenerationNotFound) -> None:
    """Note the loss, and make the generation due: its sidecar keeps the prompt."""
    now = archive.clock()
    reason = f"vanished while it was in progress: {error}"
    waiting = [one for one in known.assets if one.state in (State.PENDING, State.FAILED)]
    outcome = captured.Captured(
        state=State.LOST,
        reason=reason,
        fingerprint=known.fingerprint,
        missing=tuple(Lost(reason, error.http_status).of(one.asset, now) for one in waiting),
        next_try_at=now,
    )
    captured.record(archive.index, known.number, outcome, now)


def _count_bad_rows(report: WalkReport, rows: list[BadRow]) -> None:
    report.bad_row_count += len(rows)
    report.bad_rows += rows[: MAX_SHOWN_ROWS - len(report.bad_rows)]
