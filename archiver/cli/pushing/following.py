"""What a person or a log sees while generations are followed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from archiver.actions.pushing.following import Watcher
from archiver.cli.output import visible
from archiver.log import get_logger
from archiver.units import format_duration

if TYPE_CHECKING:
    from rich.status import Status

    from archiver.cli.settings import Settings
    from archiver.errors import ArchiverError
    from archiver.index.rows import Known
    from archiver.providers.base import Progress


class FollowWatcher(Watcher, Protocol):
    """A watcher that can make room on the terminal for what is told meanwhile."""

    def rest(self) -> None:
        """Leave the terminal as it was, until there is news."""


@contextmanager
def open_watcher(settings: Settings) -> Iterator[FollowWatcher]:
    """Open a progress line on a terminal, else a log."""
    if not settings.shows_progress:
        yield LogWatcher()
        return
    from rich.console import Console

    watcher = StatusWatcher(Console(stderr=True).status("asking …"))
    try:
        yield watcher
    finally:
        watcher.rest()


class LogWatcher:
    """Writes dotted events."""

    def __init__(self) -> None:
        self._log = get_logger()

    def rest(self) -> None:
        """See `FollowWatcher`."""

    def progressed(self, known: Known, progress: Progress) -> None:
        """See `Watcher`."""
        self._log.info(
            "generation.in_progress",
            account=known.generation.account,
            id=known.generation.id,
            percent=progress.percent,
            eta_seconds=progress.eta_seconds,
        )

    def delayed(self, generation_id: str, error: ArchiverError, seconds: float) -> None:
        """See `Watcher`."""
        self._log.warning(
            "generation.delayed", id=generation_id, error=str(error), seconds=round(seconds, 1)
        )


class StatusWatcher:
    """Keeps one line on a terminal up to date."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def rest(self) -> None:
        """See `FollowWatcher`."""
        self._status.stop()

    def _show(self, text: str) -> None:
        self._status.start()
        self._status.update(visible(text))

    def progressed(self, known: Known, progress: Progress) -> None:
        """See `Watcher`."""
        parts = [f"{known.generation.account}/{known.generation.id}"]
        if progress.percent is not None:
            parts.append(f"{progress.percent} %")
        if progress.eta_seconds is not None:
            parts.append(f"about {format_duration(timedelta(seconds=progress.eta_seconds))} left")
        self._show(", ".join(parts))

    def delayed(self, generation_id: str, error: ArchiverError, seconds: float) -> None:
        """See `Watcher`."""
        self._show(f"{generation_id}: {error}; again in {seconds:.0f} s")
