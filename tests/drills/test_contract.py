"""Holds archiver and simulator to a contract that nobody here wrote (promises 1, 3 and 6).

Prism reads the vendor's OpenAPI document. Between the two it answers every breach, by either
side, with an error; alone it makes up answers that are legal and hostile.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archiver.simulator.item import Item
from tests.conftest import require
from tests.drills.conftest import Figures
from tests.drills.prism import CONTRACT, Served, find_prism, prism, recording
from tests.drills.switch import WHOLE_TIMEOUT_SECONDS, require_whole
from tests.drills.truth import Ended, crash_in, run_to_end
from tests.stories.house import House, expected_hashes, media_tree

SEEDS = 50
LINK_LIFE_SECONDS = 24 * 3600
ACCOUNT = ("--account", "farm")
SMALL_PAGES = ("env", "ARCHIVER__ACCOUNTS__FARM__PAGE_SIZE=3")
INCOMPLETE = 3


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Prism itself."""
    require_whole("installing Prism and asking it fifty times")
    found = find_prism(tmp_path_factory.mktemp("prism"))
    require("prism", found, "Prism is not installed, and npm cannot install it")
    assert found is not None
    return found


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
def test_neither_side_breaks_the_vendors_contract(
    house: House, program: str, figures: Figures
) -> None:
    """A whole run through Prism ends well: each request and each answer is as the vendor says."""
    _link_to_the_media_host(house)
    log = house.folder / "prism.log"
    with (
        prism(program, log, "proxy", "--errors", str(CONTRACT), _oxen(house)) as url,
        recording(url) as (front, served),
    ):
        house.bases["farm"] = front
        house.write_config()
        ended = run_to_end(house, *ACCOUNT, under=SMALL_PAGES)
    assert 0 == ended.exit_code, ended.said
    assert {200} == set(served.statuses), log.read_text(encoding="utf-8")
    assert house.simulator.world.count("oxen") == len(served.rows)
    expected = expected_hashes(house.simulator, providers=["oxen"])
    assert expected == sorted(media_tree(house.disk).values())
    figures("answers checked against the contract", len(served.statuses))
    figures("rows in them", len(served.rows))
    figures("breaches", 0)


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
def test_breach_of_the_vendors_contract_is_found(house: House, program: str) -> None:
    """The proof above is one: a row that the vendor would never send does not get through."""
    broken = next(house.simulator.world.items("oxen"))
    house.simulator.world.change("oxen", broken.id, patch={"enqueued_at": "soon"})
    log = house.folder / "prism.log"
    with (
        prism(program, log, "proxy", "--errors", str(CONTRACT), _oxen(house)) as url,
        recording(url) as (front, served),
    ):
        house.bases["farm"] = front
        house.write_config()
        ended = run_to_end(house, *ACCOUNT)
    assert 200 not in served.statuses
    assert INCOMPLETE == ended.exit_code, ended.said


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
def test_answers_made_up_from_the_contract_leave_no_false_record(
    house: House, program: str, figures: Figures
) -> None:
    """Whatever is legal is read or counted as unreadable: no crash, no row forgotten."""
    exits: Counter[int] = Counter()
    states: Counter[str] = Counter()
    rows = bad_rows = 0
    for seed in range(SEEDS):
        there = replace(house, folder=house.folder / f"seed-{seed}", bases={})
        there.folder.mkdir()
        log = there.folder / "prism.log"
        with (
            prism(program, log, "mock", "-d", "--seed", str(seed), str(CONTRACT)) as url,
            recording(url) as (front, served),
        ):
            there.bases["farm"] = front
            there.write_config()
            ended = run_to_end(there, *ACCOUNT)
        exits[ended.exit_code] += 1
        states += _judge(there, ended, served, seed)
        rows += len(served.rows)
        bad_rows += int(ended.summary["accounts"]["farm"]["bad_rows"])
    figures("seeds", SEEDS)
    figures("rows answered", rows)
    figures("  of them counted as unreadable", bad_rows)
    for state, count in sorted(states.items()):
        figures(f"  generations {state}", count)
    for code, count in sorted(exits.items()):
        figures(f"runs that ended with {code}", count)
    figures("crashes, false records, rows not accounted for", 0)


def _judge(house: House, ended: Ended, served: Served, seed: int) -> Counter[str]:
    where = f"seed {seed}: exit code {ended.exit_code}: {ended.said[-3000:]}"
    assert crash_in(ended) is None, where
    assert ended.exit_code in (0, INCOMPLETE), where
    account = ended.summary["accounts"]["farm"]
    distinct = {json.dumps(row, sort_keys=True) for row in served.rows}
    assert account["listed"] + account["bad_rows"] == len(distinct), where
    assert {} == media_tree(house.disk), where
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index:
        known = dict(index.execute("SELECT id, state FROM generations").fetchall())
        assert [] == index.execute("SELECT * FROM copies WHERE key <> ''").fetchall(), where
    for row in served.rows:
        if _is_finished(row) and row["generation_id"] in known:
            assert "archived" != known[row["generation_id"]], f"{where}: {row}"
    return Counter(known.values())


def _is_finished(row: Any) -> bool:
    """Tell whether the provider says that there is a file: without it, nothing is archived."""
    return bool(row["status"] == "succeeded" and row.get("result_url"))


def _link_to_the_media_host(house: House) -> None:
    """Let every result be a signed link elsewhere: the contract tells only of the listing."""
    simulator = house.simulator

    def linked(item: Item) -> Any:
        return tuple(
            replace(file, url=simulator.media_url(file, LINK_LIFE_SECONDS)) for file in item.files
        )

    for item in list(simulator.world.items("oxen")):
        simulator.world.change("oxen", item.id, files=linked(item))


def _oxen(house: House) -> str:
    return house.simulator.base_url("oxen")


def test_contract_is_the_vendors_own() -> None:
    """The document names its source and holds the listing."""
    text = Path(CONTRACT).read_text(encoding="utf-8")
    assert "https://hub.oxen.ai" in text
    assert "/api/ai/generations:" in text
