"""Invents one item from (seed, provider, place in its history): same arguments, same item.

A history of a million items is therefore never stored, and its keys can be read
backwards: the last five bytes of a key are the history and the place in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TypeVar

from archiver.simulator.castings import cast_files
from archiver.simulator.item import Item, Outcome, Recipe
from archiver.simulator.repertoire import (
    ASPECT_RATIOS,
    FAILURES,
    KINDS,
    MODELS,
    NEGATIVE_PROMPTS,
    PROMPTS,
    STYLES,
)

FIRST_NUMBER = 1_000
"""The integer id of the first item of a history."""

_ORDINAL_MASK = 0x5DEECE66D & 0xFFFFFFFF
_HISTORY_MASK = 0xA7
_MAKING_SECONDS = {"image": (4, 40), "video": (60, 900)}
_MAKING_SECONDS_ELSE = (2, 30)

_Choice = TypeVar("_Choice")


class Dice:
    """Endless deterministic choices from a seed text, cheaper than `random.Random`."""

    def __init__(self, seed: str) -> None:
        """Start from the digest of `seed`."""
        self._state = int.from_bytes(blake2b(seed.encode(), digest_size=64).digest())
        self._seed = seed

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        if self._state < 1 << 64:
            self._seed += "+"
            self._state = int.from_bytes(blake2b(self._seed.encode(), digest_size=64).digest())
        self._state, number = divmod(self._state, limit)
        return number

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        """Return one of `choices`."""
        return choices[self.below(len(choices))]

    def between(self, bounds: tuple[int, int]) -> int:
        """Return a number from the lower to the upper bound, both included."""
        return bounds[0] + self.below(bounds[1] - bounds[0] + 1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands: the world's seed, its provider's history, and its ordinal there."""

    seed: int
    provider: str
    namespace: str
    history: int
    ordinal: int

    @property
    def key(self) -> str:
        """Return the 32 hex digits that name the item; they look like a random UUID."""
        name = f"{self.seed}/{self.provider}/{self.ordinal}"
        digits = blake2b(name.encode(), digest_size=11).hexdigest()
        tail = f"{self.history ^ _HISTORY_MASK:02x}{self.ordinal ^ _ORDINAL_MASK:08x}"
        return f"{digits[:12]}4{digits[13:16]}a{digits[17:]}{tail}"


def history_and_ordinal(key: str) -> tuple[int, int] | None:
    """Read a key backwards; whether such an item exists is for the caller to check."""
    try:
        tail = bytes.fromhex(key)[11:]
    except ValueError:
        return None
    if len(tail) != 5:
        return None
    return tail[0] ^ _HISTORY_MASK, int.from_bytes(tail[1:]) ^ _ORDINAL_MASK


def outcome_of(seed: int, ordinal: int, recipe: Recipe) -> Outcome:
    """Decide alone whether an item fails: cheap, so that a million can be asked."""
    scatter = ((ordinal + seed) * 2_654_435_761 & 0xFFFFFFFF) / 2**32
    return "failed" if scatter < recipe.failed_share else "completed"


def cost_cents_of(seed: int, ordinal: int, recipe: Recipe) -> int:
    """Decide alone what an item costs; a failed one costs nothing."""
    return 0 if outcome_of(seed, ordinal, recipe) == "failed" else 2 + ordinal * 7 % 31


def invent(
    place: Place,
    recipe: Recipe,
    created_at: datetime,
    *,
    kind: str | None = None,
    earliest_end_at: datetime | None = None,
    latest_end_at: datetime | None = None,
) -> Item:
    """Make the item of a place. With `kind` the item is of that kind.

    It finishes some seconds or minutes after its creation, within the bounds given.
    """
    dice = Dice(f"{place.seed}/{place.provider}/{place.namespace}/{place.ordinal}")
    kinds = recipe.kinds or KINDS[place.provider]
    kind = kind or kinds[place.ordinal % len(kinds)]
    seconds = dice.between(_MAKING_SECONDS.get(kind, _MAKING_SECONDS_ELSE))
    finishes_at = created_at + timedelta(seconds=seconds)
    finishes_at = max(finishes_at, earliest_end_at or finishes_at)
    finishes_at = min(finishes_at, latest_end_at or finishes_at)
    key, outcome = place.key, outcome_of(place.seed, place.ordinal, recipe)
    code, message = dice.pick(FAILURES[place.provider]) if outcome == "failed" else ("", "")
    prompt = dice.pick(PROMPTS)
    files = (
        cast_files(place.provider, kind, key, dice=dice, recipe=recipe)
        if outcome != "failed"
        else ()
    )
    return Item(
        provider=place.provider,
        namespace=place.namespace,
        ordinal=place.ordinal,
        key=key,
        id=public_id(place.provider, key),
        number=FIRST_NUMBER + place.ordinal,
        kind=kind,
        model=dice.pick(MODELS.get((place.provider, kind), ("model-1",))),
        prompt=prompt,
        negative_prompt=dice.pick(NEGATIVE_PROMPTS),
        created_at=created_at,
        started_at=min(created_at + timedelta(seconds=seconds * 0.2), finishes_at),
        finishes_at=finishes_at,
        outcome=outcome,
        files=files,
        text=f"About “{prompt}”: {place.ordinal}." if kind in ("text", "stt") else None,
        error_code=code,
        error_message=message,
        cost_cents=cost_cents_of(place.seed, place.ordinal, recipe),
        parameters={"aspect_ratio": dice.pick(ASPECT_RATIOS), "style": dice.pick(STYLES)},
    )


def public_id(provider: str, key: str) -> str:
    """Return how a provider writes an item's key: `gen_…` at NeuralBox, else a UUID."""
    if provider == "neuralbox":
        return f"gen_{key}"
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


def key_from_public_id(provider: str, public: str) -> str | None:
    """Return the key that a public id was made from, or None when it is none."""
    key = public.removeprefix("gen_") if provider == "neuralbox" else public.replace("-", "")
    return key if public == public_id(provider, key) else None
