"""Sync's generations API: a bare array, a cursor that older servers do not know, /download.

Source: the vendor's "List Generations", "Get Download URL" and error-catalogue pages;
the redirecting `outputUrl` with its token is as seen by public clients.
"""

from __future__ import annotations

from urllib.parse import quote

from archiver.simulator.item import File, Item
from archiver.simulator.repertoire import FAILURES
from archiver.simulator.stage import WEEK_SECONDS, Stage, iso_milliseconds
from archiver.simulator.wire import Request, Response, json_response, redirect, text_response

PAGE_SIZE_MAX = 100
_PREFIX = "/v2/generations"
_STATUS = {
    "queued": "PENDING",
    "processing": "PROCESSING",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "rejected": "REJECTED",
    "cancelled": "CANCELED",
}


class Sync:
    """Answers `/v2/generations` with its sub-paths, `/v2/generate/{id}` and `/v2/errors`."""

    def __init__(self, stage: Stage) -> None:
        """Keep the stage."""
        self._stage = stage

    def answer(self, request: Request) -> Response:
        """Serve what needs no key, check the key, then find the route."""
        parts = request.path.strip("/").split("/")
        if request.method not in ("GET", "HEAD") or parts[0] != "v2":
            return _error(404, "not_found", "Not Found")
        if parts == ["v2", "errors"]:
            return _catalogue()
        if len(parts) == 4 and parts[3] == "result":
            return self._result(parts[2], request.first("token"))
        if request.headers.get("x-api-key") != self._stage.keys["sync"]:
            return _error(401, "unauthorized", "Unauthorized")
        return self._authorised(request, parts)

    def _authorised(self, request: Request, parts: list[str]) -> Response:
        """Find the route of a request that has the key."""
        if parts == ["v2", "generations"]:
            return self._list(request)
        if parts == ["v2", "generations", "count"]:
            return json_response(200, {"count": self._count(request)})
        if len(parts) == 3 and parts[1] in ("generations", "generate"):
            item = self._stage.world.item("sync", parts[2])
            return json_response(200, self.body(item, "detail")) if item else _missing()
        if len(parts) == 4 and parts[3] == "download":
            return self._download(parts[2])
        return _error(404, "not_found", "Not Found")

    def _list(self, request: Request) -> Response:
        """Answer a bare array: a page with `limit`, else all in an order that means nothing."""
        world, filtered = self._stage.world, self._is_filtered(request)
        count = world.count("sync")
        knows = self._stage.switches.sync_knows_paging
        if not knows or "limit" not in request.query:
            if knows and "cursor" in request.query:
                return _error(400, "bad_request", "cursor needs limit")
            items = world.page("sync", 0, count, order="shuffled")
            chosen = [item for item in items if self._matches(item, request)]
            return json_response(200, [self._row(item) for item in chosen])
        limit = request.integer("limit", PAGE_SIZE_MAX)
        start = self._start(request.first("cursor"))
        if limit is None or not 1 <= limit <= PAGE_SIZE_MAX or start is None:
            return _error(400, "bad_request", "limit or cursor is invalid")
        if not filtered:
            page = world.page("sync", start, start + limit)
        else:
            page = self._filtered(request, start)[:limit]
        return json_response(200, [self._row(item) for item in page])

    def _start(self, cursor: str) -> int | None:
        """Return the position after a cursor, the id of the last item received."""
        if not cursor:
            return 0
        item = self._stage.world.item("sync", cursor)
        return self._stage.world.position_after(item) if item else None

    def _is_filtered(self, request: Request) -> bool:
        """Say whether any documented filter is set."""
        return any(request.several(name) for name in ("status", "ids", "source", "projectId"))

    def _filtered(self, request: Request, start: int = 0) -> list[Item]:
        """Return all matching items from a position on, newest first."""
        items = self._stage.world.page("sync", start, self._stage.world.count("sync"))
        return [item for item in items if self._matches(item, request)]

    def _count(self, request: Request) -> int:
        """Count the matching items; only a filter reads the whole history."""
        if self._is_filtered(request):
            return len(self._filtered(request))
        return self._stage.world.count("sync")

    def _matches(self, item: Item, request: Request) -> bool:
        """Compare an item with the filters; no simulated item belongs to a project."""
        if not self._is_filtered(request):
            return True
        statuses, ids = request.several("status"), request.several("ids")
        sources = request.several("source")
        return (
            (not statuses or _STATUS[item.state(self._stage.now())] in statuses)
            and (not ids or item.id in ids)
            and (not sources or "api" in sources)
            and not request.several("projectId")
        )

    def _download(self, public_id: str) -> Response:
        """Answer the signed URL of the output as bare text: asked for seven days."""
        world = self._stage.world
        item = world.item("sync", public_id)
        if item is None:
            return _missing()
        if self._stage.switches.sync_watermark and not any(file.version for file in item.files):
            item = world.rewrite("sync", public_id)
        if self._stage.output_link(item) is None:
            return _error(400, "generation_not_completed", "The generation has no output")
        link = self._stage.link(item.files_of("output")[0], "sync", WEEK_SECONDS)
        return text_response(200, link)

    def _result(self, public_id: str, token: str) -> Response:
        """Redirect to the output: the token in the URL is enough, no key is needed."""
        item = self._stage.world.item("sync", public_id)
        if item is None or token != self._token(item):
            return _error(403, "forbidden", "Invalid token")
        location = self._stage.output_link(item)
        return redirect(location) if location else _missing()

    def _token(self, item: Item) -> str:
        """Return the token that outputUrl carries."""
        return self._stage.token("sync", item.key)

    def body(self, item: Item, shape: str) -> dict[str, object]:
        """Return a generation: "detail", or "webhook", whose page writes `error_code`."""
        row = self._row(item)
        if shape == "webhook" and "errorCode" in row:
            row["error_code"] = row.pop("errorCode")
        return row

    def _row(self, item: Item) -> dict[str, object]:
        """Return one generation. Fields that have no value are null."""
        now = self._stage.now()
        state, failed = item.state(now), item.has_failed(now)
        done = state == "completed"
        segment, speech = item.files_of("segment"), item.files_of("speech")
        row: dict[str, object] = {
            "id": item.id,
            "createdAt": iso_milliseconds(item.created_at),
            "input": self._input(item),
            "model": item.model,
            "status": _STATUS[state],
            "options": {"sync_mode": "cut_off", "temperature": 0.5},
            "outputDuration": 1.0 if done else None,
            "outputUrl": self._output_url(item) if done else None,
            "outputFileName": f"take_{item.number}" if item.ordinal % 2 else None,
            "segments": None,
            "segmentOutputUrl": self._optional_link(segment if done else ()),
            "synthesizedAudioUrl": self._optional_link(speech if done else ()),
            "webhookUrl": self._stage.webhook_urls.get("sync"),
            "projectId": None,
            "error": item.error_message if failed else None,
            "errorCode": item.error_code if failed else None,
        }
        return item.patched(row)

    def _output_url(self, item: Item) -> str | None:
        """Return the API host's URL of the output, or a test's own."""
        outputs = item.files_of("output")
        if not outputs or outputs[0].url is not None:
            return outputs[0].url if outputs else None
        address = f"{self._stage.base_urls['sync']}{_PREFIX}/{quote(item.id)}/result"
        return f"{address}?token={self._token(item)}"

    def _optional_link(self, files: tuple[File, ...]) -> str | None:
        """Return the link of the first file, or None."""
        return self._stage.link(files[0], "sync") if files else None

    def _input(self, item: Item) -> list[dict[str, object]]:
        """Return the user's inputs: video and audio links, or a text to be spoken."""
        rows: list[dict[str, object]] = []
        for file in item.files_of("reference"):
            kind = "video" if file.media_type.startswith("video/") else "audio"
            rows.append({"type": kind, "url": self._stage.link(file, "sync")})
        if item.files_of("speech") or not rows:
            provider = {"name": "elevenlabs", "voiceId": "v1", "script": item.prompt}
            rows = [row for row in rows if row["type"] == "video"]
            rows.append({"type": "text", "provider": provider})
        return rows


def _missing() -> Response:
    """Answer for an id that does not exist."""
    return _error(404, "generation_not_found", "Generation not found")


def _error(status: int, code: str, message: str) -> Response:
    """Make the vendor's error body."""
    return json_response(status, {"statusCode": status, "errorCode": code, "message": message})


def _catalogue() -> Response:
    """Answer the catalogue of error codes, for which no key is needed."""
    codes = [{"code": code, "message": message} for code, message in FAILURES["sync"]]
    return json_response(200, codes)
