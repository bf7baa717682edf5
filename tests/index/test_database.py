"""The index file: opened, shared, damaged, copied."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from archiver.errors import ArchiveMissing, IndexUnavailable
from archiver.index import Index, index_errors, open_index, open_temporary_index, queries
from archiver.index.database import copy_into, index_path
from archiver.index.queries import Filters
from tests.index.making import add, known, make, record

COUNT = """
import sys
from pathlib import Path
from archiver.index import open_index, queries
index = open_index(Path(sys.argv[1]))
print(sum(1 for _ in queries.find(index, queries.Filters())))
index.close()
"""


def count(index: Index) -> int:
    """Count the generations."""
    return sum(1 for _ in queries.find(index, Filters()))


def count_elsewhere(folder: Path) -> str:
    """Count the generations in another process; nothing may be complained about."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", COUNT, str(folder)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


# Opening


def test_what_is_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    """Also after the process forgot to close it."""
    forgotten = open_index(tmp_path, create=True)
    add(forgotten)

    again = open_index(tmp_path)

    assert "g1" == known(again).generation.id
    again.close()
    forgotten.close()


def test_no_index_is_missing_with_a_hint(tmp_path: Path) -> None:
    """A database error would look as if nothing had ever been archived."""
    with pytest.raises(ArchiveMissing, match=r"archiver run.*archiver rebuild"):
        open_index(tmp_path)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_file_that_is_no_database_is_missing_with_a_hint(tmp_path: Path, content: bytes) -> None:
    """It is left as it is, for a person to look at."""
    index_path(tmp_path).write_bytes(content)

    with pytest.raises(ArchiveMissing, match=r"move it away.*archiver rebuild"):
        open_index(tmp_path, create=True)

    assert content == index_path(tmp_path).read_bytes()


def test_a_damaged_index_is_missing_with_a_hint(tmp_path: Path) -> None:
    """Damage in its middle is found when it is read, and told in the same way."""
    index = open_index(tmp_path, create=True)
    record(index, *(make(f"g{number}") for number in range(300)))
    index.close()
    path = index_path(tmp_path)
    body = bytearray(path.read_bytes())
    body[8192:-4096] = b"\x5a" * (len(body) - 12288)
    path.write_bytes(body)

    with pytest.raises(ArchiveMissing, match="archiver rebuild"), index_errors(tmp_path):
        damaged = open_index(tmp_path)
        try:
            count(damaged)
        finally:
            damaged.close()


def test_a_cut_index_is_missing_with_a_hint(tmp_path: Path) -> None:
    """Half a file is no index."""
    index = open_index(tmp_path, create=True)
    record(index, *(make(f"g{number}") for number in range(300)))
    index.close()
    path = index_path(tmp_path)
    path.write_bytes(path.read_bytes()[: 5 * 4096])

    with pytest.raises(ArchiveMissing, match="archiver rebuild"), index_errors(tmp_path):
        damaged = open_index(tmp_path)
        try:
            count(damaged)
        finally:
            damaged.close()


def test_a_folder_in_the_place_of_the_index_may_pass(tmp_path: Path) -> None:
    """It cannot be opened, and nothing is said of what it holds."""
    index_path(tmp_path).mkdir()

    with pytest.raises(IndexUnavailable, match="cannot be used just now"):
        open_index(tmp_path)


def test_an_index_of_another_version_is_not_touched(tmp_path: Path) -> None:
    """Half understood it would be half right."""
    index = open_index(tmp_path, create=True)
    with index.transaction() as db:
        db.table("_sqlite_migrations").insert(
            {"migration_set": "archiver.index", "name": "m999_from_the_future", "applied_at": "x"}
        )
    index.close()

    with pytest.raises(IndexUnavailable, match="m999_from_the_future"):
        open_index(tmp_path)


def test_closing_twice_is_no_mistake(tmp_path: Path) -> None:
    """Cleaning up may come from two sides."""
    index = open_index(tmp_path, create=True)

    index.close()
    index.close()


def test_a_temporary_index_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works as any other and is gone when it is closed."""
    monkeypatch.chdir(tmp_path)
    index = open_temporary_index()
    add(index)

    assert 1 == count(index)
    index.close()
    assert [] == list(tmp_path.iterdir())


# Transactions


def test_a_transaction_is_whole_or_not_there(index: Index) -> None:
    """Whatever breaks it off, and however many functions wrote in it."""
    add(index, make("before"))

    for error in (ValueError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)), index.transaction():
            record(index, make("one"))
            record(index, make("two"))
            raise error

    assert ["before"] == [one.generation.id for one in queries.find(index, Filters())]


def test_a_part_that_fails_takes_back_only_itself(index: Index) -> None:
    """One bad sidecar does not cost the others of its batch."""
    with index.transaction():
        record(index, make("one"))
        with pytest.raises(sqlite3.IntegrityError), index.transaction() as db:
            record(index, make("two"))
            db.execute("INSERT INTO assets (generation, key) VALUES (1, NULL)")
        record(index, make("three"))

    assert ["three", "one"] == [one.generation.id for one in queries.find(index, Filters())]


def test_a_transaction_that_cannot_be_committed_is_taken_back(index: Index) -> None:
    """And the next one is a transaction of its own, not the rest of this one."""
    with index.transaction() as db:
        db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)")

    with pytest.raises(sqlite3.IntegrityError), index.transaction() as db:
        record(index, make("lost"))
        db.execute("INSERT INTO b VALUES (5)")
    record(index, make("kept"))

    assert ["kept"] == [one.generation.id for one in queries.find(index, Filters())]


def test_a_reader_sees_nothing_of_an_open_transaction(tmp_path: Path) -> None:
    """Another process reads beside the writer, without waiting for it."""
    index = open_index(tmp_path, create=True)
    record(index, make("one"), make("two"))

    with index.transaction():
        record(index, make("three"))
        assert "2" == count_elsewhere(tmp_path)
    assert "3" == count_elsewhere(tmp_path)
    index.close()


def test_threads_write_at_once_without_loss(index: Index) -> None:
    """The lists of many accounts and the outcomes of many captures meet in one index."""
    errors: list[Exception] = []

    def work(name: str) -> None:
        try:
            for number in range(20):
                record(index, make(f"{name}-{number}", account=name))
                count(index)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert 160 == count(index)


# Copies


@pytest.mark.parametrize("name", ["plain", "with space", "a?b#c%41", "猫"])
def test_an_index_can_be_copied_from_any_folder(tmp_path: Path, name: str) -> None:
    """Whatever its path holds, also while it is being written; the original stays as it is."""
    folder = tmp_path / name
    folder.mkdir()
    source, target = open_index(folder, create=True), open_temporary_index()
    add(source)

    with source.transaction():
        record(source, make("uncommitted"))
        copy_into(index_path(folder), target)
    record(target, make("copy's own"))

    assert (2, 2) == (count(target), count(source))
    assert ["uncommitted", "g1"] == [one.generation.id for one in queries.find(source, Filters())]
    target.close()
    source.close()


def test_a_copy_of_what_is_no_index_is_an_error_of_ours(tmp_path: Path) -> None:
    """A dry run says the same as a real one."""
    index_path(tmp_path).write_bytes(b"not a database" * 1000)
    target = open_temporary_index()

    with pytest.raises(ArchiveMissing, match="move it away"):
        copy_into(index_path(tmp_path), target)

    target.close()
