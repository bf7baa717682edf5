"""Fakes for provider tests: an `Api` of recorded answers, and four small services behind it.

A service answers a listing and a detail as its vendor's pages describe them, over rows that a
test makes up. None of it is a patch of our own code: providers see the port and nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from archiver.errors import GenerationNotFound
from archiver.providers import PROVIDERS
from archiver.providers.base import Connection, Parameters, Provider

Record = dict[str, object]
Answer = Callable[[str, Mapping[str, str | int]], object]


class FakeApi:
    """The `Api` port over a function of path and parameters; remembers what was asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[tuple[str, dict[str, str | int]]] = []

    def get_json(self, path: str, parameters: Parameters | None = None) -> object:
        """Answer with a copy, as a fresh reading of the same document would."""
        given = dict(parameters or {})
        self.asked.append((path, given))
        return copy.deepcopy(self._answer(path, given))

    def get_text(self, path: str, parameters: Parameters | None = None) -> str:
        """Answer with a text."""
        return str(self.get_json(path, parameters))

    def post_form(self, path: str, fields: Mapping[str, str], files: Sequence[Path]) -> object:
        """Answer a form as it would a question with the same fields."""
        return self.get_json(path, {**fields, "files": len(files)})


def missing(path: str) -> GenerationNotFound:
    """Make the error that a client raises for a 404."""
    return GenerationNotFound(f"{path} answered 404", http_status=404)


def open_provider(name: str, api: FakeApi, **options: object) -> Provider:
    """Open an account "studio" at a provider over a fake api."""
    module = import_module(PROVIDERS[name])
    settings = module.Options(provider=name, api_key={"value": "k-secret"}, **options)
    provider: Provider = module.open_provider("studio", settings, api)
    return provider


def connection_of(name: str) -> Connection:
    """Get a provider's CONNECTION."""
    connection: Connection = import_module(PROVIDERS[name]).CONNECTION
    return connection


@dataclass(frozen=True, kw_only=True)
class Service:
    """One vendor's API as its pages describe it.

    `make_row(number, query)` makes a completed record whose addresses all carry `query`.
    """

    name: str
    id_name: str
    list_path: str
    detail_path: str
    page_size: int
    make_row: Callable[[int, str], Record]
    envelope: Callable[[list[Record], int, Mapping[str, str | int]], object]
    select: Callable[[list[Record], Mapping[str, str | int], int], list[Record]]
    wrap: Callable[[Record], object] = field(default=lambda record: record)

    def rows(self, number: int, query: str = "X-Amz-Signature=5ec7e7") -> list[Record]:
        """Make rows, newest first."""
        return [self.make_row(index, query) for index in range(number, 0, -1)]

    def answer(self, rows: list[object], page_size: int | None = None) -> Answer:
        """Serve a history; `page_size` caps what is asked for, as a server may."""
        size = page_size or self.page_size

        def respond(path: str, parameters: Mapping[str, str | int]) -> object:
            if path == self.list_path:
                page = self.select(rows, parameters, size)  # type: ignore[arg-type]
                return self.envelope(page, len(rows), {**parameters, "_size": size})
            for row in rows:
                if isinstance(row, Mapping) and path == f"{self.detail_path}{row[self.id_name]}":
                    return self.wrap(dict(row))
            raise missing(path)

        return respond


def _numbered(rows: list[Record], parameters: Mapping[str, str | int], size: int) -> list[Record]:
    start = (int(parameters["page"]) - 1) * size
    return rows[start : start + size]


def _behind_cursor(
    rows: list[Record], parameters: Mapping[str, str | int], size: int
) -> list[Record]:
    names = [row.get("id") if isinstance(row, Mapping) else None for row in rows]
    start = names.index(parameters["cursor"]) + 1 if "cursor" in parameters else 0
    return rows[start : start + size]


