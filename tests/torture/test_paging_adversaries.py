"""Listings shift while they are read, lie and break off, and nothing is missed (promise 3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from archiver.simulator import faults
from archiver.simulator.item import PROVIDERS
from tests.torture.adversary import PAGE_SIZE, Adversary
from tests.torture.ground import SMALL, Ground, sample

ITEMS = 13
BUDGET = 40
"""More requests than any walk over so few rows may need, whatever the server does."""

EARLY_STOPPING = ("geminigen", "sync", "neuralbox")
COUNTING = ("geminigen", "neuralbox")
every_provider = pytest.mark.parametrize("provider", PROVIDERS)
each_way_of_paging = pytest.mark.parametrize("provider", sample(PROVIDERS, "neuralbox", "sync"))
"""Page numbers and a cursor; three of the four services number their pages by the same code."""


def begin(ground: Ground, provider: str, items: int = ITEMS) -> Adversary:
    """Give one provider a history, and put the adversary before its listing."""
    ground.providers = [provider]
    ground.fill(provider, items)
    return Adversary(ground.simulator, provider)


def begin_archived(ground: Ground, provider: str, items: int = ITEMS) -> Adversary:
    """The same, with everything archived; then days pass, so that the look-back is behind."""
    adversary = begin(ground, provider, items)
    assert 0 == ground.run().exit_code
    assert set() == ground.not_archived(provider)
    ground.clock.advance(timedelta(hours=12))
    adversary.rest()
    return adversary


def pass_days(ground: Ground, provider: str, days: float) -> None:
    """Let time pass, with the ordinary runs in between that a user would have."""
    for _ in range(int(days * 2)):
        ground.clock.advance(timedelta(hours=12))
        ground.run()


@every_provider
def test_honest_listing_in_small_pages_is_read_whole(ground: Ground, provider: str) -> None:
    """A server that caps its pages below what was asked for hides nothing."""
    adversary = begin(ground, provider)

    summary = ground.run()

    assert 0 == summary.exit_code, summary.problems
    assert set() == ground.not_archived(provider)
    assert adversary.asked > ITEMS // PAGE_SIZE


@pytest.mark.parametrize("provider", EARLY_STOPPING)
def test_known_history_is_not_read_to_its_end(ground: Ground, provider: str) -> None:
    """A walk that may stop early does: the stories below would prove nothing otherwise."""
    adversary = begin_archived(ground, provider)

    ground.run()

    assert 0 < adversary.asked < ITEMS // PAGE_SIZE + 1


@each_way_of_paging
def test_rows_inserted_while_listing_are_archived_by_the_next_run(
    ground: Ground, provider: str
) -> None:
    """Each page slides down under the reader; what was new meanwhile comes with the next run."""
    adversary = begin(ground, provider)
    for page in (1, 2, 3):
        adversary.before[page] = lambda: ground.simulator.world.add(provider, recipe=SMALL)

    ground.run()
    adversary.rest()
    summary = ground.run()

    assert 0 == summary.exit_code, summary.problems
    assert set() == ground.not_archived(provider)


@each_way_of_paging
@pytest.mark.parametrize("newest", sample([0, 4], 4))
def test_rows_deleted_while_listing_hide_nothing_for_longer_than_a_sweep(
    ground: Ground, provider: str, newest: int
) -> None:
    """A row that slid up to a page that was already read is found by the sweep at the latest."""
    adversary = begin(ground, provider)
    [gone] = ground.simulator.world.page(provider, newest, newest + 1)
    adversary.before[2] = lambda: ground.simulator.world.delete(provider, gone.id)

    ground.run()
    adversary.rest()
    ground.run(sweep=True)

    assert set() == ground.not_archived(provider)


@each_way_of_paging
def test_cursor_row_deleted_while_listing_leaves_no_hole(ground: Ground, provider: str) -> None:
    """The very row at which the next page begins may be the one that goes."""
    adversary = begin(ground, provider)
    [cursor] = ground.simulator.world.page(provider, PAGE_SIZE - 1, PAGE_SIZE)
    adversary.before[2] = lambda: ground.simulator.world.delete(provider, cursor.id)

    ground.run()
    adversary.rest()
    ground.run()

    assert set() == ground.not_archived(provider)


@each_way_of_paging
def test_page_that_is_repeated_hides_nothing_for_longer_than_a_sweep(
    ground: Ground, provider: str
) -> None:
    """A page that comes twice does not look like the end of the history for good."""
    adversary = begin(ground, provider)
    rows: list[Any] = []
    adversary.edit[1] = lambda page: rows.extend(page) or page  # type: ignore[func-returns-value]
    adversary.edit[2] = lambda page: rows

    ground.run()
    adversary.rest()
    ground.run(sweep=True)

    assert set() == ground.not_archived(provider)


@each_way_of_paging
def test_empty_page_in_the_middle_is_no_end(ground: Ground, provider: str) -> None:
    """One page that comes back empty hides at most its own rows, and those until the sweep."""
    adversary = begin(ground, provider, 5 * PAGE_SIZE - 2)
    adversary.edit[2] = lambda page: []

    ground.run()
    missed = len(ground.not_archived(provider))
    adversary.rest()
    ground.run(sweep=True)

    assert missed <= 2 * PAGE_SIZE  # an id and a file each
    assert set() == ground.not_archived(provider)


@each_way_of_paging
@pytest.mark.parametrize("rows", sample([1, PAGE_SIZE - 1], 1))
def test_short_page_in_the_middle_is_no_end(ground: Ground, provider: str, rows: int) -> None:
    """A page with fewer rows than the others hides at most what it left out, until the sweep."""
    adversary = begin(ground, provider, 5 * PAGE_SIZE - 2)
    adversary.edit[2] = lambda page: page[:rows]

    ground.run()
    missed = len(ground.not_archived(provider))
    adversary.rest()
    ground.run(sweep=True)

    assert missed <= 2 * (PAGE_SIZE - rows)
    assert set() == ground.not_archived(provider)


TOTALS: dict[str, Callable[[int], int | None]] = {
    "too small": lambda total: max(1, total // 3),
    "too large": lambda total: total * 3 + 7,
    "zero": lambda total: 0,
    "missing": lambda total: None,
}


@pytest.mark.parametrize("provider", ["geminigen", "oxen", "neuralbox"])
@pytest.mark.parametrize("lie", sample(list(TOTALS), "zero", "missing"))
def test_wrong_total_hides_nothing(ground: Ground, provider: str, lie: str) -> None:
    """What a server says about its numbers never ends a walk before the rows do."""
    adversary = begin(ground, provider)
    adversary.totals = TOTALS[lie]

    ground.run()

    assert set() == ground.not_archived(provider)
    assert adversary.asked < BUDGET

    ground.simulator.world.add(provider, recipe=SMALL)
    ground.clock.advance(timedelta(minutes=15))
    ground.run()
    assert set() == ground.not_archived(provider)


@pytest.mark.parametrize("provider", COUNTING)
@pytest.mark.parametrize("damage", sample(["empty", "repeated"], "repeated"))
def test_walk_that_saw_less_than_the_total_is_followed_by_a_sweep(
    ground: Ground, provider: str, damage: str
) -> None:
    """A total that disagrees with the index sends the next run through the whole history."""
    adversary = begin(ground, provider)
    rows: list[Any] = []
    adversary.edit[2] = lambda page: rows.extend(page) or page  # type: ignore[func-returns-value]
    adversary.edit[3] = lambda page: [] if damage == "empty" else rows

    ground.run()
    adversary.rest()
    ground.clock.advance(timedelta(minutes=15))
    ground.run()

    assert set() == ground.not_archived(provider)


@each_way_of_paging
def test_server_that_ignores_the_cursor_ends_the_walk_and_loses_nothing(
    ground: Ground, provider: str
) -> None:
    """The first page for ever is no endless walk; an honest sweep finds the rest."""
    adversary = begin(ground, provider)
    adversary.forgets_cursor = True

    ground.run()
    asked = adversary.asked
    adversary.rest()
    ground.run(sweep=True)

    assert asked < BUDGET
    assert set() == ground.not_archived(provider)


@every_provider
@pytest.mark.parametrize("outcome", sample(["completed", "failed"], "completed"))
def test_item_that_finishes_days_later_deep_in_the_list_is_archived_without_a_sweep(
    ground: Ground, provider: str, outcome: Any
) -> None:
    """What was in progress is asked for by id until it ends, however deep it lies by then."""
    ground.sweep_every = "15d"
    adversary = begin_archived(ground, provider)
    slow = ground.simulator.world.add(provider, state="processing", recipe=SMALL)
    pass_days(ground, provider, 1)
    for _ in range(3 * PAGE_SIZE):
        ground.simulator.world.add(provider, recipe=SMALL)
        ground.clock.advance(timedelta(hours=5))
    ground.run()

    ground.simulator.world.finish(provider, slow.id, outcome)
    adversary.rest()
    summary = ground.run()

    assert 0 == summary.exit_code, summary.problems
    assert set() == ground.not_archived(provider)
    assert not summary.total("in_progress")


@every_provider
def test_item_that_surfaces_late_at_the_end_is_archived_by_the_sweep(
    ground: Ground, provider: str
) -> None:
    """A row that appears at the far end, older than all that is known, waits for no longer."""
    begin_archived(ground, provider)
    ground.simulator.world.add(
        provider, created_at=ground.clock() - timedelta(days=ITEMS + 5), recipe=SMALL
    )

    pass_days(ground, provider, 1.5)

    assert set() == ground.not_archived(provider)


@pytest.mark.parametrize("provider", COUNTING)
def test_item_that_surfaces_late_is_archived_at_once_where_the_total_tells(
    ground: Ground, provider: str
) -> None:
    """A total that grew by more than what was found sends the walk on."""
    ground.sweep_every = "15d"
    begin_archived(ground, provider)
    world = ground.simulator.world
    world.add(provider, created_at=ground.clock() - timedelta(days=ITEMS + 5), recipe=SMALL)
    world.add(provider, recipe=SMALL)

    ground.run()

    assert set() == ground.not_archived(provider)


@each_way_of_paging
@pytest.mark.parametrize("hours", sample([-30 * 24 + 1, -72, -5, 5, 72], -72, 5))
def test_provider_whose_clock_disagrees_loses_nothing(
    ground: Ground, provider: str, hours: int
) -> None:
    """Times of creation in the future or far in the past neither stop a walk nor hide a row."""
    ground.sweep_every = "15d"
    ground.simulator.world.retention = dict.fromkeys(PROVIDERS)
    begin_archived(ground, provider)

    for _ in range(PAGE_SIZE + 2):
        ground.simulator.world.add(
            provider,
            created_at=ground.clock() + timedelta(hours=hours),
            finishes_at=ground.clock(),
            recipe=SMALL,
        )
    ground.run()
    if hours < 0:  # such rows come in among the known ones: only a sweep is promised to see them
        ground.run(sweep=True)

    assert set() == ground.not_archived(provider)


@every_provider
@pytest.mark.parametrize("dies_at", sample([1, 2, 3], 2))
def test_interrupted_first_walk_leaves_no_gap(ground: Ground, provider: str, dies_at: int) -> None:
    """What a listing told before it broke off is kept, and the next run reads all of it."""
    ground.sweep_every = "15d"
    adversary = begin(ground, provider)
    adversary.dies_at = dies_at

    broken = ground.run()
    adversary.rest()
    ground.clock.advance(timedelta(days=3))
    summary = ground.run()

    assert 3 == broken.exit_code
    assert 0 == summary.exit_code, summary.problems
    assert set() == ground.not_archived(provider)


@every_provider
@pytest.mark.parametrize("deleted", sample([1, 2 * PAGE_SIZE], 2 * PAGE_SIZE))
def test_rows_deleted_where_an_interrupted_walk_would_go_on_leave_no_gap(
    ground: Ground, provider: str, deleted: int
) -> None:
    """The place at which a walk broke off may be gone when the next run comes back to it."""
    ground.sweep_every = "15d"
    adversary = begin(ground, provider, 4 * PAGE_SIZE + 1)
    adversary.dies_at = 4
    ground.run()

    for item in ground.simulator.world.page(provider, 2 * PAGE_SIZE - deleted, 2 * PAGE_SIZE):
        ground.simulator.world.delete(provider, item.id)
    adversary.rest()
    for _ in range(3):
        ground.clock.advance(timedelta(hours=1))
        ground.run()

    assert set() == ground.not_archived(provider)


@every_provider
def test_listing_that_breaks_off_each_time_keeps_nothing_back_that_it_told(
    ground: Ground, provider: str
) -> None:
    """A page that never comes costs what stands behind it, not the pages before it."""
    ground.concurrency = 1
    slow = faults.slow(0.1)  # the listing is over long before the files are
    ground.simulator.faults.add(slow, host="media", times=None)
    adversary = begin(ground, provider)
    adversary.dies_at = 3
    told = ground.simulator.world.page(provider, 0, 2 * PAGE_SIZE)

    summary = ground.run()

    assert 3 == summary.exit_code
    assert {item.id for item in told}.isdisjoint(ground.not_archived(provider))


@every_provider
@pytest.mark.parametrize("times", sample([1, 3], 1))
def test_stop_at_first_known_after_interrupted_runs_leaves_no_permanent_hole(
    ground: Ground, provider: str, times: int
) -> None:
    """New rows on a first page that is known now do not hide those behind it (the famous story)."""
    ground.sweep_every = "15d"
    adversary = begin_archived(ground, provider)
    for _ in range(2 * PAGE_SIZE + 2):
        ground.clock.advance(timedelta(hours=1))
        ground.simulator.world.add(provider, recipe=SMALL)
    adversary.dies_at = 2
    for _ in range(times):
        ground.run()
        ground.clock.advance(timedelta(hours=1))

    adversary.rest()
    ground.clock.advance(timedelta(days=3))
    summary = ground.run()

    assert 0 == summary.exit_code, summary.problems
    assert set() == ground.not_archived(provider)


@every_provider
@pytest.mark.parametrize("dies_at", sample([(5, 2), (5, 1), (3, 4), (6, 2, 3)], (5, 2)))
def test_walks_that_break_off_one_after_the_other_leave_no_gap_between_them(
    ground: Ground, provider: str, dies_at: tuple[int, ...]
) -> None:
    """Each leaves a gap of its own, and all of them are closed, without waiting for a sweep."""
    ground.sweep_every = "15d"
    ground.simulator.world.retention = dict.fromkeys(PROVIDERS)
    adversary = begin(ground, provider, 6 * PAGE_SIZE)
    for page in dies_at:
        adversary.dies_at = page
        ground.run()
        adversary.rest()
        for _ in range(4 * PAGE_SIZE):
            ground.clock.advance(timedelta(minutes=5))
            ground.simulator.world.add(provider, recipe=SMALL)

    ground.clock.advance(timedelta(days=5))
    summaries = [ground.run() for _ in range(3)]

    assert [0, 0, 0] == [one.exit_code for one in summaries], summaries[0].problems
    assert set() == ground.not_archived(provider)


@every_provider
def test_walk_that_goes_on_where_one_broke_off_is_no_alarm(ground: Ground, provider: str) -> None:
    """It lists the rest only, and that is not a history that has shrunk."""
    ground.sweep_every = "6h"
    ground.simulator.world.retention = dict.fromkeys(PROVIDERS)
    adversary = begin_archived(ground, provider, 8 * PAGE_SIZE)
    adversary.dies_at = 7
    ground.run()
    adversary.rest()

    summary = ground.run()

    assert 0 == summary.exit_code, summary.problems


@pytest.mark.parametrize("provider", COUNTING)
def test_history_that_turns_empty_under_an_unchanged_total_is_an_alarm(
    ground: Ground, provider: str
) -> None:
    """The rows that come tell more than the number that is said of them."""
    adversary = begin_archived(ground, provider)
    adversary.totals = lambda _: ITEMS
    for page in range(1, BUDGET):
        adversary.edit[page] = lambda page: []

    summary = ground.run()

    assert 3 == summary.exit_code
    assert any("less than half" in line for line in summary.problems), summary.problems


@pytest.mark.parametrize("provider", COUNTING)
@pytest.mark.parametrize("lie", sample([0, 1], 0))
def test_false_total_beside_all_the_rows_is_no_alarm(
    ground: Ground, provider: str, lie: int
) -> None:
    """A number alone frightens nobody: the walk goes to the end, and finds all there."""
    adversary = begin_archived(ground, provider)
    adversary.totals = lambda _: lie

    summary = ground.run()

    assert 0 == summary.exit_code, summary.problems


@pytest.mark.parametrize("provider", COUNTING)
def test_page_that_repeats_some_rows_of_another_sends_the_next_run_through_the_history(
    ground: Ground, provider: str
) -> None:
    """Rows are counted once each: as many as the total says are not all of them."""
    ground.sweep_every = "15d"
    adversary = begin(ground, provider, 4 * PAGE_SIZE)
    rows: list[Any] = []
    adversary.edit[2] = lambda page: rows.extend(page) or page  # type: ignore[func-returns-value]
    adversary.edit[3] = lambda page: [*rows[: PAGE_SIZE - 1], *page[PAGE_SIZE - 1 :]]
    ground.run()
    assert set() != ground.not_archived(provider)

    adversary.rest()
    ground.clock.advance(timedelta(days=3))
    ground.run()

    assert set() == ground.not_archived(provider)


@pytest.mark.parametrize("provider", COUNTING)
def test_total_that_is_always_too_large_costs_one_more_sweep_and_no_more(
    ground: Ground, provider: str
) -> None:
    """Twice the same number of rows that never come is how this provider counts."""
    ground.sweep_every = "15d"
    adversary = begin(ground, provider, 5 * PAGE_SIZE)
    adversary.totals = lambda total: total + 7
    for _ in range(2):
        ground.run()
        ground.clock.advance(timedelta(days=3))
    adversary.asked = 0

    ground.run()

    assert 1 == adversary.asked


@every_provider
def test_unfinished_item_that_is_not_found_once_is_not_lost(ground: Ground, provider: str) -> None:
    """One answer may be a slip; what ends well afterwards is archived."""
    ground.sweep_every = "15d"
    adversary = begin_archived(ground, provider)
    slow = ground.simulator.world.add(provider, state="processing", recipe=SMALL)
    ground.run()
    for _ in range(3 * PAGE_SIZE):
        ground.simulator.world.add(provider, recipe=SMALL)
    ground.clock.advance(timedelta(days=3))
    ground.run()
    ground.simulator.faults.add(faults.status(404), host=provider, path=f"*{slow.id}*", times=1)

    missed = ground.run()
    ground.simulator.world.finish(provider, slow.id, "completed")
    adversary.rest()
    found = ground.run()

    assert 0 == missed.total("lost")
    assert 0 == found.exit_code, found.problems
    assert set() == ground.not_archived(provider)


@pytest.mark.parametrize("order", sample(["oldest", "shuffled"], "shuffled"))
@each_way_of_paging
def test_listing_in_another_order_than_documented_hides_nothing_for_longer_than_a_sweep(
    ground: Ground, provider: str, order: Any
) -> None:
    """No vendor but one documents an order: a wrong guess costs a sweep's delay, never a file."""
    ground.simulator.switches.order = order
    begin_archived(ground, provider)
    for _ in range(PAGE_SIZE + 1):
        ground.simulator.world.add(provider, recipe=SMALL)

    pass_days(ground, provider, 1.5)

    assert set() == ground.not_archived(provider)


@each_way_of_paging
def test_end_that_is_answered_with_not_found_is_an_end(ground: Ground, provider: str) -> None:
    """A page behind the last one may be a 404: the walk was whole all the same."""
    ground.simulator.switches.past_end = "not_found"
    adversary = begin(ground, provider, 2 * PAGE_SIZE)

    summary = ground.run()
    asked, adversary.asked = adversary.asked, 0
    ground.clock.advance(timedelta(hours=12))
    again = ground.run()

    assert 0 == summary.exit_code, summary.problems
    assert 0 == again.exit_code, again.problems
    assert set() == ground.not_archived(provider)
    assert asked < BUDGET
