"""How one run is made, and who is told of it while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from archiver.actions.listing.walk import WalkOptions
from archiver.actions.pushing.claims import Claims

if TYPE_CHECKING:
    from archiver.actions.capturing.commit import CaptureReport
    from archiver.actions.forecast import Forecast
    from archiver.actions.listing.page import WalkReport
    from archiver.actions.running.summary import RunSummary
    from archiver.errors import DestinationError


class Observer(Protocol):
    """Is told what happens while it happens: a progress bar, a log. Called from one thread."""

    def listed(self, report: WalkReport) -> None:
        """An account's history was walked."""

    def captured(self, report: CaptureReport) -> None:
        """A generation was tried."""

    def failed(self, account: str, error: Exception) -> None:
        """An account cannot go on in this run."""

    def foreseen(self, forecast: Forecast) -> None:
        """Something will be lost unless something changes."""

    def destination_failed(self, name: str, error: DestinationError) -> None:
        """A destination is left out of this run, or of the rest of it."""

    def finished(self, summary: RunSummary) -> None:
        """The run came to its end, and the books are closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How one run is made. `limit` bounds the generations that are captured.

    `retries_now` does not wait for the next try of what failed; `every` is each account's poll
    interval, for the forecast. A slow destination may hold up the others for `patience_seconds`.
    `may_go_on` is asked several times a second, to the end; while it says no nothing new is begun,
    and the pass ends with what is in flight. `claims` are shared with what else captures meanwhile.
    """

    walk: WalkOptions
    concurrency: int
    limit: int | None = None
    retries_now: bool = False
    patience_seconds: float = 60.0
    every: Mapping[str, timedelta] = field(default_factory=dict)
    may_go_on: Callable[[], bool] = lambda: True
    claims: Claims = field(default_factory=Claims)
