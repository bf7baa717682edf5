"""A pass that is told to end before it is through: the next one goes on where it was cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.actions.run import RunSummary
from archiver.cli.watching import LogObserver
from archiver.config import load_config
from archiver.index import ledger, open_index
from archiver.simulator import Recipe, Simulator, faults
from archiver.wiring.archive import open_archive
from archiver.wiring.running import pass_over, run_options
from tests.stories.house import House, expected_hashes, media_tree

PLAIN = Recipe().plain(size_bytes=2048)
PAGES = 9


def one_pass(
    house: House,
    may_go_on: Callable[[], bool],
    *names: str,
    may_walk_on: Callable[[], bool] | None = None,
) -> RunSummary:
    """Make one pass, as the daemon does; `may_walk_on` cuts its walks alone."""
    house.write_config()
    config = load_config(house.config_path)
    with open_archive(config, create_index=True) as archive:
        options = run_options(config, may_go_on=may_go_on)
        walk = replace(options.walk, may_go_on=may_walk_on or may_go_on)
        options = replace(options, walk=walk)
        return pass_over(config, archive, options, names, LogObserver(), threading.Event())


class Yes:
    """Says yes so many times, then no."""

    def __init__(self, many: int) -> None:
        self._left = many

    def __call__(self) -> bool:
        """Answer once more."""
        self._left -= 1
        return self._left >= 0


def test_a_pass_that_was_cut_is_well_and_not_through(house: House) -> None:
    """Nothing failed: the books are closed, and what is left is due at once."""
    summary = one_pass(house, Yes(0))

    assert 0 == summary.exit_code
    assert all(account.is_cut for account in summary.accounts.values())
    assert 0 == summary.total("archived")


@pytest.fixture
def long_house(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[House]:
    """A user of one provider with a history of several pages."""
    with Simulator(seed=11) as simulator:
        simulator.world.populate("geminigen", 450, PLAIN)
        yield House(tmp_path, simulator, capsys)


def test_passes_that_are_cut_again_and_again_archive_everything(long_house: House) -> None:
    """Each goes on where the last one was cut, and no file is asked for twice."""
    passes = 0
    while one_pass(long_house, Yes(2 + passes), "studio").accounts["studio"].is_cut:
        passes += 1
        assert passes < 100

    assert passes > 2
    assert expected_hashes(long_house.simulator) == sorted(media_tree(long_house.disk).values())
    asked = [one.path for one in long_house.simulator.requests if one.host == "media"]
    assert len(asked) == len(set(asked))


def test_a_walk_that_was_cut_goes_on_where_it_was(long_house: House) -> None:
    """Of the pages that were read before, only the newest and the one of the cut come again."""
    passes = 1
    while one_pass(long_house, Yes(40), "studio").accounts["studio"].is_cut:
        passes += 1
        assert passes < 30

    pages = [one for one in long_house.simulator.requests if "histories" in one.path]
    assert len(pages) <= PAGES + 2 * passes


def walk_in_pieces(house: House, pages: int) -> int:
    """Make passes over one account whose walks are cut after so many pages; gives their number."""
    passes = 1
    while one_pass(house, yes, "studio", may_walk_on=Yes(pages)).accounts["studio"].is_cut:
        passes += 1
        house.simulator.world.add("geminigen", recipe=PLAIN)
        assert passes < 30
    return passes


def yes() -> bool:
    """Say yes."""
    return True


def test_a_pass_is_asked_to_its_end_whether_it_may_go_on(house: House) -> None:
    """By that a watchdog sees life: a large file in flight may take hours after the cut."""
    script = house.simulator.faults
    script.add(faults.slow(3), host="media")
    after_cut = list[None]()

    def may_go_on() -> bool:
        is_cut = not script.unexercised()
        after_cut.extend([None] * is_cut)
        return not is_cut

    one_pass(house, may_go_on)

    assert len(after_cut) > 5


def test_walks_that_may_never_go_on_come_further_all_the_same(long_house: House) -> None:
    """A page that takes as long as a whole pass, and news at each one: no standing still."""
    passes = walk_in_pieces(long_house, 0)

    assert 2 < passes <= 2 * PAGES
    assert expected_hashes(long_house.simulator) == sorted(media_tree(long_house.disk).values())


def test_a_history_that_no_walk_gets_through_is_not_swept_without_end(long_house: House) -> None:
    """Read in pieces a second time, with nothing new in them, it counts as swept."""
    for _ in range(2):
        assert walk_in_pieces(long_house, 3) > 1

    long_house.simulator.world.add("geminigen", recipe=PLAIN)
    summary = one_pass(long_house, yes, "studio").accounts["studio"]

    assert (False, 1) == (summary.is_sweep, summary.archived)
    index = open_index(long_house.folder / "state")
    record = ledger.load_account(index, "studio", "geminigen")
    index.close()
    assert record.last_sweep_at is not None
    assert record.usual_total == len(expected_hashes(long_house.simulator))


def test_what_is_slow_keeps_nobody_waiting(house: House) -> None:
    """A pass that a slow file holds up goes on beside it: what is new is listed and archived."""
    released = threading.Event()
    hanging = house.simulator.faults.add(faults.meanwhile(lambda: released.wait(60)), host="media")
    made: list[str] = []
    paused_at: list[float] = []

    def may_go_on() -> bool:
        if hanging.fired and not made:
            item = house.simulator.world.add("geminigen", recipe=PLAIN)
            made.append(house.simulator.expected_file(item.files[0]).sha256)
            paused_at.append(time.monotonic())
        if made and made[0] in media_tree(house.disk).values():
            released.set()
        return not paused_at or time.monotonic() - paused_at[0] > 1

    summary = one_pass(house, may_go_on)

    assert released.is_set()
    assert (0, 0) == (summary.total("failed"), summary.total("still_due"))
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())
