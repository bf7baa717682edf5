"""What a person or a log sees of a run while it goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from archiver.actions.run import Observer, RunSummary
from archiver.actions.running.summary import EXIT_INCOMPLETE, EXIT_WELL
from archiver.cli.output import counted
from archiver.cli.settings import Settings
from archiver.log import get_logger
from archiver.units import format_size

if TYPE_CHECKING:
    from archiver.actions.capturing.commit import CaptureReport
    from archiver.actions.forecast import Forecast
    from archiver.actions.listing.page import WalkReport


@contextmanager
def make_observer(settings: Settings) -> Iterator[Observer]:
    """Make a progress line on a terminal, else a log."""
    if not settings.shows_progress:
        yield LogObserver()
        return
    from rich.console import Console

    with Console(stderr=True).status("listing …") as status:
        yield ProgressObserver(status)


_LEVELS = {EXIT_WELL: logging.INFO, EXIT_INCOMPLETE: logging.WARNING}
"""How loud the end of a run is told, by its exit code; any other is an error."""
_SUMS = (
    "listed",
    "new",
    "archived",
    "files",
    "size_bytes",
    "failed",
    "lost",
    "bad_rows",
    "in_progress",
    "still_due",
)


class LogObserver:
    """Writes dotted events."""

    def __init__(self) -> None:
        self._log = get_logger()
        self._is_outage_told = False

    def listed(self, report: WalkReport) -> None:
        """See `Observer`."""
        self._log.info(
            "account.listed",
            account=report.account,
            listed=report.listed,
            new=report.new,
            pages=report.pages,
            sweep=report.is_sweep,
            total=report.total,
        )
        for row in report.bad_rows:
            self._log.warning("row.invalid", account=report.account, id=row.id, reason=row.reason)

    def captured(self, report: CaptureReport) -> None:
        """See `Observer`."""
        log = self._log.bind(account=report.account, id=report.generation_id)
        numbers = {"files": report.files, "size_bytes": report.size_bytes}
        if report.reason is None:
            log.debug("generation.captured", state=report.state.value, **numbers)
        else:
            # Of a store that is out it was told once; a quiet run does not name each file again.
            is_told = report.is_destination_fault and self._is_outage_told
            log.log(
                logging.INFO if is_told else logging.WARNING,
                "generation.incomplete",
                state=report.state.value,
                reason=report.reason,
                **numbers,
            )
        for warning in report.warnings:
            log.warning("file.differs", warning=warning)

    def failed(self, account: str, error: Exception) -> None:
        """See `Observer`."""
        self._log.error("account.failed", account=account, error=str(error))

    def destination_failed(self, name: str, error: Exception) -> None:
        """See `Observer`."""
        self._is_outage_told = True
        self._log.error("destination.failed", destination=name, error=str(error))

    def foreseen(self, forecast: Forecast) -> None:
        """See `Observer`."""
        self._log.warning(
            "loss.foreseen",
            account=forecast.account,
            generations=forecast.lost,
            first_loss_at=str(forecast.first_loss_at),
            unless=forecast.unless,
        )

    def finished(self, summary: RunSummary) -> None:
        """Write the one line with all the numbers of a run."""
        ended_at = summary.ended_at or summary.started_at
        self._log.log(
            _LEVELS.get(summary.exit_code, logging.ERROR),
            "run.finished",
            exit_code=summary.exit_code,
            seconds=round((ended_at - summary.started_at).total_seconds(), 3),
            accounts=len(summary.accounts),
            destinations_failed=len(summary.destinations_failed),
            media_requests=summary.media_requests,
            rebuilt=sum(summary.rebuilt.values()),
            **{name: summary.total(name) for name in _SUMS},
        )


class ProgressObserver:
    """Keeps one line on a terminal up to date."""

    def __init__(self, status: object) -> None:
        self._status = status
        self._listed = self._archived = self._files = self._bytes = 0

    def listed(self, report: WalkReport) -> None:
        """See `Observer`."""
        self._listed += report.listed
        self._show()

    def captured(self, report: CaptureReport) -> None:
        """See `Observer`."""
        self._archived += 1
        self._files += report.files
        self._bytes += report.size_bytes
        self._show()

    def failed(self, account: str, error: Exception) -> None:
        """See `Observer`."""

    def destination_failed(self, name: str, error: Exception) -> None:
        """See `Observer`."""

    def foreseen(self, forecast: Forecast) -> None:
        """See `Observer`."""

    def finished(self, summary: RunSummary) -> None:
        """See `Observer`."""

    def _show(self) -> None:
        text = (
            f"{self._listed} listed, {self._archived} captured: "
            f"{counted(self._files, 'file')}, {format_size(self._bytes)}"
        )
        self._status.update(text)  # type: ignore[attr-defined]  # rich is loaded on terminals only
