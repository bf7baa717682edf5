"""Oxen's simulated API keeps the vendor's contract, and its results need two steps."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from archiver.simulator import Simulator
from archiver.simulator.item import Outcome
from tests.simulator.visitor import Visitor

LIST = "/api/ai/generations"
QUEUE = "/api/ai/queue"
NULLABLE_TEXT = {"type": ["string", "null"]}
NULLABLE_INTEGER = {"type": ["integer", "null"]}
ROW = {
    "type": "object",
    "required": ["generation_id", "model_name", "media_type", "status", "enqueued_at"],
    "properties": {
        "completed_at": NULLABLE_INTEGER,
        "cost": {"type": ["string", "null"], "pattern": r"^\d+\.\d\d$"},
        "enqueued_at": {"type": "integer"},
        "error_message": NULLABLE_TEXT,
        "generation_id": {
            "type": "string",
            "pattern": r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        },
        "media_type": {"enum": ["image", "video"]},
        "model_name": {"type": "string"},
        "result_url": NULLABLE_TEXT,
        "started_at": NULLABLE_INTEGER,
        "status": {"enum": ["queued", "processing", "succeeded", "failed", "cancelled"]},
        "target_directory": NULLABLE_TEXT,
        "target_namespace": NULLABLE_TEXT,
        "target_repo": NULLABLE_TEXT,
        "user_id": NULLABLE_TEXT,
        "user_image": NULLABLE_TEXT,
        "username": NULLABLE_TEXT,
    },
}
PAGE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "count": {"type": "integer"},
        "generations": {"type": "array", "items": ROW},
        "page_number": {"type": "integer"},
        "page_size": {"type": "integer"},
        "total_cost": NULLABLE_TEXT,
        "total_entries": {"type": "integer"},
        "total_pages": {"type": "integer"},
    },
}
PAGE["required"] = list(PAGE["properties"])


def rows_of(visitor: Visitor, **query: str | int) -> list[dict[str, Any]]:
    """Return the rows of one page."""
    rows: list[dict[str, Any]] = visitor.document("oxen", LIST, **query)["generations"]
    return rows


def test_pages_keep_the_contract(simulator: Simulator, visitor: Visitor) -> None:
    """Every page validates against the vendor's GenerationsListResponse."""
    simulator.world.populate("oxen", 120)
    for page in (1, 2, 3, 4):
        document = visitor.document("oxen", LIST, page=page)
        jsonschema.validate(document, PAGE)
        assert document["count"] == len(document["generations"]) == (50, 50, 20, 0)[page - 1]
        assert (document["total_entries"], document["total_pages"]) == (120, 3)


def test_the_detail_has_its_own_envelope(simulator: Simulator, visitor: Visitor) -> None:
    """A single generation comes in the success envelope, with the row of the listing."""
    simulator.world.populate("oxen", 3)
    for row in rows_of(visitor):
        document = visitor.document("oxen", f"{LIST}/{row['generation_id']}")
        assert (document["status"], document["status_message"]) == ("success", "resource_found")
        assert row == document["generation"]
    assert visitor.ask("oxen", f"{LIST}/none").status_code == 404


def test_results_on_the_own_host_need_the_key(simulator: Simulator, visitor: Visitor) -> None:
    """About half of the results are on the API's host: 401 without the key, else a redirect."""
    simulator.world.populate("oxen", 20)
    own_host = simulator.base_url("oxen")
    urls = [row["result_url"] for row in rows_of(visitor) if row["result_url"]]
    own = [url for url in urls if url.startswith(own_host)]
    assert 5 <= len(own) <= len(urls) - 5
    for url in urls:
        link = url
        if url in own:
            assert visitor.fetch(url).status_code == 401
            answer = visitor.ask("oxen", url.removeprefix(own_host))
            assert answer.status_code == 302
            link = answer.headers["location"]
        assert link.startswith(simulator.base_url("media"))
        assert visitor.fetch(link).content == simulator.expected(link).read()


