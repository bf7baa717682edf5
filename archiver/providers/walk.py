"""The walk over a listing with page numbers, which must end whatever the server does.

Three of the four services number their pages and say little about the end: an empty page, a
404, the last page again, the first page for ever. Keeps promise 3: the walk goes on for as long
as a page holds anything new, and ends at the second in a row that does not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from archiver.errors import AnswerInvalid, GenerationNotFound
from archiver.model import Generation, Page
from archiver.providers.base import read_rows
from archiver.providers.fields import Row, stated_id

MAX_BARREN_PAGES = 2
"""So many pages in a row without anything new end a walk."""
_QUERY = re.compile(r"\?[^\s\"']*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One answer of a numbered listing, and how many records it was asked for.

    `last_page` is the server's word, None without one; `is_end` tells a page that is not there.
    """

    records: tuple[object, ...]
    page_size: int
    total: int | None = None
    last_page: int | None = None
    is_end: bool = False


def walk_numbered(
    fetch: Callable[[int], Listing],
    parse: Callable[[Row], Generation],
    id_name: str,
    first: int = 1,
) -> Iterator[Page]:
    """Fetch page after page from number `first`; the cursor of a page is the next number.

    Ends at a 404, and where `_is_last` says so: one page without any new `id_name` may be a
    slip of the server, and what it states of its numbers is believed only as far as it agrees
    with the rows that came.
    """
    seen = Seen()
    barren = 0
    for number in count(first):
        listing = _fetch(fetch, number)
        new = sum(seen.add(fingerprint(record, id_name)) for record in listing.records)
        barren = 0 if new else barren + 1
        is_told = _is_last(listing, number, seen.count if first == 1 else None)
        is_last = listing.is_end or is_told or barren >= MAX_BARREN_PAGES
        if new or number == first:
            yield Page(
                rows=read_rows(listing.records, parse),
                total=listing.total,
                next_cursor=None if is_last else str(number + 1),
            )
        if is_last:
            return


class Seen:
    """Remembers what came in a walk, in nine bytes each: a history may have millions (promise 10).

    A digest of 76 bits stands for each text, 12 of which say among which others it is looked for.
    """

    def __init__(self) -> None:
        self.count = 0
        self._digests = [bytearray() for _ in range(1 << 12)]

    def add(self, text: str) -> bool:
        """Remember a text; tells whether it had not come before."""
        made = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).digest()
        digest, others = made[2:], self._digests[int.from_bytes(made[:2]) >> 4]
        place = others.find(digest)
        while place > 0 and place % len(digest):
            place = others.find(digest, place + 1)
        if place >= 0:
            return False
        others += digest
        self.count += 1
        return True


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
            return Listing(records=(), page_size=0, is_end=True)
        raise listing_missing(error) from None


def _names(answer: Row) -> str:
    return ", ".join(repr(str(name)[:40]) for name in list(answer)[:8]) or "no fields"


def _is_last(listing: Listing, number: int, seen: int | None) -> bool:
    """Believe a stated end as far as it agrees with the rows `seen` (None: not from the start).

    A total needs a short page as well: alone it may count that page only.
    """
    agrees = listing.total == seen
    if listing.last_page:
        return number >= listing.last_page and (agrees or None in (listing.total, seen))
    return agrees and seen is not None and len(listing.records) < listing.page_size
