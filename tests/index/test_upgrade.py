"""A newer program meets an older index, and an older program a newer one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from archiver.errors import IndexUnavailable
from archiver.index import Index, open_index, open_temporary_index, queries
from archiver.index.database import copy_into, index_path
from archiver.index.migrations import STEPS, Step
from archiver.index.queries import Filters
from tests.index.making import add, known, make, record
from tests.stories.conftest import house, simulator  # noqa: F401
from tests.stories.house import House

SECOND, THIRD, FOURTH = "m002_mood", "m003_taste", "m004_scent"
CUT = """
import sys
from pathlib import Path
from archiver.index import open_index
from tests.index.test_upgrade import SECOND, dying, steps_up_to
open_index(Path(sys.argv[1]), steps=steps_up_to(SECOND, change=dying))
"""


def change(db: Database, name: str) -> None:
    """Do what a later schema may do: a new column that old rows get too."""
    db.execute(f"ALTER TABLE generations ADD COLUMN {name} TEXT")
    db.execute(f"UPDATE generations SET {name} = 'calm'")  # noqa: S608  # a name of this file


def dying(db: Database, name: str) -> None:
    """Die when half of it is done, as at a power cut."""
    change(db, name)
    os._exit(9)


def steps_up_to(last: str, change: Callable[[Database, str], None] = change) -> tuple[Step, ...]:
    """The steps that a program of later versions will know."""

    def step(name: str) -> Step:
        def made(db: Database) -> None:
            change(db, name)

        made.__name__ = name
        return made

    return (*STEPS, *(step(name) for name in (SECOND, THIRD, FOURTH) if name <= last))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state directory with an index of the first schema and one generation."""
    index = open_index(tmp_path, create=True)
    add(index)
    index.close()
    return tmp_path


def copies(folder: Path) -> list[str]:
    """What is kept beside the index."""
    return sorted(path.name for path in folder.glob("index-before-*"))


def columns(path: Path) -> set[str]:
    """The columns that the generations of an index file have."""
    with closing(sqlite3.connect(path)) as connection:
        return {row[1] for row in connection.execute("PRAGMA table_info(generations)")}


def ids(index: Index) -> list[str]:
    """Which generations an index knows."""
    return [one.generation.id for one in queries.find(index, Filters())]


# A newer program


def test_what_was_before_is_kept_beside_the_upgraded_index(folder: Path) -> None:
    """A whole index of the older schema, for its owner only; the new one has all rows."""
    with closing(open_index(folder, steps=steps_up_to(SECOND))) as index:
        assert "g1" == known(index).generation.id
        assert "calm" == (index.row("SELECT m002_mood FROM generations") or {})["m002_mood"]

    copy = folder / f"index-before-{SECOND}.sqlite"
    assert [copy.name] == copies(folder)
    assert 0o600 == stat.S_IMODE(copy.stat().st_mode)
    assert SECOND not in columns(copy)


def test_the_copy_holds_what_was_only_in_the_log_of_writes(tmp_path: Path) -> None:
    """An index whose process died has its last rows in the -wal file."""
    forgotten = open_index(tmp_path, create=True)
    record(forgotten, *(make(f"g{number}") for number in range(50)))

    open_index(tmp_path, steps=steps_up_to(SECOND)).close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tmp_path / f"index-before-{SECOND}.sqlite", index_path(elsewhere))

    with closing(open_index(elsewhere)) as before:
        assert 50 == len(ids(before))
    forgotten.close()


def test_a_new_index_needs_no_copy(tmp_path: Path) -> None:
    """There was nothing before; nor is there beside a temporary one."""
    open_index(tmp_path, create=True, steps=steps_up_to(FOURTH)).close()
    open_temporary_index().close()

    assert [] == copies(tmp_path)


def test_only_the_newest_copies_are_kept(folder: Path) -> None:
    """Upgrades of years do not fill the disk: the last two are enough to go back."""
    for last in (SECOND, THIRD, FOURTH):
        open_index(folder, steps=steps_up_to(last)).close()

    assert [f"index-before-{name}.sqlite" for name in (THIRD, FOURTH)] == copies(folder)


def test_several_steps_at_once_need_one_copy(folder: Path) -> None:
    """It is named after the first of them."""
    open_index(folder, steps=steps_up_to(FOURTH)).close()

    assert [f"index-before-{SECOND}.sqlite"] == copies(folder)


