"""GeminiGen's simulated API has the shape of its documents and the manners of its server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from archiver.simulator import OMITTED, Recipe, Simulator
from tests.simulator.visitor import MovingClock, Visitor, words

LIST = "/uapi/v1/histories"
SEED_ROW_FIELDS = words("""id uuid user_id model_name input_text negative_prompt generate_result
input_file_path type used_credit status status_desc status_percentage error_code error_message
rating rating_content custom_prompt created_at updated_at file_size expired_at inference_type
name media_files created_by thumbnail_url""")
IMAGE_FIELDS = words("""id uuid history_id image_url model image_uri response_text status
error_message style aspect_ratio person_generation safety_filter_level file_download_url thumbnails
base64_data""")
VIDEO_FIELDS = words("""id uuid history_id video_uri duration aspect_ratio resolution
person_generation last_frame status error_message video_url""")
AUDIO_FIELDS = words("""history_id id uuid voices speed model model_name status custom_prompt
audio_uri emotion output_format vibe_id accent output_channel audio_url file_download_url""")
REFERENCE_FIELDS = words("""id history_id uuid media_type uri thumbnail_uri thumbnail_url mask_uri
mask_url""")


def walk(visitor: Visitor, size: int) -> list[dict[str, Any]]:
    """List the whole history page by page."""
    rows: list[dict[str, Any]] = []
    page = 1
    while part := visitor.document("geminigen", LIST, items_per_page=size, page=page)["result"]:
        rows, page = rows + part, page + 1
    return rows


def test_rows_have_the_documented_fields(simulator: Simulator, visitor: Visitor) -> None:
    """List rows have all fields of the documented sample, and no media arrays."""
    simulator.world.populate("geminigen", 60)
    rows = walk(visitor, 25)
    assert len(rows) == 60
    assert all(set(row) == SEED_ROW_FIELDS for row in rows)
    assert {type(row["status"]) for row in rows} == {int, str}
    times = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    assert all(times.fullmatch(row["created_at"]) for row in rows)


def test_details_have_the_documented_arrays(simulator: Simulator, visitor: Visitor) -> None:
    """Details hold the arrays of the documented sample, filled for the item's kind."""
    simulator.world.populate("geminigen", 60)
    seen: dict[str, set[str]] = {}
    for row in walk(visitor, 50):
        detail = visitor.document("geminigen", f"/uapi/v1/history/{row['uuid']}")
        for name in ("generated_image", "generated_video", "generated_audio", "reference_item"):
            for part in detail[name]:
                seen.setdefault(name, set()).update(part)
    assert seen == {
        "generated_image": IMAGE_FIELDS,
        "generated_video": VIDEO_FIELDS,
        "generated_audio": AUDIO_FIELDS,
        "reference_item": REFERENCE_FIELDS,
    }


def test_every_link_leads_to_its_file(simulator: Simulator, visitor: Visitor) -> None:
    """All absolute links of a detail answer the expected bytes without a key."""
    simulator.world.populate("geminigen", 30)
    links: set[str] = set()
    for item in simulator.world.items("geminigen"):
        text = visitor.ask("geminigen", f"/uapi/v1/history/{item.id}").text
        links |= set(re.findall(r'"(http[^"]+)"', text))
    assert len(links) > 50
    for link in links:
        expected = simulator.expected(link)
        response = visitor.fetch(link)
        assert (response.status_code, response.content) == (200, expected.read())
        assert response.headers["content-type"] == expected.media_type


def test_relative_references_can_be_joined(simulator: Simulator, visitor: Visitor) -> None:
    """A reference has only a relative URI, which joins with the media host's geminigen folder."""
    simulator.world.populate("geminigen", 60)
    items = [item for item in simulator.world.items("geminigen") if item.files_of("reference")]
    detail = visitor.document("geminigen", f"/uapi/v1/history/{items[0].id}")
    uri = detail["reference_item"][0]["uri"]
    assert not uri.startswith(("/", "http"))
    url = f"{simulator.base_url('media')}/geminigen/{uri}"
    assert visitor.fetch(url).status_code == 200


