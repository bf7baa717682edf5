"""Hints: each event counts once, and none goes away before it is heeded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from archiver.index import Index, hints, open_index
from tests.index.making import LATER, NOW

SECOND = timedelta(seconds=1)
ALL = ("studio", "farm")


def ids(index: Index, accounts: Sequence[str] = ALL) -> list[str]:
    """The generations that hints are waiting for now."""
    return [one.generation_id for one in hints.waiting(index, LATER, 10, accounts)]


def test_an_event_counts_once(index: Index) -> None:
    """Repeated, or replayed after its hint was heeded, it changes nothing."""
    assert hints.add(index, "studio", "g1", "e1", NOW)
    assert not hints.add(index, "studio", "g1", "e1", LATER)
    hints.done(index, "studio", "g1")

    assert not hints.add(index, "studio", "g1", "e1", LATER)
    assert [] == ids(index)


def test_accounts_do_not_share_events_nor_generations(index: Index) -> None:
    """The same words of two services mean two things."""
    assert hints.add(index, "studio", "g1", "e1", NOW)
    assert hints.add(index, "farm", "g1", "e1", NOW)

    hints.done(index, "studio", "g1")

    assert ["farm"] == [one.account for one in hints.waiting(index, NOW, 10, ALL)]


def test_the_oldest_comes_first_and_a_limit_holds(index: Index) -> None:
    """Accounts that are not named are passed over."""
    for number, account in enumerate(("studio", "farm", "studio", "farm")):
        hints.add(index, account, f"g{number}", f"e{number}", NOW - number * SECOND)

    assert ["g3", "g2"] == [one.generation_id for one in hints.waiting(index, NOW, 2, ALL)]
    assert ["g2", "g0"] == ids(index, ["studio"])


def test_what_was_tried_in_vain_waits(index: Index) -> None:
    """Its tries are counted; a limit in time is kept to the microsecond."""
    hints.add(index, "studio", "g1", "e1", NOW)
    [hint] = hints.waiting(index, NOW, 10, ALL)

    hints.later(index, hint, NOW + SECOND)

    assert [] == hints.waiting(index, NOW, 10, ALL)
    assert [1] == [one.tries for one in hints.waiting(index, NOW + SECOND, 10, ALL)]


def test_news_while_a_hint_is_in_hand_are_not_lost(index: Index) -> None:
    """Another event of the same generation is due at once, whatever becomes of the first one."""
    hints.add(index, "studio", "g1", "started", NOW)
    [hint] = hints.waiting(index, NOW, 10, ALL)
    assert hints.add(index, "studio", "g1", "completed", NOW + SECOND)

    hints.later(index, hint, LATER + SECOND)
    hints.done(index, "studio", "g1", hint.received_at)

    [left] = hints.waiting(index, NOW + SECOND, 10, ALL)
    assert (0, NOW + SECOND) == (left.tries, left.received_at)


def test_an_account_that_cannot_be_asked_waits_as_a_whole(index: Index) -> None:
    """In one statement, without counting a try; what waits for longer is left so."""
    for number in range(3):
        hints.add(index, "studio", f"g{number}", f"e{number}", NOW)
    hints.add(index, "farm", "g9", "e9", NOW)
    far = hints.waiting(index, NOW, 10, ["studio"])[0]
    hints.later(index, far, LATER + SECOND)

    hints.put_off(index, "studio", NOW + SECOND)

    assert ["g9"] == [one.generation_id for one in hints.waiting(index, NOW, 10, ALL)]
    assert ["g1", "g2", "g9"] == sorted(ids(index))
    assert {0} == {one.tries for one in hints.waiting(index, LATER, 10, ALL)}


def test_one_event_of_two_generations_is_two(index: Index) -> None:
    """A signature may cover the event alone: around another body it hides no genuine one."""
    assert hints.add(index, "studio", "no-such-id", "e1", NOW)
    assert hints.add(index, "studio", "g1", "e1", NOW)

    assert ["g1", "no-such-id"] == ids(index)


def test_the_events_of_a_hint_that_came_to_nothing_are_news_again(index: Index) -> None:
    """All of its generation, and of no other; its service may send them again."""
    for event in ("started", "completed"):
        hints.add(index, "studio", "g1", event, NOW)
    hints.add(index, "studio", "g2", "completed", NOW)
    [hint] = [one for one in hints.waiting(index, NOW, 10, ALL) if one.generation_id == "g1"]

    hints.give_up(index, hint)

    assert ["g2"] == ids(index)
    assert hints.add(index, "studio", "g1", "started", LATER)
    assert hints.add(index, "studio", "g1", "completed", LATER)
    assert not hints.add(index, "studio", "g2", "completed", LATER)


def test_a_hint_that_was_repeated_since_is_not_given_up(index: Index) -> None:
    """Nor are its events forgotten: it goes on for both."""
    hints.add(index, "studio", "g1", "started", NOW)
    [hint] = hints.waiting(index, NOW, 10, ALL)
    hints.add(index, "studio", "g1", "completed", NOW + SECOND)

    hints.give_up(index, hint)

    assert ["g1"] == ids(index)
    assert not hints.add(index, "studio", "g1", "started", LATER)


def test_each_account_has_its_next_time(index: Index) -> None:
    """The earliest of its hints; an account without any has none."""
    assert {} == hints.next_at(index)
    hints.add(index, "studio", "g1", "e1", NOW + SECOND)
    hints.add(index, "studio", "g2", "e2", NOW)
    hints.add(index, "farm", "g3", "e3", LATER)

    assert {"studio": NOW, "farm": LATER} == hints.next_at(index)


def test_what_is_old_is_forgotten_and_what_is_new_is_not(index: Index) -> None:
    """The tables do not grow for ever: neither events, nor hints that nobody takes up."""
    hints.add(index, "studio", "g1", "old", NOW)
    hints.add(index, "studio", "g2", "new", NOW + SECOND)

    hints.forget_old(index, NOW + SECOND + hints.KEPT)

    assert ["g2"] == ids(index)
    assert hints.add(index, "studio", "g1", "old", LATER)
    assert not hints.add(index, "studio", "g2", "new", LATER)


def test_a_hint_is_durable_when_it_was_added(tmp_path: Path) -> None:
    """Whoever opens the index next has it."""
    with closing(open_index(tmp_path, create=True)) as index:
        hints.add(index, "studio", "g1", "e1", NOW)
        with closing(open_index(tmp_path)) as other:
            assert ["g1"] == ids(other)