def test_request_parameters_are_merged(simulator: Simulator, visitor: Visitor) -> None:
    """Rows carry the request's own parameters at their top level."""
    item = simulator.world.add(
        "oxen", parameters={"seed": 5, "input_image": "data:image/png;base64,AA"}
    )
    row = rows_of(visitor)[0]
    assert (row["prompt"], row["seed"]) == (item.prompt, 5)


def test_namespaces_are_listed_apart(simulator: Simulator, visitor: Visitor) -> None:
    """Without a namespace the owner's is listed; others by name; unknown ones are 404."""
    simulator.world.populate("oxen", 2)
    simulator.world.populate("oxen", 3, namespace="team")
    assert len(rows_of(visitor)) == 2
    assert len(rows_of(visitor, namespace="team")) == 3
    assert visitor.ask("oxen", LIST, namespace="nobody").status_code == 404


def test_filters_narrow_rows_and_cost(simulator: Simulator, visitor: Visitor) -> None:
    """Each filter returns only what matches, and the cost of just that."""
    simulator.world.populate("oxen", 60)
    rows = rows_of(visitor, page_size=1000)
    for name, field in (
        ("media_type", "media_type"),
        ("status", "status"),
        ("model", "model_name"),
    ):
        value = rows[10][field]
        found = visitor.document("oxen", LIST, page_size=1000, **{name: value})
        assert found["generations"] == [row for row in rows if row[field] == value]
        cents = sum(round(float(row["cost"]) * 100) for row in found["generations"] if row["cost"])
        assert round(float(found["total_cost"]) * 100) == cents


@pytest.mark.parametrize(
    "query", [{"page": 0}, {"page_size": 1001}, {"media_type": "audio"}, {"page": "x"}]
)
def test_bad_parameters_are_400(visitor: Visitor, query: dict[str, str | int]) -> None:
    """Parameters outside the contract are refused with the vendor's error body."""
    response = visitor.ask("oxen", LIST, **query)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_params"


def test_a_wrong_token_is_401(simulator: Simulator, visitor: Visitor) -> None:
    """Without the right Bearer token the answer is 401 unauthenticated."""
    for headers in ({}, visitor.credentials("oxen", "wrong")):
        response = visitor.fetch(simulator.base_url("oxen") + LIST, headers)
        assert response.status_code == 401
        assert response.json() == {"status": "error", "status_message": "unauthenticated"}


def test_the_queue_shows_what_is_active(simulator: Simulator, visitor: Visitor) -> None:
    """Without a status the queue holds only what is being made, in full and without pages."""
    simulator.world.populate("oxen", 60)
    active = [
        simulator.world.add("oxen", state="queued"),
        simulator.world.add("oxen", state="processing"),
    ]
    document = visitor.document("oxen", QUEUE)
    jsonschema.validate(document["generations"], {"type": "array", "items": ROW})
    listed = {row["generation_id"] for row in document["generations"]}
    assert listed >= {item.id for item in active}
    assert {row["status"] for row in document["generations"]} <= {"queued", "processing"}
    assert document["count"] == len(document["generations"]) < 10
    assert "prompt" not in document["generations"][0]
    ended = visitor.document("oxen", QUEUE, status="succeeded")
    assert {row["status"] for row in ended["generations"]} == {"succeeded"}
    assert ended["count"] > 50
    assert visitor.ask("oxen", QUEUE, status="gone").status_code == 400


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("completed", "succeeded"),
        ("failed", "failed"),
        ("rejected", "failed"),
        ("cancelled", "cancelled"),
    ],
)
def test_a_row_of_the_queue_stays(
    simulator: Simulator, visitor: Visitor, outcome: Outcome, status: str
) -> None:
    """One row can be asked for until after its end, which it tells with its result or its error."""
    item = simulator.world.add("oxen", state="queued")
    assert visitor.document("oxen", f"{QUEUE}/{item.id}")["status"] == "queued"
    simulator.world.finish("oxen", item.id, outcome)
    row = visitor.document("oxen", f"{QUEUE}/{item.id}")
    assert row["status"] == status
    assert bool(row["result_url"]) == (outcome == "completed") != bool(row["error_message"])
    assert row["started_at"] == row["completed_at"]
    assert visitor.ask("oxen", f"{QUEUE}/none").status_code == 404
