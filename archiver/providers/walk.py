"""The walk over a listing with page numbers, which must end whatever the server does.

Three of the four services number their pages and say little about the end: an empty page, a
404, the last page again, the first page for ever. Keeps promise 3: the walk goes on for as long
as a page holds anything new, and ends at the first one that does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from archiver.errors import AnswerInvalid, GenerationNotFound
from archiver.model import Generation, Page
from archiver.providers.base import read_rows
from archiver.providers.fields import Row, stated_id

_QUERY = re.compile(r"\?[^\s\"']*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One answer of a numbered listing, and how many records it was asked for.

    `last_page` is the server's word, None without one.
    """

    records: tuple[object, ...]
    page_size: int
    total: int | None = None
    last_page: int | None = None


def walk_numbered(
    fetch: Callable[[int], Listing],
    parse: Callable[[Row], Generation],
    id_name: str,
    first: int = 1,
) -> Iterator[Page]:
    """Fetch page after page from number `first`; the cursor of a page is the next number.

    Ends at an empty page or a 404, at a page without any new `id_name`, or behind the last one.
    A `total` ends it only when as many ids were seen and the page is short: alone it may mean
    something else.
    """
    seen: set[str] = set()
    for number in count(first):
        listing = _fetch(fetch, number)
        new = {fingerprint(record, id_name) for record in listing.records} - seen
        if not new and number > first:
            return
        seen |= new
        is_last = not new or _is_last(listing, number, len(seen))
        yield Page(
            rows=read_rows(listing.records, parse),
            total=listing.total,
            next_cursor=None if is_last else str(number + 1),
        )
        if is_last:
            return


def page_number(cursor: str | None) -> int:
    """Read a cursor of `walk_numbered`; a walk without one starts at page 1."""
    if cursor is None:
        return 1
    if not cursor.isascii() or not cursor.isdecimal() or int(cursor) < 1:
        raise AnswerInvalid(f"{cursor[:40]!r} is no page number: start the walk anew")
    return int(cursor)


def fingerprint(record: object, id_name: str) -> str:
    """Tell records apart within one walk: by id, or by content less queries where none is."""
    found = stated_id(record, id_name) if isinstance(record, Mapping) else None
    return f"id {found}" if found else _QUERY.sub("", repr(record))


def records_of(provider: str, answer: object, name: str) -> tuple[object, ...]:
    """Take the list out of an answer's envelope; raises AnswerInvalid when there is none."""
    found = answer.get(name) if isinstance(answer, Mapping) else None
    if isinstance(found, list):
        return tuple(found)
    came = (
        f"an object with {_names(answer)}" if isinstance(answer, Mapping) else type(answer).__name__
    )
    raise AnswerInvalid(f"{provider} answered a listing without a list {name!r}: {came} came")


def listing_missing(error: GenerationNotFound) -> AnswerInvalid:
    """Make the error for a listing that is not there: no history is empty for that reason."""
    return AnswerInvalid(f"{error}; if the API moved, set base_url", http_status=error.http_status)


def _fetch(fetch: Callable[[int], Listing], number: int) -> Listing:
    try:
        return fetch(number)
    except GenerationNotFound as error:
        if number > 1:
            return Listing(records=(), page_size=0)
        raise listing_missing(error) from None


def _names(answer: Row) -> str:
    return ", ".join(repr(str(name)[:40]) for name in list(answer)[:8]) or "no fields"


def _is_last(listing: Listing, number: int, seen: int) -> bool:
    if listing.last_page:
        return number >= listing.last_page
    is_short = len(listing.records) < listing.page_size
    return listing.total is not None and seen >= listing.total and is_short
