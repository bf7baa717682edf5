"""What health asks for comes from SQL indexes: no table that grows is read from end to end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.actions.health import judge_health
from archiver.actions.metrics import make_metrics
from archiver.index import Index, index_path, ledger, open_index, queries, standing, vitals
from archiver.index.reader import Row
from tests.actions.watching import WATCHED
from tests.index.making import NOW

GROWING = ("generations", "assets", "copies", "runs")


class WatchedIndex(Index):
    """An index that keeps how SQLite goes about each query."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.plans: dict[str, list[str]] = {}

    def rows(self, sql: str, values: Mapping[str, object] | None = None) -> list[Row]:
        """Read, and ask for the plan as well."""
        if sql not in self.plans:
            plan = super().rows(f"EXPLAIN QUERY PLAN {sql}", values)
            self.plans[sql] = [str(step["detail"]) for step in plan]
        return super().rows(sql, values)

    @property
    def scans(self) -> list[tuple[str, str]]:
        """The queries that read a growing table without an index, or sort what they found."""
        return [
            (step, sql)
            for sql, steps in self.plans.items()
            for step in steps
            if (step.startswith("SCAN") and step.split()[1] in GROWING and "INDEX" not in step)
            or "TEMP B-TREE" in step
        ]


@pytest.fixture
def watched_index(tmp_path: Path) -> Iterator[WatchedIndex]:
    """Open an index that is watched."""
    open_index(tmp_path, create=True).close()
    connection = sqlite3.connect(index_path(tmp_path), isolation_level=None)
    with closing(WatchedIndex(connection)) as index:
        yield index


def test_health_reads_no_growing_table_from_end_to_end(watched_index: WatchedIndex) -> None:
    """It is asked every few seconds, also of an archive with a million generations."""
    judge_health(watched_index, WATCHED, NOW)

    assert len(watched_index.plans) > 5
    assert [] == watched_index.scans


def test_metrics_read_no_growing_table_from_end_to_end(watched_index: WatchedIndex) -> None:
    """Counting is done in an index alone, which is small."""
    make_metrics(watched_index, WATCHED, NOW)

    assert len(watched_index.plans) > 10
    assert [] == watched_index.scans


def test_what_a_run_asks_at_every_turn_reads_no_growing_table_from_end_to_end(
    watched_index: WatchedIndex,
) -> None:
    """What is due is asked several times a second: it must cost what is due, not what is kept."""
    queries.due(watched_index, ["studio"], NOW, [1], 16)
    queries.is_any_unsecured(watched_index, NOW)
    queries.by_id(watched_index, "g1")
    ledger.count_by_state(watched_index, "studio")
    ledger.stored_bytes(watched_index, "studio")
    ledger.deadlines(watched_index, "studio")
    standing.standing(watched_index, "disk")
    list(ledger.waiting(watched_index, "studio"))

    plans = [step for steps in watched_index.plans.values() for step in steps]
    assert [] == [sql for _, sql in watched_index.scans if "ORDER BY +account" not in sql]
    assert "SCAN generations USING INDEX generations_due" in plans
    assert [] == [step for step in plans if "generations" in step and "(account=?)" in step]


def test_a_clock_that_was_ahead_once_hides_no_run_that_came_after(
    watched_index: WatchedIndex,
) -> None:
    """The last run is the one that began last, whatever the clock said of an earlier one."""
    for name, moment in (("early", NOW + timedelta(days=300)), ("late", NOW)):
        ledger.start_run(watched_index, name, moment)
    ledger.end_run(watched_index, "late", NOW, 0, {})

    assert [NOW] == [run.started_at for run in vitals.runs(watched_index, 1)]
    assert NOW == ledger.last_started_at(watched_index)
    assert not ledger.last_run_died(watched_index)
