"""What it takes to have a provider make something: the one thing that `generate` writes.

A provider that can be asked to make things has a `Maker`; the others have none. Everything else
that the product does is reading (promise 3).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from archiver.errors import MakingUncertain
from archiver.model import Generation

_CLOSE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be made. `files` are references to make it from, sent as they are."""

    model: str
    prompt: str
    aspect_ratio: str | None = None
    style: str | None = None
    service_mode: str | None = None
    files: tuple[Path, ...] = ()


class Maker(Protocol):
    """One account's way to ask its provider to make something."""

    @property
    def cheapest(self) -> str:
        """The documented model that costs least: for a proof that all works."""

    def undocumented(self, wish: Wish) -> list[str]:
        """Write one sentence for each value that the documented lists lack; asks nobody."""

    def make(self, wish: Wish) -> Generation:
        """Ask for it once, and return what the provider says it became.

        Raises a ProviderError when it was refused, and MakingUncertain when it may have been
        taken: then nothing was sent again, and nobody but a person may.
        """


def uncertain(happened: str) -> MakingUncertain:
    """Make the error of a request that may have been taken, with what to do next."""
    return MakingUncertain(
        f"{happened.rstrip('.')}. It may be being made: `archiver run` finds it; look at the "
        "provider before asking again"
    )


def missing_from(name: str, value: str | None, documented: Collection[str]) -> list[str]:
    """Say that a value is not in the documented list, with the nearest that is; else nothing."""
    if value is None or value in documented:
        return []
    nearest = _nearest(value, documented)
    hint = f"did you mean {nearest}?" if nearest else f"known are {', '.join(documented)}"
    return [f"{name} {value!r} is not in the provider's documented list; {hint}"]


def _nearest(value: str, documented: Collection[str]) -> str | None:
    by_fold = {one.casefold(): one for one in documented}
    close = difflib.get_close_matches(value.casefold(), list(by_fold), n=1, cutoff=_CLOSE)
    return by_fold[close[0]] if close else None
