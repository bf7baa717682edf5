"""The walk over page numbers ends where it should, and no earlier."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable

import pytest

from archiver.errors import AnswerInvalid, ProviderUnavailable
from archiver.model import Generation, Kind, Status
from archiver.providers.fields import Row, identity
from archiver.providers.walk import Listing, Seen, page_number, walk_numbered

from .fakes import missing


def generation(row: Row) -> Generation:
    """Read a row that is nothing but an id."""
    return Generation(
        provider="p",
        account="a",
        id=identity(row, "id"),
        kind=Kind.OTHER,
        status=Status.COMPLETED,
        created_at=None,
    )


def walk(fetch: Callable[[int], Listing], first: int = 1) -> list[list[str | None]]:
    """Walk at most ten pages, and list the ids of each."""
    pages = itertools.islice(walk_numbered(fetch, generation, "id", first), 10)
    return [[row.id for row in page.rows] for page in pages]


def listing(*ids: str, total: int | None = None, last_page: int | None = None) -> Listing:
    """Make an answer to a request for two rows."""
    records = tuple({"id": name} for name in ids)
    return Listing(records=records, page_size=2, total=total, last_page=last_page)


def test_a_404_behind_the_first_page_ends_the_walk() -> None:
    """Past the end some servers answer 404: that is no failure of the run."""

    def fetch(number: int) -> Listing:
        if number == 2:
            raise missing("/list")
        return listing("a", "b", total=9)

    assert walk(fetch) == [["a", "b"]]


def test_other_errors_behind_the_first_page_are_raised() -> None:
    """A walk that broke off never looks like one that ended."""

    def fetch(number: int) -> Listing:
        if number == 2:
            raise ProviderUnavailable("503")
        return listing("a", "b")

    with pytest.raises(ProviderUnavailable):
        walk(fetch)


def test_a_server_that_repeats_its_last_page_is_left() -> None:
    """A page number beyond the end that gives the last page again adds nothing."""
    pages = {1: listing("a", "b"), 2: listing("c", "d")}

    assert walk(lambda number: pages[min(number, 2)]) == [["a", "b"], ["c", "d"]]


def test_a_short_page_alone_does_not_end_a_walk() -> None:
    """Servers cap the page size: without a total only two empty pages are the end."""
    pages = [listing("a"), listing("b"), listing(), listing()]

    assert walk(lambda number: pages[number - 1]) == [["a"], ["b"]]


def test_a_total_that_means_the_page_loses_nothing() -> None:
    """A "total" equal to a full page is not believed: it may count that page only."""
    pages = [listing("a", "b", total=2), listing("c", "d", total=2), *[listing(total=0)] * 2]

    assert walk(lambda number: pages[number - 1]) == [["a", "b"], ["c", "d"]]


def test_one_page_without_anything_new_does_not_end_a_walk() -> None:
    """A page that came back empty, or twice, may be a slip: the one behind it is read as well."""
    pages = [listing("a", "b"), listing(), listing("c", "d"), listing("c", "d"), listing("e")]
    pages += [listing(), listing()]

    assert walk(lambda number: pages[number - 1]) == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize("total", [0, 1])
def test_a_total_that_more_rows_contradict_is_not_believed(total: int) -> None:
    """More rows than the server counts prove that it does not count them."""
    pages = [listing("a", "b", total=total, last_page=total), listing("c", total=total)]
    pages += [listing(), listing()]

    assert walk(lambda number: pages[number - 1]) == [["a", "b"], ["c"]]


def test_rows_that_shifted_do_not_count_twice() -> None:
    """A new item pushes a seen row to the next page: the walk still reaches the tail."""
    pages = [listing("b", "c", total=3), listing("c", "d", total=4), listing("e", total=4)]

    assert walk(lambda number: pages[number - 1]) == [["b", "c"], ["c", "d"], ["e"]]


def test_the_last_page_is_not_asked_beyond() -> None:
    """Where the server counts its pages, no request is made behind the last."""
    pages = [listing("a", "b", last_page=2), listing("c", "d", last_page=2)]

    assert walk(lambda number: pages[number - 1]) == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize("cursor", ["", "0", "-1", "x", "1.5", "²", "1:1"])
def test_a_cursor_that_is_no_page_number_is_refused(cursor: str) -> None:
    """A cursor from elsewhere is an error, not a walk from the start."""
    with pytest.raises(AnswerInvalid, match="no page number"):
        page_number(cursor)


def test_what_was_seen_is_known_by_nine_bytes_each() -> None:
    """A walk over a long history counts each row once, and memory hardly tells how long it was."""
    names = [f"id {number:036d}" for number in range(100_000)]
    seen = Seen()
    tracemalloc.start()
    try:
        assert all(map(seen.add, names))
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not any(map(seen.add, names))
    assert len(names) == seen.count
    assert taken_bytes < 12 * len(names)


def test_a_digest_between_two_others_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests lie side by side: what begins in the middle of one is none."""

    class Made:
        def __init__(self, text: bytes, digest_size: int) -> None:
            self._text = text[:digest_size]

        def digest(self) -> bytes:
            return self._text

    monkeypatch.setattr("archiver.providers.walk.hashlib.blake2b", Made)
    seen = Seen()
    assert seen.add("__12345678")
    assert seen.add("__abcdefgh")
    assert seen.add("__5678abcd")
    assert seen.add("__efgh5678")
    assert [False, False] == [seen.add("__5678abcd"), seen.add("__12345678")]
