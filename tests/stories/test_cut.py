"""A pass that is told to end before it is through: the next one goes on where it was cut."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archiver.actions.run import RunSummary
from archiver.cli.watching import LogObserver
from archiver.config import load_config
from archiver.simulator import Recipe, Simulator
from archiver.wiring.archive import open_archive
from archiver.wiring.running import pass_over, run_options
from tests.stories.house import House, expected_hashes, media_tree

PLAIN = Recipe().plain(size_bytes=2048)
PAGES = 9


def one_pass(house: House, may_go_on: Callable[[], bool], *names: str) -> RunSummary:
    """Make one pass, as the daemon does."""
    house.write_config()
    config = load_config(house.config_path)
    with open_archive(config, create_index=True) as archive:
        options = run_options(config, may_go_on=may_go_on)
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

    assert passes > 5
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
