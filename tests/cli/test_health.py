"""`health` answers a container: 0 when all is well, else 1 with the reasons; it never writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from archiver.index import index_path, ledger, open_index
from archiver.index.rows import stamp
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House


def age(house: House, by: timedelta) -> None:  # noqa: F811
    """Let the last success of all accounts be so long ago."""
    with closing(sqlite3.connect(index_path(house.folder / "state"))) as db, db:
        db.execute("UPDATE accounts SET last_success_at = ?", [stamp(datetime.now(UTC) - by)])


def test_health_is_good_after_a_run_and_bad_when_none_follows(house: House) -> None:  # noqa: F811
    """Each account that is late is a reason, a line each."""
    house.run()

    well = house.archiver("health")
    age(house, timedelta(minutes=31))
    late = house.archiver("health")

    assert (0, "all is well\n", "") == (well.exit_code, well.out, well.err)
    assert (1, "") == (late.exit_code, late.err)
    lines = late.out.splitlines()
    assert 4 == len(lines)
    assert lines[0].startswith("! studio should be archived every 15m, and it last went well at ")
    assert "see that the daemon, the timer or the cron job runs" in lines[0]


def test_health_as_json(house: House) -> None:  # noqa: F811
    """One document, with the same reasons."""
    house.run()
    assert {"healthy": True, "reasons": []} == house.archiver("health", "--json").document
    age(house, timedelta(days=1))

    told = house.archiver("health", "--json")

    assert 1 == told.exit_code
    assert not told.document["healthy"]
    assert 4 == len(told.document["reasons"])


def test_health_is_quiet_when_all_is_well(house: House) -> None:  # noqa: F811
    """With -q only the exit code speaks."""
    house.run()

    assert "" == house.archiver("-q", "health").out


def test_health_of_a_new_container(house: House) -> None:  # noqa: F811
    """No index yet: one sentence and exit code 1, and nothing is made."""
    told = house.archiver("health")

    assert 1 == told.exit_code
    assert told.out.startswith("! nothing was archived yet: there is no index at ")
    assert [] == list((house.folder / "state").glob("*"))


def test_health_of_a_file_that_is_no_index(house: House) -> None:  # noqa: F811
    """A reason, no stack trace."""
    path = index_path(house.folder / "state")
    path.parent.mkdir()
    path.write_bytes(b"this is no database, whatever its name says" * 99)

    told = house.archiver("health")

    assert (1, "") == (told.exit_code, told.err)
    assert "cannot be used" in told.out


def test_health_says_that_something_is_at_risk(house: House) -> None:  # noqa: F811
    """Though the last success is fresh: it was left over by a limit, and its time runs out."""
    house.extra = '[alerts]\nat_risk = "80d"\n'
    house.run()
    house.simulator.world.add("geminigen", created_at=datetime.now(UTC) - timedelta(days=29))
    house.simulator.world.add("geminigen", created_at=datetime.now(UTC) - timedelta(days=28))
    house.run("--limit", "1")

    told = house.archiver("health")

    assert 1 == told.exit_code
    [reason] = told.out.splitlines()
    assert reason.startswith("! 1 generation of studio will be lost from ")


def test_health_beside_a_run_that_is_going_on(house: House) -> None:  # noqa: F811
    """A first run of many hours is healthy as long as it lives, and a writer holds nobody up."""
    house.run()
    age(house, timedelta(hours=9))
    with closing(open_index(house.folder / "state")) as index:
        ledger.start_run(index, "long", datetime.now(UTC))
        with index.transaction():
            ledger.show_life(index, "long", datetime.now(UTC))
            told = house.archiver("health")

    assert (0, "all is well\n") == (told.exit_code, told.out)


def test_health_changes_no_file(house: House) -> None:  # noqa: F811
    """The index is opened for reading only."""
    house.run()
    path = index_path(house.folder / "state")
    before = (path.read_bytes(), path.stat().st_mtime_ns)

    assert 0 == house.archiver("health").exit_code

    assert before == (path.read_bytes(), path.stat().st_mtime_ns)