@pytest.mark.parametrize(
    ("key", "status", "code"), [("", 400, "API_KEY_REQUIRED"), ("no", 404, "API_KEY_NOT_FOUND")]
)
def test_keys_are_refused_as_the_vendor_does(
    simulator: Simulator, visitor: Visitor, key: str, status: int, code: str
) -> None:
    """A missing key is 400 and a wrong one 404, each with its code."""
    response = visitor.fetch(simulator.base_url("geminigen") + LIST, {"x-api-key": key})
    assert response.status_code == status
    assert response.json()["detail"]["error_code"] == code


def test_unknown_uuid_is_404(visitor: Visitor) -> None:
    """An unknown generation is 404 with another code than a wrong key."""
    response = visitor.ask("geminigen", "/uapi/v1/history/hist_none")
    assert response.status_code == 404
    assert response.json()["detail"]["error_code"] == "HISTORY_NOT_FOUND"


def test_states_have_their_numbers(simulator: Simulator, visitor: Visitor) -> None:
    """Queued is 0, processing 1, completed 2, failed 3, a refused prompt -2."""
    simulator.switches.geminigen_text_status_share = 0
    add = simulator.world.add
    items = {
        0: add("geminigen", state="queued"),
        1: add("geminigen", state="processing"),
        2: add("geminigen"),
        3: add("geminigen", state="failed", error_code="TIMEOUT"),
        -2: add("geminigen", state="failed", error_code="CONTENT_POLICY"),
    }
    rows = {row["uuid"]: row for row in walk(visitor, 10)}
    for number, item in items.items():
        row = rows[item.id]
        assert row["status"] == number
        assert bool(row["generate_result"]) == bool(row["media_files"]) == (number == 2)


@pytest.mark.parametrize(("past_end", "status"), [("empty", 200), ("not_found", 404)])
def test_past_the_end(simulator: Simulator, visitor: Visitor, past_end: str, status: int) -> None:
    """A page after the last one is empty or 404, as the switch says."""
    simulator.switches.past_end = "empty" if past_end == "empty" else "not_found"
    simulator.world.populate("geminigen", 5)
    assert visitor.ask("geminigen", LIST, page=2, items_per_page=5).status_code == status
    assert visitor.ask("geminigen", LIST, page=1).status_code == 200


def test_filter_and_page_size(simulator: Simulator, visitor: Visitor) -> None:
    """filter_by narrows items and total, and a page is never longer than the maximum."""
    simulator.world.populate("geminigen", 150)
    videos = visitor.document("geminigen", LIST, filter_by="video", items_per_page=100)
    assert {row["type"] for row in videos["result"]} == {"video_generation"}
    assert videos["total"] == 30
    assert len(visitor.document("geminigen", LIST, items_per_page=1000)["result"]) == 100


def test_a_patch_makes_a_malformed_row(simulator: Simulator, visitor: Visitor) -> None:
    """A patch replaces fields of a row and leaves out what it omits."""
    simulator.world.add("geminigen", patch={"uuid": OMITTED, "status": None, "x": [1]})
    row = walk(visitor, 10)[0]
    assert "uuid" not in row
    assert row["status"] is None
    assert row["x"] == [1]


def test_generate_image_makes_an_item(
    simulator: Simulator, visitor: Visitor, clock: MovingClock
) -> None:
    """A multipart request begins an image that is listed at once and complete after a while."""
    url = simulator.base_url("geminigen") + "/uapi/v1/generate_image"
    fields = {"prompt": (None, "夕焼け"), "model": (None, "imagen-4"), "style": (None, "Anime")}
    answer = visitor.post(url, files=fields, headers=visitor.credentials("geminigen"))
    assert answer.status_code == 200
    row = answer.json()
    assert (row["input_text"], int(row["status"])) == ("夕焼け", 1)
    clock.move(seconds=2)
    detail = visitor.document("geminigen", f"/uapi/v1/history/{row['uuid']}")
    assert int(detail["status"]) == 2
    assert detail["generated_image"][0]["style"] == "Anime"
    refused = visitor.post(url, json={"prompt": "p"}, headers=visitor.credentials("geminigen"))
    assert refused.status_code == 422


def test_several_outputs(simulator: Simulator, visitor: Visitor) -> None:
    """An item with three outputs has three images, each with its own thumbnail."""
    item = simulator.world.add("geminigen", kind="image", recipe=Recipe(outputs=3, failed_share=0))
    images = visitor.document("geminigen", f"/uapi/v1/history/{item.id}")["generated_image"]
    assert len({image["image_url"] for image in images}) == 3
    assert len({image["thumbnails"][0]["url"] for image in images}) == 3
