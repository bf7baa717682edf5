"""Asks by id for what was in progress and was not just listed: it may be anywhere by now.

Items finish days later, deep in a history where an early stop never looks (promise 3). The longer
one has been in the making, the longer the wait until it is asked for again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from archiver.actions.archive import Account, Archive
from archiver.actions.listing.links import LiveLinks
from archiver.actions.listing.page import WalkReport, count_bad_rows, take_page
from archiver.errors import (
    AnswerInvalid,
    CredentialsRejected,
    GenerationNotFound,
    ProviderUnavailable,
)
from archiver.index import captured, listed, queries
from archiver.index.rows import Known
from archiver.model import BadRow, Page
from archiver.states import DUE_STATES, Event

SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=10), timedelta(hours=6)
MAX_REFUSALS = 3
"""One item that cannot be asked for is its own affair; so many are the account's."""


def ask_for_unfinished(
    archive: Archive,
    account: Account,
    report: WalkReport,
    links: LiveLinks,
    at_most: int | None = None,
) -> None:
    """Ask for each whose time has come; raises ProviderError when the account does not answer."""
    refusals = 0
    due = queries.in_progress(archive.index, account.name, archive.clock())
    for generation_id in islice(due, at_most):
        if generation_id in report.in_progress:
            continue
        [known] = queries.by_id(archive.index, generation_id, account.name)
        try:
            generation = account.provider.detail(generation_id, known.listed_record)
        except GenerationNotFound as error:
            _miss(archive, known, error)
            continue
        except (AnswerInvalid, ProviderUnavailable, CredentialsRejected) as error:
            count_bad_rows(report, [BadRow(id=generation_id, reason=str(error))])
            refusals += 1
            if refusals >= MAX_REFUSALS:
                raise
            continue
        page = Page(rows=(generation,), total=None, next_cursor=None)
        take_page(archive, account, page, links, WalkReport(account=account.name), archive.clock())
        listed.ask_later(archive.index, known.number, _ask_at(known, archive.clock()))


def _ask_at(known: Known, now: datetime) -> datetime:
    """After a tenth of its age, at most six hours, and never past half of the time that is left."""
    age = now - (known.generation.created_at or now)
    wait = min(max(age / 10, SHORTEST_WAIT), LONGEST_WAIT)
    if known.deadline_at is not None:
        wait = min(wait, max((known.deadline_at - now) / 2, timedelta(0)))
    return now + wait


def _miss(archive: Archive, known: Known, error: GenerationNotFound) -> None:
    """Believe that it is gone when the provider has said so often enough, over an hour."""
    from archiver.actions.capturing.commit import PATIENT_ATTEMPTS

    now, misses = archive.clock(), known.misses + 1
    if misses < PATIENT_ATTEMPTS:
        listed.ask_later(archive.index, known.number, _ask_at(known, now), misses)
    else:
        _record_vanished(archive, known, error)


def _record_vanished(archive: Archive, known: Known, error: GenerationNotFound) -> None:
    """Note the loss, and make the generation due: its sidecar keeps the prompt."""
    from archiver.actions.capturing.download import Lost

    now = archive.clock()
    reason = f"vanished while it was in progress: {error}"
    waiting = [one for one in known.assets if one.state in DUE_STATES]
    outcome = captured.Captured(
        event=Event.PROVEN_GONE,
        reason=reason,
        fingerprint=known.fingerprint,
        missing=tuple(Lost(reason, error.http_status).of(one.asset, now) for one in waiting),
        next_try_at=now,
    )
    captured.record(archive.index, known.number, outcome, now)
