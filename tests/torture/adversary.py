"""An adversary between a provider's listing and its reader: small pages, shifts and lies.

It stands in the simulator as a fault that happens to every request of one listing, so the real
adapters, client and walk meet it over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from archiver.simulator import Simulator
from archiver.simulator.faults import Fault
from archiver.simulator.wire import Request, Response

PAGE_SIZE = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """What a provider's listing looks like; `rows` is None for a bare array."""

    path: str
    size: str
    rows: str | None
    totals: tuple[str, ...]
    cursor: str


SHAPES = {
    "geminigen": Shape("/uapi/v1/histories", "items_per_page", "result", ("total",), "page"),
    "oxen": Shape(
        "/api/ai/generations", "page_size", "generations", ("total_entries", "total_pages"), "page"
    ),
    "sync": Shape("/v2/generations", "limit", None, (), "cursor"),
    "neuralbox": Shape("/api/v2/user/history", "limit", "items", ("total", "pages"), "page"),
}


@dataclass(slots=True)
class Adversary:
    """Caps every page at PAGE_SIZE rows, and does what is scripted for the nth request of a walk.

    `before` runs before an answer is made, `edit` changes the rows of one, `totals` the stated
    numbers of all (None: leaves them out). `forgets_cursor` answers each request with page one.
    """

    simulator: Simulator
    provider: str
    before: dict[int, Callable[[], object]] = field(default_factory=dict)
    edit: dict[int, Callable[[list[Any]], list[Any]]] = field(default_factory=dict)
    totals: Callable[[int], int | None] | None = None
    dies_at: int | None = None
    forgets_cursor: bool = False
    asked: int = 0

    def __post_init__(self) -> None:
        fault = Fault(name="adversary", rewrite=self._ask, alter=self._answer)
        path = SHAPES[self.provider].path
        self.simulator.faults.add(fault, host=self.provider, path=path, times=None)

    def rest(self) -> None:
        """Be honest from now on, save for the small pages; a new walk begins."""
        self.before.clear()
        self.edit.clear()
        self.totals, self.dies_at, self.forgets_cursor = None, None, False
        self.asked = 0

    def _ask(self, request: Request) -> Request:
        self.asked += 1
        change = self.before.pop(self.asked, None)
        if change is not None:
            change()
        shape = SHAPES[self.provider]
        query = {**request.query, shape.size: [str(PAGE_SIZE)]}
        if self.forgets_cursor:
            query.pop(shape.cursor, None)
        return replace(request, query=query)

    def _answer(self, response: Response) -> Response:
        if self.dies_at is not None and self.asked >= self.dies_at:
            return Response(503, {}, b"")
        if response.status != 200:
            return response
        assert isinstance(response.body, bytes)
        shape, document = SHAPES[self.provider], json.loads(response.body)
        rows = document if shape.rows is None else document[shape.rows]
        edit = self.edit.pop(self.asked, None)
        rows = rows if edit is None else edit(rows)
        document = rows if shape.rows is None else {**document, shape.rows: rows}
        if self.totals is not None and isinstance(document, dict):
            document = {name: self._lie(name, value) for name, value in document.items()}
            document = {name: value for name, value in document.items() if value is not None}
        return replace(response, body=json.dumps(document).encode(), start=0, stop=None)

    def _lie(self, name: str, value: Any) -> Any:
        is_total = name in SHAPES[self.provider].totals
        return self.totals(value) if is_total and self.totals is not None else value
