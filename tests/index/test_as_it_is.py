"""An index that is only looked at stays as it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from archiver.errors import ArchiveMissing, IndexUnavailable
from archiver.index import index_as_it_is, index_path, open_index


def test_an_index_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Nor its folder."""
    with pytest.raises(IndexUnavailable), index_as_it_is(tmp_path / "state") as index:
        index.is_behind()

    assert [] == list(tmp_path.iterdir())


def test_an_empty_file_is_an_index_that_is_behind(tmp_path: Path) -> None:
    """Its schema is told to be old, and is left so."""
    index_path(tmp_path).touch()

    with index_as_it_is(tmp_path) as index:
        assert index.is_behind()

    assert 0 == index_path(tmp_path).stat().st_size


def test_nothing_can_be_written_into_it(tmp_path: Path) -> None:
    """Whoever tries is told; what it holds is the same as before."""
    open_index(tmp_path, create=True).close()
    before = index_path(tmp_path).read_bytes()

    with (
        pytest.raises(IndexUnavailable, match="readonly"),
        index_as_it_is(tmp_path) as index,
        index.transaction() as db,
    ):
        db.execute("DELETE FROM runs")

    assert before == index_path(tmp_path).read_bytes()


def test_what_is_no_index_is_told(tmp_path: Path) -> None:
    """As `open_index` does."""
    index_path(tmp_path).write_text("no database, but a text that is long enough " * 99)

    with pytest.raises(ArchiveMissing) as told, index_as_it_is(tmp_path) as index:
        index.is_behind()

    assert isinstance(told.value.__cause__, sqlite3.DatabaseError)
