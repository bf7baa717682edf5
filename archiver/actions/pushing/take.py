"""Takes one generation into the index from the moment it is known (promise 3).

It is recorded as a listing would: the rules of its account count, and the next walk finds it
known. That is durable before anything is fetched, so a kill from here on loses nothing.
"""

from __future__ import annotations

from archiver.actions.archive import Account, Archive
from archiver.actions.listing.links import LiveLinks
from archiver.actions.listing.page import WalkReport, take_page
from archiver.errors import AnswerInvalid
from archiver.index import captured, ledger, queries
from archiver.index.rows import Known
from archiver.model import Generation, Page


def take(
    archive: Archive, account: Account, generation: Generation, links: LiveLinks | None = None
) -> Known:
    """Record one generation, and return it as the index has it then.

    What is due is marked as one that may be committed: it is captured outside of a run, and a
    kill between its sidecar and its row must be found. `links` get those it came with. Raises
    AnswerInvalid when no name can be made for its files.
    """
    report = WalkReport(account=account.name)
    page = Page(rows=(generation,), total=None, next_cursor=None)
    with archive.index.transaction():
        seen = take_page(archive, account, page, links or LiveLinks(), report, archive.clock())
        if not seen:
            reason = report.bad_rows[0].reason
            raise AnswerInvalid(f"{account.name}/{generation.id} cannot be kept: {reason}")
        [one] = seen
        if one.is_new:
            ledger.expect_one_more(archive.index, account.name)
        captured.suspect(archive.index, one.number)
    return queries.load(archive.index, one.number)
