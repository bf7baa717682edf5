"""NeuralBox's simulated API speaks either of its two schemas, and guards plan and budget."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archiver.simulator import Simulator
from tests.simulator.visitor import MovingClock, Visitor

LIST = "/api/v2/user/history"


def test_the_old_schema(simulator: Simulator, visitor: Visitor) -> None:
    """The older page: string ids, url, type, model, tokens_used, and pages."""
    simulator.world.populate("neuralbox", 45)
    document = visitor.document("neuralbox", LIST, limit=20, page=3)
    assert {name: document[name] for name in document if name != "items"} == {
        "total": 45,
        "page": 3,
        "limit": 20,
        "pages": 3,
    }
    assert len(document["items"]) == 5
    for row in document["items"]:
        assert set(row) == {
            "id", "type", "model", "status", "prompt", "url", "tokens_used", "created_at"
        }  # fmt: skip
        assert row["id"].startswith("gen_")
        detail = visitor.document("neuralbox", f"/api/v2/generate/status/{row['id']}")
        assert detail["id"] == row["id"]
        assert visitor.ask("neuralbox", f"/api/v2/generate/{row['id']}").status_code == 404


def test_the_new_schema(simulator: Simulator, visitor: Visitor) -> None:
    """The newer pages: integer ids, result_url, result_text, category, and no pages."""
    simulator.switches.neuralbox_schema = "new"
    simulator.world.populate("neuralbox", 45)
    document = visitor.document("neuralbox", LIST, limit=100)
    assert "pages" not in document
    texts = [row for row in document["items"] if row["result_text"]]
    assert {row["category"] for row in texts} == {"text", "stt"}
    assert all(row["result_url"] is None for row in texts)
    for row in document["items"]:
        assert isinstance(row["id"], int)
        detail = visitor.document("neuralbox", f"/api/v2/generate/{row['id']}")
        assert row.items() <= detail.items()
        assert visitor.document("neuralbox", f"/api/v2/generate/status/{row['id']}") == detail


def test_files_and_thumbnails_are_public(simulator: Simulator, visitor: Visitor) -> None:
    """Media links are unsigned and lead to real files."""
    simulator.switches.neuralbox_schema = "new"
    item = simulator.world.add("neuralbox", kind="image")
    detail = visitor.document("neuralbox", f"/api/v2/generate/{item.number}")
    for url in (detail["result_url"], detail["thumbnail_url"]):
        assert "?" not in url
        assert visitor.fetch(url).content == simulator.expected(url).read()


def test_pending_failed_and_completed_details(simulator: Simulator, visitor: Visitor) -> None:
    """The status page shows progress while pending, the error when failed, times when complete."""
    cases = {"processing": "progress", "failed": "error", "completed": "completed_at"}
    for state, field in cases.items():
        item = simulator.world.add("neuralbox", kind="image", state=state)  # type: ignore[arg-type]
        detail = visitor.document("neuralbox", f"/api/v2/generate/status/{item.id}")
        assert field in detail
        assert bool(detail["url"]) == (state == "completed")


def test_credentials_and_plan(simulator: Simulator, visitor: Visitor) -> None:
    """No token and a wrong one are 401 with their words; a small plan is 403."""
    url = simulator.base_url("neuralbox") + LIST
    assert visitor.fetch(url).json() == {"detail": "Not authenticated"}
    wrong = visitor.fetch(url, visitor.credentials("neuralbox", "nb_x"))
    assert (wrong.status_code, wrong.json()) == (401, {"detail": "Invalid or expired token"})
    simulator.switches.neuralbox_plan = "basic"
    assert visitor.ask("neuralbox", LIST).status_code == 403


def test_the_hourly_budget(simulator: Simulator, visitor: Visitor, clock: MovingClock) -> None:
    """After the budget come 429s without Retry-After, until an hour has passed."""
    simulator.switches.neuralbox_hourly_budget = 2
    statuses = [visitor.ask("neuralbox", LIST).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    clock.move(hours=1)
    assert visitor.ask("neuralbox", LIST).status_code == 200


@pytest.mark.parametrize(("schema", "name"), [("old", "type"), ("new", "category")])
def test_each_schema_knows_its_own_filters(
    simulator: Simulator, visitor: Visitor, schema: str, name: str
) -> None:
    """A filter of the schema that is spoken works, and the other's is ignored."""
    simulator.switches.neuralbox_schema = "new" if schema == "new" else "old"
    simulator.world.populate("neuralbox", 40)
    assert visitor.document("neuralbox", LIST, **{name: "video"})["total"] == 5
    other = "category" if name == "type" else "type"
    assert visitor.document("neuralbox", LIST, **{other: "video"})["total"] == 40


def test_limits(visitor: Visitor) -> None:
    """A limit above 100 is refused."""
    assert visitor.ask("neuralbox", LIST, limit=101).status_code == 422
    assert visitor.document("neuralbox", LIST, limit=100)["items"] == []


@pytest.mark.parametrize("schema", ["old", "new"])
def test_progress_and_time_left(
    simulator: Simulator, visitor: Visitor, clock: MovingClock, schema: str
) -> None:
    """While pending, progress rises and eta_seconds falls; a rejected one has failed."""
    simulator.switches.neuralbox_schema = "new" if schema == "new" else "old"
    item = simulator.world.add(
        "neuralbox", state="processing", finishes_in=timedelta(seconds=40), outcome="rejected"
    )
    path = f"/api/v2/generate/status/{item.number if schema == 'new' else item.id}"
    seen = []
    for _ in range(2):
        clock.move(seconds=10)
        detail = visitor.document("neuralbox", path)
        seen.append((detail["status"], detail["progress"], detail["eta_seconds"]))
    assert seen == [("pending", 24, 30), ("pending", 49, 20)]
    clock.move(seconds=20)
    detail = visitor.document("neuralbox", path)
    assert (detail["status"], detail["error"]) == ("failed", item.error_message)