def _geminigen_row(number: int, query: str) -> Record:
    host = "https://media.example.com"
    return {
        "id": number,
        "uuid": f"hist-{number}",
        "status": 2,
        "type": "image_generation",
        "model_name": "imagen-4",
        "input_text": f"landscape {number}",
        "created_at": "2026-07-01T10:00:00Z",
        "generate_result": f"{host}/{number}.png?{query}",
        "thumbnail_url": f"{host}/{number}.thumb.jpg?{query}",
        "custom_prompt": f"like {host}/style.png?{query}",
        "generated_image": [
            {"uuid": f"img-{number}", "image_url": f"{host}/{number}.png?{query}"},
            {"uuid": f"img-{number}b", "image_url": f"{host}/{number}b.png?{query}"},
        ],
        "reference_item": [{"uuid": f"ref-{number}", "url": f"{host}/ref.png?{query}"}],
        "media_files": [{"url": f"{host}/{number}c.png?{query}", "size": 10}],
    }


def _oxen_row(number: int, query: str) -> Record:
    return {
        "generation_id": f"gen-{number}",
        "model_name": "flux",
        "media_type": "image",
        "status": "succeeded",
        "enqueued_at": 1767225600 + number,
        "result_url": f"https://hub.oxen.ai/api/files/{number}.png?{query}",
        "prompt": f"ox {number}",
        "input_image": f"https://media.example.com/in.png?{query}",
    }


def _sync_row(number: int, query: str) -> Record:
    return {
        "id": f"sync-{number}",
        "createdAt": "2026-07-01T10:00:00Z",
        "status": "COMPLETED",
        "model": "lipsync-2",
        "input": [{"type": "video", "url": f"https://media.example.com/in.mp4?{query}"}],
        "outputMediaUrl": f"https://media.example.com/{number}.mp4?{query}",
        "outputUrl": f"https://api.sync.so/v2/generations/sync-{number}/result?{query}",
        "segmentOutputUrl": f"https://media.example.com/{number}.segment.mp4?{query}",
        "synthesizedAudioUrl": f"https://media.example.com/{number}.wav?{query}",
        "options": {"style": f"https://media.example.com/style.png?{query}"},
    }


def _neuralbox_row(number: int, query: str) -> Record:
    return {
        "id": number,
        "category": "image",
        "model_slug": "flux",
        "status": "completed",
        "prompt": f"box {number}",
        "result_url": f"https://storage.example.com/{number}.webp?{query}",
        "thumbnail_url": f"https://storage.example.com/{number}.jpg?{query}",
        "init_image": f"https://storage.example.com/in.jpg?{query}",
        "created_at": "2026-07-01T10:00:00Z",
    }


SERVICES = {
    service.name: service
    for service in (
        Service(
            name="geminigen",
            id_name="uuid",
            list_path="/uapi/v1/histories",
            detail_path="/uapi/v1/history/",
            page_size=50,
            make_row=_geminigen_row,
            envelope=lambda page, total, given: {"success": True, "total": total, "result": page},
            select=_numbered,
        ),
        Service(
            name="oxen",
            id_name="generation_id",
            list_path="/api/ai/generations",
            detail_path="/api/ai/generations/",
            page_size=1000,
            make_row=_oxen_row,
            envelope=lambda page, total, given: {
                "count": len(page),
                "generations": page,
                "page_number": given["page"],
                "page_size": given["_size"],
                "total_entries": total,
                "total_pages": -(-total // int(given["_size"])),
                "total_cost": None,
            },
            select=_numbered,
            wrap=lambda record: {"status": "success", "generation": record},
        ),
        Service(
            name="sync",
            id_name="id",
            list_path="/v2/generations",
            detail_path="/v2/generations/",
            page_size=100,
            make_row=_sync_row,
            envelope=lambda page, total, given: page,
            select=_behind_cursor,
        ),
        Service(
            name="neuralbox",
            id_name="id",
            list_path="/api/v2/user/history",
            detail_path="/api/v2/generate/",
            page_size=100,
            make_row=_neuralbox_row,
            envelope=lambda page, total, given: {
                "items": page,
                "total": total,
                "page": given["page"],
                "limit": given["_size"],
            },
            select=_numbered,
        ),
    )
}
