"""Oxen's generations API: pages of up to 1000 rows, and results partly on the API's own host.

Source: the vendor's OpenAPI (GenerationsListResponse, GenerationsShowResponse and those of the
queue, the lean view that clients poll). The result paths under /api/files need the key and
redirect to a signed link elsewhere.
"""

from __future__ import annotations

from itertools import islice

from archiver.simulator.item import Item
from archiver.simulator.stage import Stage
from archiver.simulator.wire import Request, Response, json_response, redirect

PAGE_SIZE_MAX = 1000
MEDIA_TYPES = ("image", "video")
STATUSES = ("queued", "processing", "succeeded", "failed", "cancelled")

_LIST = "/api/ai/generations"
_QUEUE = "/api/ai/queue"
_FILES = "/api/files/"
_STATUS = {"completed": "succeeded", "rejected": "failed"}
_ACTIVE = ("queued", "processing")
_LEAN = (
    *("generation_id", "model_name", "media_type", "status", "enqueued_at", "started_at"),
    *("completed_at", "error_message", "result_url"),
    *("target_namespace", "target_repo", "target_directory"),
)
_USER = {
    "user_id": "0d9c7b52-6e0f-4f5c-9a39-1c2d3e4f5a6b",
    "username": "studio",
    "user_image": None,
}
_FILTERS = ("model", "media_type", "status", "repo", "folder")


