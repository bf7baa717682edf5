"""Sync's simulated API pages by cursor, or does not know how, and gives links two ways."""

from __future__ import annotations

from typing import Any

import pytest

from archiver.simulator import Simulator
from archiver.simulator.item import Outcome
from tests.simulator.visitor import MovingClock, Visitor, words

LIST = "/v2/generations"
FIELDS = words("""createdAt id input model status error errorCode options outputDuration outputUrl
outputFileName segments segmentOutputUrl synthesizedAudioUrl webhookUrl projectId""")


def walk(visitor: Visitor, limit: int) -> list[dict[str, Any]]:
    """List everything by cursor."""
    rows: list[dict[str, Any]] = visitor.document("sync", LIST, limit=limit)
    part = rows
    while len(part) == limit:
        part = visitor.document("sync", LIST, limit=limit, cursor=rows[-1]["id"])
        rows = rows + part
    return rows


@pytest.mark.parametrize("limit", [1, 7, 10, 100])
def test_the_cursor_walks_newest_first(simulator: Simulator, visitor: Visitor, limit: int) -> None:
    """Following the last id lists everything once, newest first."""
    simulator.world.populate("sync", 20)
    rows = walk(visitor, limit)
    assert [row["id"] for row in rows] == [item.id for item in simulator.world.items("sync")]
    assert all(set(row) == FIELDS for row in rows)


@pytest.mark.parametrize("knows_paging", [True, False])
def test_without_paging_all_come_in_no_order(
    simulator: Simulator, visitor: Visitor, *, knows_paging: bool
) -> None:
    """Without limit, or from a server that does not know it, everything comes in any order."""
    simulator.world.populate("sync", 150)
    simulator.switches.sync_knows_paging = knows_paging
    query: dict[str, str | int] = {} if knows_paging else {"limit": 10, "cursor": "x"}
    rows = visitor.document("sync", LIST, **query)
    newest_first = [item.id for item in simulator.world.items("sync")]
    assert newest_first != [row["id"] for row in rows]
    assert sorted(newest_first) == sorted(row["id"] for row in rows)


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"limit": 5, "cursor": "x"}, {"cursor": "x"}]
)
def test_bad_paging_is_400(visitor: Visitor, query: dict[str, str | int]) -> None:
    """A limit out of range, an unknown cursor, or a cursor without limit is refused."""
    assert visitor.ask("sync", LIST, **query).status_code == 400


def test_filters_and_count(simulator: Simulator, visitor: Visitor) -> None:
    """Status and ids filter the listing and the count."""
    simulator.world.populate("sync", 40)
    done = visitor.document("sync", LIST, limit=100, status="COMPLETED,FAILED")
    assert {row["status"] for row in done} == {"COMPLETED", "FAILED"}
    assert visitor.document("sync", f"{LIST}/count", status="COMPLETED,FAILED")["count"] == len(
        done
    )
    ids = [done[0]["id"], done[1]["id"]]
    assert [row["id"] for row in visitor.document("sync", LIST, limit=9, ids=",".join(ids))] == ids
    assert visitor.document("sync", f"{LIST}/count") == {"count": 40}


def test_both_detail_paths(simulator: Simulator, visitor: Visitor) -> None:
    """Both documented paths answer the row of the listing; an unknown id is 404."""
    simulator.world.populate("sync", 1)
    row = visitor.document("sync", LIST, limit=1)[0]
    assert row == visitor.document("sync", f"/v2/generations/{row['id']}")
    assert row == visitor.document("sync", f"/v2/generate/{row['id']}")
    assert visitor.ask("sync", "/v2/generate/none").status_code == 404


def test_the_output_url_redirects_without_a_key(simulator: Simulator, visitor: Visitor) -> None:
    """An outputUrl needs its token and no key, and redirects to a path without extension."""
    item = simulator.world.add("sync")
    url = visitor.document("sync", f"{LIST}/{item.id}")["outputUrl"]
    assert url.startswith(simulator.base_url("sync"))
    answer = visitor.fetch(url)
    assert answer.status_code == 302
    link = answer.headers["location"]
    assert "." not in link.partition("?")[0].rpartition("/")[2]
    assert visitor.fetch(link).content == simulator.expected(link).read()
    assert visitor.fetch(url + "x").status_code == 403


def test_download_gives_a_bare_link_for_a_week(
    simulator: Simulator, visitor: Visitor, clock: MovingClock
) -> None:
    """/download answers a signed link as plain text that works for seven days."""
    item = simulator.world.add("sync")
    answer = visitor.ask("sync", f"{LIST}/{item.id}/download")
    assert answer.headers["content-type"].startswith("text/plain")
    clock.move(days=6, hours=23)
    assert visitor.fetch(answer.text).status_code == 200
    clock.move(hours=1)
    assert visitor.fetch(answer.text).status_code == 403
    waiting = simulator.world.add("sync", state="processing")
    assert visitor.ask("sync", f"{LIST}/{waiting.id}/download").status_code == 400


def test_another_plan_gives_another_file(simulator: Simulator, visitor: Visitor) -> None:
    """With the watermark switch, /download leads to other bytes than before."""
    item = simulator.world.add("sync")
    before = visitor.fetch(visitor.ask("sync", f"{LIST}/{item.id}/download").text).content
    simulator.switches.sync_watermark = True
    after = visitor.fetch(visitor.ask("sync", f"{LIST}/{item.id}/download").text).content
    assert before != after
    assert len(before) == len(after)


def test_segments_speech_and_inputs_can_be_fetched(simulator: Simulator, visitor: Visitor) -> None:
    """All further links of a row lead to real files."""
    simulator.world.populate("sync", 30)
    links = []
    for row in visitor.document("sync", LIST, limit=100):
        links += [row["segmentOutputUrl"], row["synthesizedAudioUrl"]]
        links += [part.get("url") for part in row["input"]]
    found = [link for link in links if link]
    assert len(found) > 30
    assert {visitor.fetch(link).status_code for link in found} == {200}


def test_only_errors_and_results_are_open(simulator: Simulator, visitor: Visitor) -> None:
    """The error catalogue needs no key, and everything else answers 401 without one."""
    base = simulator.base_url("sync")
    assert visitor.fetch(f"{base}/v2/errors").json()[0]["code"].startswith("generation_")
    for path in (LIST, f"{LIST}/count", f"{LIST}/x", "/v2/generate/x", f"{LIST}/x/download"):
        assert visitor.fetch(base + path).status_code == 401


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("failed", "FAILED"), ("rejected", "REJECTED"), ("cancelled", "CANCELED")],
)
def test_bad_ends_have_their_names(
    simulator: Simulator, visitor: Visitor, outcome: Outcome, status: str
) -> None:
    """What fails, is rejected or is cancelled says so, with a reason and without an output."""
    item = simulator.world.add("sync", state="queued")
    assert visitor.document("sync", f"/v2/generations/{item.id}")["status"] == "PENDING"
    simulator.world.finish("sync", item.id, outcome)
    row = visitor.document("sync", f"/v2/generations/{item.id}")
    assert (row["status"], row["outputUrl"]) == (status, None)
    assert row["error"]
