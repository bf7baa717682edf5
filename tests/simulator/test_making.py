"""GeminiGen's `generate_image`: what it takes, how it goes on, and how it goes wrong."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx
import pytest

from archiver.simulator import Simulator, faults
from tests.simulator.visitor import MovingClock, Visitor

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\r\n--no boundary\r\n"


def ask_for(visitor: Visitor, simulator: Simulator, *files: Any, **fields: str) -> httpx.Response:
    """Ask for an image with a multipart form."""
    url = simulator.base_url("geminigen") + "/uapi/v1/generate_image"
    parts = [(name, (None, value)) for name, value in fields.items()]
    parts += [("files", file) for file in files]
    return visitor.post(url, files=parts, headers=visitor.credentials("geminigen"))


def detail_of(visitor: Visitor, row: dict[str, Any]) -> dict[str, Any]:
    """Read what became of it."""
    detail: dict[str, Any] = visitor.document("geminigen", f"/uapi/v1/history/{row['uuid']}")
    return detail


def test_all_documented_fields_count(
    simulator: Simulator, visitor: Visitor, clock: MovingClock
) -> None:
    """Prompt, model, ratio, style and mode are kept, and shown when the image is there."""
    row = ask_for(
        visitor, simulator, prompt="夕焼け", model="imagen-4", aspect_ratio="9:16",
        style="Watercolor", service_mode="stable",
    ).json()  # fmt: skip
    assert (int(row["status"]), row["status_percentage"], row["generate_result"]) == (1, 0, "")
    assert (row["input_text"], row["model_name"], row["thumbnail_small"]) == (
        "夕焼け", "imagen-4", ""
    )  # fmt: skip
    clock.move(seconds=2)
    image = detail_of(visitor, row)["generated_image"][0]
    assert (image["aspect_ratio"], image["style"]) == ("9:16", "Watercolor")
    item = simulator.world.item("geminigen", row["uuid"])
    assert item is not None
    assert item.parameters["service_mode"] == "stable"


def test_progress_grows(simulator: Simulator, visitor: Visitor, clock: MovingClock) -> None:
    """The percentage rises in list and detail alike, and is 100 at the end."""
    simulator.switches.geminigen_making_seconds = 10
    row = ask_for(visitor, simulator, prompt="p", model="imagen-4").json()
    seen = []
    for _ in range(3):
        clock.move(seconds=5)
        listed = visitor.document("geminigen", "/uapi/v1/histories")["result"][0]
        assert listed["status_percentage"] == detail_of(visitor, row)["status_percentage"]
        seen.append(listed["status_percentage"])
    assert seen == [49, 100, 100]


def test_references_are_kept_byte_for_byte(
    simulator: Simulator, visitor: Visitor, clock: MovingClock
) -> None:
    """Uploads come back as reference items, in their order, exactly as they were sent."""
    files = [("a.png", PNG, "image/png"), ("ü.jpeg", b"\r\n" + PNG, "image/jpeg")]
    row = ask_for(visitor, simulator, *files, prompt="p", model="imagen-4").json()
    assert row["inference_type"] == "image_to_image"
    references = detail_of(visitor, row)["reference_item"]
    media = simulator.base_url("media")
    got = [visitor.fetch(f"{media}/geminigen/{each['uri']}").content for each in references]
    assert got == [PNG, b"\r\n" + PNG]


@pytest.mark.parametrize(
    ("fields", "lacking"),
    [({"model": "imagen-4"}, ["prompt"]), ({"prompt": "p"}, ["model"]), ({}, ["prompt", "model"])],
)
def test_a_missing_field_is_422(
    simulator: Simulator, visitor: Visitor, fields: dict[str, str], lacking: list[str]
) -> None:
    """The answer names each missing field, and nothing is begun."""
    answer = ask_for(visitor, simulator, **{"style": "None", **fields})
    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["body", n] for n in lacking]
    assert simulator.world.count("geminigen") == 0


def test_no_medium_is_422(simulator: Simulator, visitor: Visitor) -> None:
    """A reference that is no medium is refused."""
    answer = ask_for(visitor, simulator, ("a.exe", b"MZ"), prompt="p", model="imagen-4")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "files"])


@pytest.mark.parametrize(("ends", "status"), [("failed", 3), ("rejected", -2)])
def test_it_may_fail(
    simulator: Simulator, visitor: Visitor, clock: MovingClock, ends: str, status: int
) -> None:
    """An image that fails says why, and a refused prompt has a status of its own."""
    simulator.switches.geminigen_making_ends = "failed" if ends == "failed" else "rejected"
    row = ask_for(visitor, simulator, prompt="p", model="imagen-4").json()
    assert (int(row["status"]), row["error_message"]) == (1, "")
    clock.move(seconds=2)
    detail = detail_of(visitor, row)
    assert int(detail["status"]) == status
    assert detail["error_message"]
    assert detail["error_code"]
    assert (detail["generated_image"], detail["used_credit"]) == ([], 0)


def test_credit_and_crowds(simulator: Simulator, visitor: Visitor, clock: MovingClock) -> None:
    """Without credit the answer is 402; while too much is being made it is 429."""
    simulator.switches.geminigen_processing_max = 1
    wish = {"prompt": "p", "model": "imagen-4"}
    assert ask_for(visitor, simulator, **wish).status_code == 200
    crowded = ask_for(visitor, simulator, **wish)
    assert (crowded.status_code, crowded.headers["retry-after"]) == (429, "1")
    clock.move(seconds=2)
    assert ask_for(visitor, simulator, **wish).status_code == 200
    simulator.switches.geminigen_credit = 0
    poor = ask_for(visitor, simulator, **wish)
    assert poor.status_code == 402
    assert poor.json()["detail"]["error_code"] == "NOT_ENOUGH_CREDIT"
    assert visitor.document("geminigen", "/uapi/v1/account")["user_credit"]["available_credit"] == 0
    assert simulator.world.count("geminigen") == 2


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (faults.unanswered(0.05), True),
        (faults.reset(), True),
        (faults.answered_instead(502), True),
        (faults.status(503), False),
        (faults.rate_limited("1"), False),
    ],
    ids=lambda value: value.name if isinstance(value, faults.Fault) else "",
)
def test_an_answer_may_be_lost(
    simulator: Simulator, visitor: Visitor, fault: faults.Fault, taken: bool
) -> None:
    """A request may be taken without a word, or answered with an error though it was taken."""
    simulator.faults.add(fault, host="geminigen", method="POST")
    status = 0
    with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
        status = ask_for(visitor, simulator, prompt="p", model="imagen-4").status_code
    assert status != 200
    assert simulator.world.count("geminigen") == int(taken)
