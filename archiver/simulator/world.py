"""The state behind all four APIs: what was generated, when, and what has expired.

A world is deterministic from its seed and the calls made on it, and safe to change
from a test while servers answer from it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from archiver.simulator.history import History, Order
from archiver.simulator.invention import FIRST_NUMBER, history_and_ordinal, key_from_public_id
from archiver.simulator.item import NEVER, PROVIDERS, File, Item, Outcome, Recipe, State
from archiver.simulator.repertoire import CANCELLED, FAILURES, REFUSALS

Clock = Callable[[], datetime]
"""Returns the time as an aware UTC datetime."""

DEFAULT_RETENTION: dict[str, timedelta | None] = {
    "geminigen": timedelta(days=30),
    "oxen": None,
    "sync": None,
    "neuralbox": timedelta(days=90),
}
"""How long media lives: 30 days in GeminiGen's samples, 90 on NeuralBox's VIP plan."""

_SINGLE = Recipe(failed_share=0.0, in_progress=0, outputs=1)


def now_utc() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


class World:
    """All histories, and the files that belong to them.

    `retention` may be changed at any time: expiry is computed when asked for.
    """

    def __init__(self, seed: int = 1, clock: Clock = now_utc) -> None:
        """Start with four empty histories."""
        self.seed, self.clock = seed, clock
        self.retention = dict(DEFAULT_RETENTION)
        self.on_change: list[Callable[[Item], object]] = []
        """Called with each item that is added or changed one by one; must return at once."""
        self._lock = threading.RLock()
        self._histories: list[History] = []
        self._by_name: dict[tuple[str, str], History] = {}
        for provider in PROVIDERS:
            self._history(provider, "", create=True)

    def populate(
        self,
        provider: str,
        count: int,
        recipe: Recipe | None = None,
        *,
        namespace: str = "",
        until_at: datetime | None = None,
    ) -> None:
        """Append `count` believable items that end at `until_at` (default: now).

        Costs nothing but eight bytes for each. Populate the older parts first.
        """
        with self._lock:
            history = self._history(provider, namespace, create=True)
            history.populate(count, until_at or self.clock(), recipe or Recipe())

    def populate_all(self, count: int, recipe: Recipe | None = None) -> None:
        """Append `count` items to each provider's history."""
        for provider in PROVIDERS:
            self.populate(provider, count, recipe)

    def add(
        self,
        provider: str,
        *,
        kind: str | None = None,
        state: State = "completed",
        created_at: datetime | None = None,
        finishes_in: timedelta = timedelta(0),
        recipe: Recipe = _SINGLE,
        size_bytes: int | None = None,
        namespace: str = "",
        **fields: Any,
    ) -> Item:
        """Add one item (default: made just now and complete) and return it.

        `size_bytes` sizes every file of it. With a state of "queued" or "processing" it
        ends only by `finish`, unless `finishes_in` says when after its creation. `fields`
        are any of `Item`'s: id, prompt, model, files, text, patch, expires_at, outcome …
        """
        if size_bytes is not None:
            recipe = replace(recipe, size_bytes=(size_bytes, size_bytes))
        ends = fields.get("outcome", state)
        if ends in ("failed", "rejected", "cancelled"):
            recipe = replace(recipe, failed_share=1.0)
        if ends in ("rejected", "cancelled"):
            fields = {**_end(provider, ends), **fields}
        with self._lock:
            history = self._history(provider, namespace, create=True)
            moment = created_at or self.clock()
            item = history.insert(moment, kind, recipe)
            held = state in ("queued", "processing") and not finishes_in
            times = {
                "started_at": NEVER if state == "queued" and held else moment,
                "finishes_at": NEVER if held else moment + finishes_in,
            }
            return self._store(history, replace(item, **{**times, **fields}))

    def finish(
        self, provider: str, public_id: str, outcome: Outcome = "completed", **fields: Any
    ) -> Item:
        """End an item that is being made, now. A bad end has a reason, or that of `fields`."""
        started_at = min(self._existing(provider, public_id).started_at, self.clock())
        ended: dict[str, Any] = {"started_at": started_at, "finishes_at": self.clock()}
        ended |= {**_end(provider, outcome), **fields}
        return self.change(provider, public_id, **ended)

    def rewrite(self, provider: str, public_id: str) -> Item:
        """Give all files of an item other bytes of the same size, under the same paths."""
        files = self._existing(provider, public_id).files
        changed = tuple(replace(file, version=file.version + 1) for file in files)
        return self.change(provider, public_id, files=changed)

    def change(self, provider: str, public_id: str, **fields: Any) -> Item:
        """Replace any fields of an item but its place and time, and return the new one."""
        with self._lock:
            item = self._existing(provider, public_id)
            history = self._history(provider, item.namespace)
            return self._store(history, replace(item, **fields))

    def delete(self, provider: str, public_id: str) -> None:
        """Take an item and its files away, as its owner could between two runs."""
        with self._lock:
            item = self._existing(provider, public_id)
            self._history(provider, item.namespace).delete(item.ordinal)

    def item(self, provider: str, public_id: str) -> Item | None:
        """Return an item by the provider's own id, from any namespace."""
        with self._lock:
            for history in self._histories:
                ordinal = history.ordinal_of_id(public_id)
                if history.provider == provider and ordinal is not None:
                    return history.get(ordinal)
            key = key_from_public_id(provider, public_id)
            found = self.item_by_key(key) if key else None
            return found if found and (found.provider, found.id) == (provider, public_id) else None

    def item_by_number(self, provider: str, number: int) -> Item | None:
        """Return an item by its integer id (NeuralBox's newer schema)."""
        with self._lock:
            return self._history(provider, "").get(number - FIRST_NUMBER)

    def item_by_key(self, key: str) -> Item | None:
        """Return an item by the key that its media paths hold."""
        place = history_and_ordinal(key)
        if place is None or place[0] >= len(self._histories):
            return None
        with self._lock:
            item = self._histories[place[0]].get(place[1])
            return item if item and item.key == key else None

    def has_namespace(self, provider: str, namespace: str) -> bool:
        """Say whether a provider knows a namespace."""
        return (provider, namespace) in self._by_name

    def count(self, provider: str, namespace: str = "") -> int:
        """Count the listed items of a history."""
        return len(self._history(provider, namespace))

    def total_cost_cents(self, provider: str, namespace: str = "") -> int:
        """Sum what all items of a history cost."""
        with self._lock:
            return self._history(provider, namespace).total_cost_cents()

    def page(
        self, provider: str, start: int, stop: int, *, namespace: str = "", order: Order = "newest"
    ) -> list[Item]:
        """Return the items at some positions of a listing, as it is at this moment."""
        with self._lock:
            return list(self._history(provider, namespace).slice(start, stop, order))

    def items(self, provider: str, namespace: str = "") -> Iterator[Item]:
        """Yield all items, newest first. It takes some 20 s for a million."""
        start = 0
        while part := self.page(provider, start, start + 1000, namespace=namespace):
            yield from part
            start += 1000

    def position_after(self, item: Item) -> int:
        """Return the newest-first position of the item that follows, for cursors."""
        with self._lock:
            return self._history(item.provider, item.namespace).position_after(item.ordinal)

    def find_file(self, path: str) -> tuple[Item, File] | None:
        """Return the file at a path of the media host, and its item."""
        parts = path.split("/", 4)
        item = self.item_by_key(parts[3].partition(".")[0]) if len(parts) > 3 else None
        for file in item.files if item else ():
            if item and file.path == path:
                return item, file
        return None

    def expires_at(self, item: Item) -> datetime | None:
        """Return when an item's media goes, or None when it stays."""
        keeps = self.retention[item.provider]
        return item.expires_at or (item.created_at + keeps if keeps is not None else None)

    def _history(self, provider: str, namespace: str, *, create: bool = False) -> History:
        """Return a history, or begin a new one for a new namespace."""
        name = (provider, namespace)
        if name not in self._by_name and create and provider in PROVIDERS:
            self._by_name[name] = History(self.seed, provider, namespace, len(self._histories))
            self._histories.append(self._by_name[name])
        return self._by_name[name]

    def _existing(self, provider: str, public_id: str) -> Item:
        """Return an item, or raise KeyError."""
        item = self.item(provider, public_id)
        if item is None:
            raise KeyError(f"{provider} has no item {public_id!r}")
        return item

    def _store(self, history: History, item: Item) -> Item:
        """Store a changed item and return it."""
        history.store(item)
        for tell in self.on_change:
            tell(item)
        return item


def _end(provider: str, outcome: Outcome) -> dict[str, str]:
    """Return how an item ends, with what its service would say of that end."""
    reasons = {
        "completed": ("", ""),
        "failed": FAILURES[provider][0],
        "rejected": REFUSALS[provider],
        "cancelled": CANCELLED,
    }
    code, message = reasons[outcome]
    return {"outcome": outcome, "error_code": code, "error_message": message}
