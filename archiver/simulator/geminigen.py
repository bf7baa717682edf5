"""GeminiGen's history API: page-number listing, and a detail that holds the media arrays.

Source: its "Generation History APIs" and "Image Generation" pages; what those do not
say (error codes, status 0 and strings, short-lived links) is as seen by public clients.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from archiver.simulator.geminigen_events import make_event
from archiver.simulator.geminigen_making import (
    begin,
    find_refusal,
    make_error,
    read_wish,
)
from archiver.simulator.geminigen_media import media_arrays, media_files
from archiver.simulator.item import Item
from archiver.simulator.stage import Stage, iso_milliseconds
from archiver.simulator.wire import Request, Response, json_response

_STATUS = {
    "queued": 0,
    "processing": 1,
    "completed": 2,
    "failed": 3,
    "rejected": -2,
    "cancelled": 3,
}
_PREFIX = "/uapi/v1"


class GeminiGen:
    """Answers `/uapi/v1/histories`, `/history/{uuid}`, `/account` and `generate_image`."""

    def __init__(self, stage: Stage) -> None:
        """Keep the stage, and what `generate_image` began."""
        self._stage = stage
        self._begun: list[str] = []

    def answer(self, request: Request) -> Response:
        """Check the key, then find the route."""
        refused = self._refusal(request)
        if refused:
            return refused
        route = (request.method, request.path)
        if request.path.startswith(f"{_PREFIX}/history/") and request.method == "GET":
            return self._detail(request)
        routes: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", f"{_PREFIX}/histories"): self._list,
            ("GET", f"{_PREFIX}/account"): self._account,
            ("POST", f"{_PREFIX}/generate_image"): self._generate,
        }
        return (
            routes[route](request) if route in routes else make_error(404, "NOT_FOUND", "Not Found")
        )

    def _refusal(self, request: Request) -> Response | None:
        """Refuse a missing key with 400 and a wrong one with 404, as the vendor does."""
        given = request.headers.get("x-api-key")
        if not given:
            return make_error(400, "API_KEY_REQUIRED", "API key is required")
        if given != self._stage.keys["geminigen"]:
            return make_error(404, "API_KEY_NOT_FOUND", "API key not found")
        return None

    def _list(self, request: Request) -> Response:
        """Answer one page: success, total, result."""
        page, wanted = request.integer("page", 1), request.integer("items_per_page", 10)
        if page is None or wanted is None or page < 1 or wanted < 1:
            return json_response(422, {"detail": "page and items_per_page must be positive"})
        size = min(wanted, self._stage.switches.geminigen_page_size_max)
        total, items = self._select(request.first("filter_by", "all"), (page - 1) * size, size)
        if not items and page > 1 and self._stage.switches.past_end == "not_found":
            return make_error(404, "HISTORY_NOT_FOUND", "History not found")
        rows = [self.body(item, "row") for item in items]
        return json_response(200, {"success": True, "total": total, "result": rows})

    def _select(self, filter_by: str, start: int, size: int) -> tuple[int, list[Item]]:
        """Return the number of items and one page of them; a filter reads the whole history."""
        world, order = self._stage.world, self._stage.switches.order
        if filter_by == "all":
            items = world.page("geminigen", start, start + size, order=order)
            return world.count("geminigen"), items
        now = self._stage.now()
        chosen = [
            item
            for item in world.items("geminigen")
            if filter_by in (item.kind, item.state(now), f"{item.kind}_generation")
        ]
        return len(chosen), list(islice(chosen, start, start + size))

    def _detail(self, request: Request) -> Response:
        """Answer one item with its media arrays."""
        item = self._stage.world.item("geminigen", request.path.rpartition("/")[2])
        if item is None:
            return make_error(404, "HISTORY_NOT_FOUND", "History not found")
        return json_response(200, self.body(item, "detail"))

    def body(self, item: Item, shape: str) -> dict[str, object]:
        """Return a generation: "row", "detail", "answer" (of its making) or an event's body."""
        row = self._row(item)
        if shape in ("event", "event_name"):
            return make_event(self._stage, item, item.patched(row), shape)
        if shape == "answer":
            row["thumbnail_small"] = row.pop("thumbnail_url") or ""
        if shape == "row":
            row["media_files"] = media_files(self._stage, item)
        if shape == "detail" or (shape == "row" and self._stage.switches.geminigen_arrays_in_list):
            row |= media_arrays(self._stage, item)
        return item.patched(row)

    def _account(self, _request: Request) -> Response:
        """Answer the credit that clients use to check a key."""
        available = self._stage.switches.geminigen_credit
        credit = {"available_credit": available, "locked_credit": 0}
        return json_response(200, {"user_credit": credit, "plan_id": "pro"})

    def _generate(self, request: Request) -> Response:
        """Begin an image from a multipart form, and answer its first row."""
        wish = read_wish(request)
        if isinstance(wish, Response):
            return wish
        refused = find_refusal(self._stage, self._count_under_way())
        if refused:
            return refused
        item = begin(self._stage, wish)
        self._begun.append(item.id)
        return json_response(200, self.body(item, "answer"))

    def _count_under_way(self) -> int:
        """Count what `generate_image` began and has not ended."""
        found = (self._stage.world.item("geminigen", name) for name in self._begun)
        return sum(item is not None and item.finishes_at > self._stage.now() for item in found)

    def _row(self, item: Item) -> dict[str, object]:
        """Return the fields that list rows and details share."""
        now = self._stage.now()
        state, failed = item.state(now), item.has_failed(now)
        done = state == "completed"
        source = "image" if item.files_of("reference") else "text"
        thumbnails = item.files_of("thumbnail") if done else ()
        expires_at = self._stage.world.expires_at(item)
        row: dict[str, object] = {
            "id": item.number,
            "uuid": item.id,
            "user_id": 789,
            "model_name": item.model,
            "input_text": item.prompt,
            "negative_prompt": item.negative_prompt,
            "generate_result": self._stage.output_link(item) or "",
            "input_file_path": "",
            "type": f"{item.kind}_generation",
            "used_credit": 0 if failed else item.cost_cents,
            "status": self._status(item, state),
            "status_desc": state,
            "status_percentage": item.progress_percent(now),
            "error_code": item.error_code if failed else "",
            "error_message": item.error_message if failed else "",
            "rating": "",
            "rating_content": "",
            "custom_prompt": "",
            "created_at": iso_milliseconds(item.created_at),
            "updated_at": iso_milliseconds(min(now, item.finishes_at)),
            "file_size": sum(
                file.claimed_size_bytes for file in item.files_of("output")[: int(done)]
            ),
            "expired_at": iso_milliseconds(expires_at) if expires_at else None,
            "inference_type": f"{source}_to_{item.kind}",
            "name": " ".join(item.prompt.split()[:3]),
            "created_by": "user_789",
            "thumbnail_url": self._stage.link(next(iter(thumbnails), None), "geminigen") or None,
        }
        return row

    def _status(self, item: Item, state: str) -> int | str:
        """Return the status number: -2 for a refused prompt, and at times as a string."""
        number = _STATUS[state]
        if state == "failed" and item.error_code == "CONTENT_POLICY":
            number = _STATUS["rejected"]
        share = self._stage.switches.geminigen_text_status_share
        return str(number) if share and item.ordinal % share == share - 1 else number
