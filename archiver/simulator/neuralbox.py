"""NeuralBox's history API in both of its published, contradictory schemas.

Source: the vendor's "Generation History" page (`old`: string ids, url, type, pages) and
its newer "User / History" and "Generate / Status" pages (`new`: integer ids, result_url,
category, no pages). Which one a real server speaks is not known: `Switches` chooses.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from itertools import islice

from archiver.simulator.item import Item
from archiver.simulator.stage import Stage, iso_seconds
from archiver.simulator.wire import Request, Response, json_response

PAGE_SIZE_MAX = 100
_PREFIX = "/api/v2"
_OLD_DETAIL = f"{_PREFIX}/generate/status/"
_NEW_DETAIL = f"{_PREFIX}/generate/"
_BALANCE = (f"{_PREFIX}/user/balance", f"{_PREFIX}/balance")
_STATUS = {
    "queued": "pending",
    "processing": "pending",
    "rejected": "failed",
    "cancelled": "failed",
}


class NeuralBox:
    """Answers `/api/v2/user/history`, both detail paths and the balance."""

    def __init__(self, stage: Stage) -> None:
        """Keep the stage; the request budget starts with the first request."""
        self._stage = stage
        self._lock = threading.Lock()
        self._window_at: datetime | None = None
        self._spent = 0

    def answer(self, request: Request) -> Response:
        """Check token, plan and budget, then find the route."""
        refused = self._refusal(request)
        if refused:
            return refused
        path = request.path
        if request.method == "GET" and path == f"{_PREFIX}/user/history":
            return self._list(request)
        if request.method == "GET" and path in _BALANCE:
            plan = self._stage.switches.neuralbox_plan
            return json_response(200, {"balance": 1500, "plan": plan})
        if request.method == "GET" and path.startswith(_OLD_DETAIL):
            return self._detail(path.removeprefix(_OLD_DETAIL))
        if request.method == "GET" and path.startswith(_NEW_DETAIL) and self._is_new():
            return self._detail(path.removeprefix(_NEW_DETAIL))
        return _error(404, "Not Found")

    def _refusal(self, request: Request) -> Response | None:
        """Refuse with 401, 403 or 429 as the vendor's pages say."""
        token = request.bearer()
        if token is None:
            return _error(401, "Not authenticated")
        if token != self._stage.keys["neuralbox"]:
            return _error(401, "Invalid or expired token")
        if self._stage.switches.neuralbox_plan not in ("vip", "elite"):
            return _error(403, "Insufficient plan")
        return None if self._spend() else _error(429, "Rate limit exceeded")

    def _spend(self) -> bool:
        """Take one request out of this hour's budget."""
        budget, now = self._stage.switches.neuralbox_hourly_budget, self._stage.now()
        with self._lock:
            if self._window_at is None or now >= self._window_at + timedelta(hours=1):
                self._window_at, self._spent = now, 0
            self._spent += 1
            return budget is None or self._spent <= budget

    def _is_new(self) -> bool:
        """Say which schema is spoken."""
        return self._stage.switches.neuralbox_schema == "new"

    def _list(self, request: Request) -> Response:
        """Answer one page: items, total, page, limit, and pages in the old schema."""
        page, limit = request.integer("page", 1), request.integer("limit", 20)
        if page is None or limit is None or page < 1 or not 1 <= limit <= PAGE_SIZE_MAX:
            return _error(422, "page or limit is out of range")
        total, items = self._select(request, (page - 1) * limit, limit)
        if not items and page > 1 and self._stage.switches.past_end == "not_found":
            return _error(404, "Page not found")
        rows = [self.body(item, "row") for item in items]
        document = {"items": rows, "total": total, "page": page, "limit": limit}
        if not self._is_new():
            document["pages"] = -(-total // limit)
        return json_response(200, document)

    def _select(self, request: Request, start: int, limit: int) -> tuple[int, list[Item]]:
        """Return the number of items and one page; a filter reads the whole history.

        Each schema knows only its own filter names and ignores the other's.
        """
        world, order = self._stage.world, self._stage.switches.order
        kind, model = ("category", "model_slug") if self._is_new() else ("type", "model")
        wanted = (request.first(kind), request.first(model), request.first("status"))
        if not any(wanted):
            items = world.page("neuralbox", start, start + limit, order=order)
            return world.count("neuralbox"), items
        chosen = [item for item in world.items("neuralbox") if self._matches(item, wanted)]
        return len(chosen), list(islice(chosen, start, start + limit))

    def _matches(self, item: Item, wanted: tuple[str, str, str]) -> bool:
        """Compare an item with kind, model and status."""
        state = item.state(self._stage.now())
        found = (item.kind, item.model, _STATUS.get(state, state))
        return all(not want or want == have for want, have in zip(wanted, found, strict=True))

    def _detail(self, public_id: str) -> Response:
        """Answer the status of one generation in the schema that is spoken."""
        world = self._stage.world
        if self._is_new():
            item = (
                world.item_by_number("neuralbox", int(public_id)) if public_id.isdecimal() else None
            )
        else:
            item = world.item("neuralbox", public_id)
        if item is None:
            return _error(404, "Generation not found")
        return json_response(200, self.body(item, "detail"))

    def body(self, item: Item, shape: str) -> dict[str, object]:
        """Return a generation: "row", "detail" (its status), or the announced "event"."""
        row = self._row(item)
        if shape == "event":
            return {"event": f"generation.{row['status']}", "generation_id": row["id"]}
        if shape == "detail":
            row |= self._new_extras(item) if self._is_new() else self._old_extras(item)
        return item.patched(row)

    def _row(self, item: Item) -> dict[str, object]:
        """Return one row in the schema that is spoken."""
        state = item.state(self._stage.now())
        status, charged = _STATUS.get(state, state), state == "completed"
        shared: dict[str, object] = {
            "status": status,
            "prompt": item.prompt,
            "created_at": iso_seconds(item.created_at),
        }
        cost = item.cost_cents if charged else 0
        if not self._is_new():
            names = {"id": item.id, "type": item.kind, "model": item.model}
            link = self._stage.output_link(item)
            return {**names, **shared, "url": link, "tokens_used": cost}
        return {
            "id": item.number,
            "category": item.kind,
            "model_slug": item.model,
            "model_name": item.model.replace("-", " ").title(),
            **shared,
            "result_url": self._stage.output_link(item),
            "result_text": item.text if charged else None,
            "tokens_spent": cost,
            "is_favorited": item.ordinal % 9 == 0,
            "user_rating": None,
        }

    def _old_extras(self, item: Item) -> dict[str, object]:
        """Return what the old status page adds while pending, when complete, when failed."""
        now = self._stage.now()
        state = item.state(now)
        if item.has_failed(now):
            return {"error": item.error_message}
        if state == "completed":
            return {
                "duration": 1,
                "width": 320,
                "height": 180,
                "balance_remaining": 229,
                "completed_at": iso_seconds(item.finishes_at),
            }
        return {"progress": item.progress_percent(now), "eta_seconds": _seconds_left(item, now)}

    def _new_extras(self, item: Item) -> dict[str, object]:
        """Return what the newer detail page adds."""
        now = self._stage.now()
        state = item.state(now)
        if now < item.finishes_at:
            return {"progress": item.progress_percent(now), "eta_seconds": _seconds_left(item, now)}
        thumbnails = item.files_of("thumbnail") if state == "completed" else ()
        milliseconds = (item.finishes_at - item.created_at) // timedelta(milliseconds=1)
        return {
            "thumbnail_url": self._stage.link(thumbnails[0], "neuralbox") if thumbnails else None,
            "result_metadata": {"duration": 1, "width": 320, "height": 180},
            "processing_ms": milliseconds,
            "error": item.error_message or None,
        }


def _seconds_left(item: Item, now: datetime) -> int:
    """Return how long an item still takes; at most an hour is promised."""
    return int(min((item.finishes_at - now).total_seconds(), 3600))


def _error(status: int, detail: str) -> Response:
    """Make the vendor's error body."""
    return json_response(status, {"detail": detail})
