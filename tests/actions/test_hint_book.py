"""How a hint ends: what came to nothing is asked for some times, and may be told of again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from archiver.actions.pushing.hint_book import (
    KNOWN,
    LEFT,
    MOST_MISSES,
    MOST_TRIES,
    NOT_FOUND,
    HintBook,
)
from archiver.index import Index, counters, hints
from archiver.index.hints import Hint
from tests.index.conftest import index  # noqa: F401  # a fixture
from tests.index.making import NOW

STUDIO = ("studio",)
End = Callable[[HintBook, Hint], None]


def ended_after(index: Index, end: End) -> int:  # noqa: F811
    """Have a hint end so each time that it is due, and count how often that was."""
    book, now = HintBook(index), NOW
    for times in range(100):
        found = book.waiting(now, 1, STUDIO)
        if not found:
            return times
        for hint in found:
            book.take(hint)
            end(book, hint)
        book.write(now)
        now = max(now, hints.next_at(index).get("studio", now))
    raise AssertionError("it never ends")


@pytest.mark.parametrize(
    ("end", "times", "how"),
    [
        (lambda book, hint: book.miss(hint), MOST_MISSES, NOT_FOUND),
        (lambda book, hint: book.postpone(hint), MOST_TRIES, LEFT),
    ],
    ids=[NOT_FOUND, LEFT],
)
def test_what_came_to_nothing_may_be_told_of_again(
    index: Index,  # noqa: F811
    end: End,
    times: int,
    how: str,
) -> None:
    """It is tried some times and counted once; the service's own retry is heard then."""
    assert hints.add(index, "studio", "g1", "e1", NOW)

    assert times == ended_after(index, end)

    assert {how: 1} == {one.reason: many for one, many in counters.load(index).items()}
    assert hints.add(index, "studio", "g1", "e1", later())


def test_what_was_safe_already_is_not_told_of_again(index: Index) -> None:  # noqa: F811
    """A repeated event changes nothing where its hint came to something."""
    hints.add(index, "studio", "g1", "e1", NOW)

    assert 1 == ended_after(index, lambda book, hint: book.settle(hint, KNOWN))

    assert not hints.add(index, "studio", "g1", "e1", later())


def later() -> datetime:
    """A time when all of that is over."""
    return NOW + timedelta(hours=1)
