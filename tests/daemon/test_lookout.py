"""Whether a hint waits: told at once, and without waking a disk that has nothing to say."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from archiver.actions.archive import utc_now
from archiver.daemon.lookout import Lookout
from archiver.index import hints, opened_index
from archiver.index.database import open_index


def test_a_hint_is_seen_when_it_is_there_and_due(tmp_path: Path) -> None:
    """Not before there is an index; also while somebody else has it open; until it is done."""
    lookout = Lookout(tmp_path)
    assert not lookout.is_any()
    with closing(open_index(tmp_path, create=True)) as index:
        assert not lookout.is_any()
        hints.add(index, "studio", "g1", "e1", utc_now())
        assert lookout.is_any()
        [hint] = hints.waiting(index, utc_now(), 1)
        hints.later(index, hint, utc_now() + timedelta(hours=1))
        assert not lookout.is_any()
        hints.add(index, "studio", "g1", "e2", utc_now())
        assert lookout.is_any()
    assert lookout.is_any()
    with opened_index(tmp_path) as index:
        hints.done(index, "studio", "g1")
    assert not lookout.is_any()


def test_a_hint_whose_time_comes_is_seen_although_nothing_was_written(tmp_path: Path) -> None:
    """What is not finished is asked for again, whoever else is asleep."""
    lookout = Lookout(tmp_path)
    with closing(open_index(tmp_path, create=True)) as index:
        moment = utc_now() + timedelta(milliseconds=300)
        hints.add(index, "studio", "g1", "e1", moment)
    assert not lookout.is_any()

    while utc_now() < moment:
        pass

    assert lookout.is_any()


def test_an_index_that_did_not_change_is_not_opened(tmp_path: Path) -> None:
    """To open it would make two files beside it, each second, for ever."""
    open_index(tmp_path, create=True).close()
    lookout = Lookout(tmp_path)
    lookout.is_any()
    before = tmp_path.stat().st_mtime_ns

    for _ in range(5):
        assert not lookout.is_any()

    assert before == tmp_path.stat().st_mtime_ns
