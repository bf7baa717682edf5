"""Whether a hint waits: told at once, and without waking a disk that has nothing to say."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs

from archiver.actions.archive import utc_now
from archiver.daemon.lookout import Lookout
from archiver.index import hints, opened_index
from archiver.index.database import open_index

STUDIO = frozenset({"studio"})


def test_a_hint_is_seen_when_it_is_there_and_due(tmp_path: Path) -> None:
    """Not before there is an index; also while somebody else has it open; until it is done."""
    lookout = Lookout(tmp_path)
    assert not lookout.is_any(STUDIO)
    with closing(open_index(tmp_path, create=True)) as index:
        assert not lookout.is_any(STUDIO)
        hints.add(index, "studio", "g1", "e1", utc_now())
        assert lookout.is_any(STUDIO)
        [hint] = hints.waiting(index, utc_now(), 1, STUDIO)
        hints.later(index, hint, utc_now() + timedelta(hours=1))
        assert not lookout.is_any(STUDIO)
        hints.add(index, "studio", "g1", "e2", utc_now())
        assert lookout.is_any(STUDIO)
    assert lookout.is_any(STUDIO)
    with opened_index(tmp_path) as index:
        hints.done(index, "studio", "g1")
    assert not lookout.is_any(STUDIO)


def test_a_hint_whose_time_comes_is_seen_although_nothing_was_written(tmp_path: Path) -> None:
    """What is not finished is asked for again, whoever else is asleep."""
    lookout = Lookout(tmp_path)
    with closing(open_index(tmp_path, create=True)) as index:
        moment = utc_now() + timedelta(milliseconds=300)
        hints.add(index, "studio", "g1", "e1", moment)
    assert not lookout.is_any(STUDIO)

    while utc_now() < moment:
        pass

    assert lookout.is_any(STUDIO)


def test_an_index_that_did_not_change_is_not_opened(tmp_path: Path) -> None:
    """To open it would make two files beside it, each second, for ever."""
    open_index(tmp_path, create=True).close()
    lookout = Lookout(tmp_path)
    lookout.is_any(STUDIO)
    before = tmp_path.stat().st_mtime_ns

    for _ in range(5):
        assert not lookout.is_any(STUDIO)

    assert before == tmp_path.stat().st_mtime_ns


def test_a_hint_of_an_account_that_is_away_waits_and_is_told_once(tmp_path: Path) -> None:
    """It is no work while the config lacks its account, and due as soon as that is back."""
    with closing(open_index(tmp_path, create=True)) as index:
        hints.add(index, "farm", "g1", "e1", utc_now())
    lookout = Lookout(tmp_path)

    with capture_logs() as logs:
        before = [lookout.is_any(STUDIO) for _ in range(3)]
        back = lookout.is_any(STUDIO | {"farm"})

    assert ([False] * 3, True) == (before, back)
    assert [("hints.kept", ["farm"])] == [(one["event"], one["accounts"]) for one in logs]