def test_of_two_processes_one_upgrades(folder: Path) -> None:
    """The other one waits for the write lock, and finds it done."""
    errors: list[Exception] = []
    began = threading.Barrier(4)

    def work() -> None:
        began.wait()
        try:
            open_index(folder, steps=steps_up_to(SECOND)).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert {SECOND} == columns(index_path(folder)) - columns(folder / copies(folder)[0])


def test_a_death_in_the_middle_of_an_upgrade_changes_nothing(folder: Path) -> None:
    """The older program reads on, and the newer one does all of it again."""
    done = subprocess.run([sys.executable, "-c", CUT, str(folder)], timeout=60, check=False)
    assert 9 == done.returncode

    assert SECOND not in columns(index_path(folder))
    with closing(open_index(folder)) as older:
        assert ["g1"] == ids(older)
        record(older, make("g2"))
    with closing(open_index(folder, steps=steps_up_to(SECOND))) as newer:
        assert {"g1", "g2"} == set(ids(newer))
    with closing(sqlite3.connect(folder / copies(folder)[0])) as copy:
        assert [(2,)] == copy.execute("SELECT COUNT(*) FROM generations").fetchall()


def test_a_step_that_fails_takes_all_of_them_back(folder: Path) -> None:
    """Half an upgrade is none: the error is told, and the older program reads on."""

    def failing(db: Database, name: str) -> None:
        change(db, name)
        if name == THIRD:
            raise ValueError(name)

    with pytest.raises(ValueError, match=THIRD):
        open_index(folder, steps=steps_up_to(FOURTH, change=failing))

    with closing(open_index(folder)) as older:
        assert ["g1"] == ids(older)


def test_a_disk_without_room_for_the_copy_stops_the_upgrade(tiny_disk: Path) -> None:
    """Nothing was changed and nothing is left over; the message says what to do."""
    index = open_index(tiny_disk, create=True)
    add(index)
    index.close()
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(max(0, shutil.disk_usage(tiny_disk).free - (80 << 10))))

    with pytest.raises(IndexUnavailable, match=r"make room there, then try again; nothing was"):
        open_index(tiny_disk, steps=steps_up_to(SECOND))

    assert [] == copies(tiny_disk)
    filler.unlink()
    with closing(open_index(tiny_disk)) as older:
        assert ["g1"] == ids(older)


def test_a_dry_run_upgrades_its_own_copy_only(folder: Path) -> None:
    """What only looks leaves the index as it is."""
    connection = sqlite3.connect("", isolation_level=None)
    with closing(Index(connection, steps_up_to(SECOND))) as target:
        copy_into(index_path(folder), target)
        assert "calm" == (target.row("SELECT m002_mood FROM generations") or {})["m002_mood"]

    assert [] == copies(folder)
    assert SECOND not in columns(index_path(folder))


# An older program


def test_an_older_program_at_work_is_told_that_the_index_was_upgraded(folder: Path) -> None:
    """It writes nothing more into a schema that it does not know, and says what to do."""
    with closing(open_index(folder)) as older:
        record(older, make("g2"))
        open_index(folder, steps=steps_up_to(SECOND)).close()

        with pytest.raises(IndexUnavailable, match="a newer archiver has upgraded the index"):
            record(older, make("g3"))

    with closing(open_index(folder, steps=steps_up_to(SECOND))) as newer:
        assert {"g1", "g2"} == set(ids(newer))


@pytest.mark.parametrize("command", [["status", "--json"], ["run", "--json"], ["ls", "--json"]])
def test_an_index_of_a_newer_program_is_refused_with_the_ways_back(
    house: House,  # noqa: F811
    command: list[str],
) -> None:
    """Exit code 1; the copy from before the upgrade is named, and it works when put back."""
    assert 0 == house.run().exit_code
    state = house.folder / "state"
    open_index(state, steps=steps_up_to(SECOND)).close()

    refused = house.archiver(*command)

    assert (1, 1) == (refused.exit_code, refused.document["error"]["exit_code"])
    copy = state / f"index-before-{SECOND}.sqlite"
    for told in (SECOND, str(copy), "use that version", "archiver rebuild --from NAME"):
        assert told in refused.document["error"]["message"]

    for path in state.glob("index.sqlite*"):
        path.unlink()
    copy.rename(index_path(state))
    assert 0 == house.archiver(*command).exit_code