class Oxen:
    """Answers `/api/ai/generations`, `/api/ai/queue`, one of each by id, and `/api/files/…`."""

    def __init__(self, stage: Stage) -> None:
        """Keep the stage."""
        self._stage = stage

    def answer(self, request: Request) -> Response:
        """Check the token, then find the route."""
        if request.bearer() != self._stage.keys["oxen"]:
            return json_response(401, {"status": "error", "status_message": "unauthenticated"})
        if request.method == "GET" and request.path == _LIST:
            return self._list(request)
        if request.method == "GET" and request.path.startswith(f"{_LIST}/"):
            return self._detail(request.path.removeprefix(f"{_LIST}/"))
        if request.method == "GET" and request.path == _QUEUE:
            return self._queue(request)
        if request.method == "GET" and request.path.startswith(f"{_QUEUE}/"):
            return self._queued(request.path.removeprefix(f"{_QUEUE}/"))
        if request.method in ("GET", "HEAD") and request.path.startswith(_FILES):
            return self._file(request.path.removeprefix(_FILES))
        return _error(404, "resource_not_found", "No such route")

    def _list(self, request: Request) -> Response:
        """Answer one page of a namespace: the key owner's own when none is named."""
        page, size = request.integer("page", 1), request.integer("page_size", 50)
        if page is None or size is None or page < 1 or not 1 <= size <= PAGE_SIZE_MAX:
            return _error(400, "invalid_params", "page or page_size is out of range")
        refused, namespace = self._refusal(request), request.first("namespace")
        if refused:
            return refused
        total, cost_cents, items = self._select(request, namespace, (page - 1) * size, size)
        document = {
            "count": len(items),
            "generations": [self._row(item) for item in items],
            "page_number": page,
            "page_size": size,
            "total_pages": -(-total // size),
            "total_entries": total,
            "total_cost": _decimal(cost_cents) if cost_cents else None,
        }
        return json_response(200, document)

    def _refusal(self, request: Request) -> Response | None:
        """Refuse filters that are not in the contract, and namespaces that are not there."""
        if request.first("media_type", "image") not in MEDIA_TYPES:
            return _error(400, "invalid_params", "media_type is not one of image, video")
        if request.first("status", "queued") not in STATUSES:
            return _error(400, "invalid_params", "status is unknown")
        namespace = request.first("namespace")
        if not self._stage.world.has_namespace("oxen", namespace):
            return _error(404, "resource_not_found", f"Namespace {namespace} not found")
        return None

    def _queue(self, request: Request) -> Response:
        """Answer the whole queue: what is active, or what a status asks for. It has no pages."""
        refused = self._refusal(request)
        if refused:
            return refused
        wanted = {name: request.first(name) for name in _FILTERS if request.first(name)}
        rows = [
            self.body(item, "queue")
            for item in self._stage.world.items("oxen", request.first("namespace"))
            if self._matches(item, wanted)
        ]
        chosen = [row for row in rows if "status" in wanted or row["status"] in _ACTIVE]
        return json_response(200, {"count": len(chosen), "generations": chosen})

    def _queued(self, public_id: str) -> Response:
        """Answer one row of the queue; it stays when the generation has ended."""
        item = self._stage.world.item("oxen", public_id)
        if item is None:
            return _error(404, "resource_not_found", "Generation not found")
        return json_response(200, self.body(item, "queue"))

    def _select(
        self, request: Request, namespace: str, start: int, size: int
    ) -> tuple[int, int, list[Item]]:
        """Return total, cost and one page; a filter reads the whole namespace."""
        world, order = self._stage.world, self._stage.switches.order
        wanted = {name: request.first(name) for name in _FILTERS if request.first(name)}
        if not wanted:
            items = world.page("oxen", start, start + size, namespace=namespace, order=order)
            count = world.count("oxen", namespace)
            return count, world.total_cost_cents("oxen", namespace), items
        chosen = [item for item in world.items("oxen", namespace) if self._matches(item, wanted)]
        cost_cents = sum(item.cost_cents for item in chosen)
        return len(chosen), cost_cents, list(islice(chosen, start, start + size))

    def _matches(self, item: Item, wanted: dict[str, str]) -> bool:
        """Compare an item with all filters."""
        row = self._row(item)
        row |= {"model": item.model, "repo": row["target_repo"], "folder": row["target_directory"]}
        return all(row[name] == value for name, value in wanted.items())

    def _detail(self, public_id: str) -> Response:
        """Answer one generation in its own envelope."""
        item = self._stage.world.item("oxen", public_id)
        if item is None:
            return _error(404, "resource_not_found", "Generation not found")
        return json_response(200, self.body(item, "detail"))

    def body(self, item: Item, shape: str) -> dict[str, object]:
        """Return a generation: "row", "queue" (fewer fields), or "detail" in its envelope."""
        row = self._row(item)
        if shape == "detail":
            row = {"status": "success", "status_message": "resource_found", "generation": row}
        if shape == "queue":
            row = {name: value for name, value in row.items() if name in _LEAN}
        return row

    def _file(self, name: str) -> Response:
        """Redirect to the signed link of a result on the media host."""
        item = self._stage.world.item("oxen", name.partition("/")[0])
        location = self._stage.output_link(item) if item else None
        if location is None:
            return _error(404, "resource_not_found", "File not found")
        return redirect(location)

    def _row(self, item: Item) -> dict[str, object]:
        """Return one row: the documented fields over the request's own parameters."""
        now = self._stage.now()
        state = item.state(now)
        ended, in_repo = now >= item.finishes_at, item.ordinal % 3 == 0
        row: dict[str, object] = {
            "prompt": item.prompt,
            "negative_prompt": item.negative_prompt,
            **item.parameters,
            **({"duration": 5} if item.kind == "video" else {"num_generations": 1}),
            "generation_id": item.id,
            "model_name": item.model,
            "media_type": item.kind,
            "status": _STATUS.get(state, state),
            "enqueued_at": int(item.created_at.timestamp()),
            "started_at": int(item.started_at.timestamp()) if state != "queued" else None,
            "completed_at": int(item.finishes_at.timestamp()) if ended else None,
            "cost": _decimal(item.cost_cents) if item.cost_cents else None,
            "error_message": item.error_message if item.has_failed(now) else None,
            "result_url": self._result_url(item),
            "target_namespace": (item.namespace or "studio") if in_repo else None,
            "target_repo": "renders" if in_repo else None,
            "target_directory": f"{item.created_at:%Y-%m}" if in_repo else None,
            **_USER,
        }
        return item.patched(row)

    def _result_url(self, item: Item) -> str | None:
        """Return every second result on the API's own host, the others as signed links."""
        link = self._stage.output_link(item)
        if link is None or item.ordinal % 2 or item.files_of("output")[0].url:
            return link
        name = item.files_of("output")[0].path.rpartition("/")[2]
        return f"{self._stage.base_urls['oxen']}{_FILES}{item.id}/{name}"


def _decimal(cents: int) -> str:
    """Write an amount as a decimal string."""
    return f"{cents // 100}.{cents % 100:02d}"


def _error(status: int, code: str, detail: str) -> Response:
    """Make the vendor's error body."""
    error = {"type": code, "title": code.replace("_", " ").capitalize(), "detail": detail}
    return json_response(status, {"error": error, "status": "error", "status_message": code})
