"""One provider's history, ordered by time, in eight bytes for each item.

Only what a test added or changed is stored; all other items are invented when asked for.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from archiver.simulator.invention import Place, cost_cents_of, invent
from archiver.simulator.item import Item, Recipe

Order = Literal["newest", "oldest", "shuffled"]

_REMEMBERED_ITEMS = 4096
_IN_PROGRESS_STEP = timedelta(minutes=2)
"""The newest items of a block began, and will end, so far from each other."""

_STRIDE = 7_368_787
"""A prime: stepping by it (made coprime to the length) visits every place once."""


@dataclass(frozen=True, slots=True)
class Block:
    """A populated stretch: `count` items from ordinal `first`, ending at `until_at`."""

    first: int
    count: int
    until_at: datetime
    recipe: Recipe

    def created_at(self, ordinal: int) -> datetime:
        """Spread the items evenly over the span; those in progress began in the last minutes."""
        newer = self.first + self.count - 1 - ordinal
        age = self.recipe.span / self.count * (newer + 0.6)
        if newer < self.recipe.in_progress:
            age = min(age, _IN_PROGRESS_STEP * (newer + 0.6))
        return self.until_at - age

    def invent(self, place: Place) -> Item:
        """Invent an item: all end in time but the newest few, which take some more minutes."""
        newer = self.first + self.count - 1 - place.ordinal
        created_at, end_at = self.created_at(place.ordinal), self.until_at
        if newer >= self.recipe.in_progress:
            return invent(place, self.recipe, created_at, latest_end_at=end_at)
        end_at += _IN_PROGRESS_STEP * (self.recipe.in_progress - newer)
        return invent(place, self.recipe, created_at, earliest_end_at=end_at, latest_end_at=end_at)


class History:
    """The items of one provider and namespace. Not locked: `World` does that."""

    def __init__(self, seed: int, provider: str, namespace: str, index: int) -> None:
        """Start empty; `index` tells the histories of a world apart (below 256)."""
        self.provider, self.namespace, self.index = provider, namespace, index
        self._seed = seed
        self._ordinals = array("q")
        self._in_order = True
        self._blocks: list[Block] = []
        self._own: dict[int, Item] = {}
        self._ordinal_of_id: dict[str, int] = {}
        self._deleted: set[int] = set()
        self._next = 0
        self._cost_cents: int | None = 0
        self._invented = lru_cache(maxsize=_REMEMBERED_ITEMS)(self._invent)

    def __len__(self) -> int:
        """Count the items that are listed."""
        return len(self._ordinals)

    def place(self, ordinal: int) -> Place:
        """Return where an ordinal stands."""
        return Place(self._seed, self.provider, self.namespace, self.index, ordinal)

    def populate(self, count: int, until_at: datetime, recipe: Recipe) -> None:
        """Append `count` items that are invented on demand; older ones must not follow."""
        if count:
            block = Block(self._next, count, until_at, recipe)
            newest = self.get(self._ordinals[-1]) if self._ordinals else None
            if newest and block.created_at(block.first) < newest.created_at:
                raise ValueError("populate the older part of a history first")
            self._blocks.append(block)
            self._ordinals.extend(range(self._next, self._next + count))
            self._next += count
            self._cost_cents = None

    def insert(self, created_at: datetime, kind: str | None, recipe: Recipe) -> Item:
        """Add one stored item where its time belongs."""
        ordinal, self._next = self._next, self._next + 1
        item = invent(self.place(ordinal), recipe, created_at, kind=kind)
        position = bisect_right(self._ordinals, created_at, key=self._time)
        self._in_order = self._in_order and position == len(self._ordinals)
        self._ordinals.insert(position, ordinal)
        self._own[ordinal] = item
        if self._cost_cents is not None:
            self._cost_cents += item.cost_cents
        return item

    def store(self, item: Item) -> None:
        """Keep a changed item in place of what was there. Its time must be unchanged."""
        if self._cost_cents is not None:
            self._cost_cents += item.cost_cents - self._cost_of(item.ordinal)
        self._own[item.ordinal] = item
        self._ordinal_of_id[item.id] = item.ordinal

    def delete(self, ordinal: int) -> None:
        """Take an item out of the history, with its files."""
        if self._cost_cents is not None:
            self._cost_cents -= self._cost_of(ordinal)
        del self._ordinals[self._position(ordinal)]
        self._own.pop(ordinal, None)
        self._deleted.add(ordinal)

    def get(self, ordinal: int) -> Item | None:
        """Return an item by its ordinal, or None."""
        if ordinal in self._own:
            return self._own[ordinal]
        if not 0 <= ordinal < self._next or ordinal in self._deleted:
            return None
        return self._invented(ordinal)

    def ordinal_of_id(self, public_id: str) -> int | None:
        """Return the ordinal of an id that a test gave or changed."""
        return self._ordinal_of_id.get(public_id)

    def slice(self, start: int, stop: int, order: Order = "newest") -> Iterator[Item]:
        """Yield the items from one position to another, as the order counts them."""
        length = len(self._ordinals)
        for position in range(max(0, start), min(stop, length)):
            item = self.get(self._ordinals[_index(position, length, order)])
            if item is not None:
                yield item

    def position_after(self, ordinal: int) -> int:
        """Return the newest-first position after an ordinal; ValueError when unknown."""
        return len(self._ordinals) - self._position(ordinal)

    def total_cost_cents(self) -> int:
        """Sum the costs of all items; a million take about a second, once."""
        if self._cost_cents is None:
            self._cost_cents = sum(self._cost_of(ordinal) for ordinal in self._ordinals)
        return self._cost_cents

    def _position(self, ordinal: int) -> int:
        """Find an ordinal, by halves as long as ordinals rise with time."""
        if not self._in_order:
            return self._ordinals.index(ordinal)
        position = bisect_left(self._ordinals, ordinal)
        if position == len(self._ordinals) or self._ordinals[position] != ordinal:
            raise ValueError(ordinal)
        return position

    def _block(self, ordinal: int) -> Block:
        """Return the stretch that an ordinal was populated in."""
        return self._blocks[bisect_right(self._blocks, ordinal, key=lambda each: each.first) - 1]

    def _time(self, ordinal: int) -> datetime:
        """Return when an item was created, without inventing it."""
        own = self._own.get(ordinal)
        return own.created_at if own else self._block(ordinal).created_at(ordinal)

    def _cost_of(self, ordinal: int) -> int:
        """Return what an item cost, without inventing it."""
        own = self._own.get(ordinal)
        if own:
            return own.cost_cents
        return cost_cents_of(self._seed, ordinal, self._block(ordinal).recipe)

    def _invent(self, ordinal: int) -> Item:
        """Invent an item of a populated stretch."""
        return self._block(ordinal).invent(self.place(ordinal))


def _index(position: int, length: int, order: Order) -> int:
    """Translate a listed position into a chronological one."""
    if order == "oldest":
        return position
    if order == "newest":
        return length - 1 - position
    stride = _STRIDE
    while math.gcd(stride, length) > 1:
        stride += 1
    return (position * stride + length // 3) % length
