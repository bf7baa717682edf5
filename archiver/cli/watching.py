"""What a person or a log sees of a run while it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from archiver.actions.capturing.commit import CaptureReport
from archiver.actions.forecast import Forecast
from archiver.actions.listing.page import WalkReport
from archiver.actions.run import Observer, RunSummary
from archiver.cli.settings import Settings
from archiver.units import format_size


class RunObserver(Observer, Protocol):
    """An observer that is also told how the run ended."""

    def finished(self, summary: RunSummary) -> None:
        """The run is over."""


@contextmanager
def make_observer(settings: Settings) -> Iterator[RunObserver]:
    """Make a progress line on a terminal, else a log."""
    if not settings.shows_progress:
        yield LogObserver()
        return
    from rich.console import Console

    with Console(stderr=True).status("listing …") as status:
        yield ProgressObserver(status)


class LogObserver:
    """Writes dotted events."""

    def __init__(self) -> None:
        import structlog

        self._log = structlog.get_logger()

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
        log = self._log.debug if report.reason is None else self._log.warning
        log(
            "generation.captured" if report.reason is None else "generation.incomplete",
            account=report.account,
            id=report.generation_id,
            state=report.state.value,
            files=report.files,
            bytes=report.size_bytes,
            reason=report.reason,
        )
        for warning in report.warnings:
            self._log.warning("file.differs", id=report.generation_id, warning=warning)

    def failed(self, account: str, error: Exception) -> None:
        """See `Observer`."""
        self._log.error("account.failed", account=account, error=str(error))

    def destination_failed(self, name: str, error: Exception) -> None:
        """See `Observer`."""
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
        names = ("listed", "new", "archived", "files", "size_bytes", "failed", "lost", "bad_rows")
        self._log.info(
            "run.finished",
            run=summary.run_id,
            exit_code=summary.exit_code,
            media_requests=summary.media_requests,
            **{name: summary.total(name) for name in names},
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
        """See `RunObserver`."""

    def _show(self) -> None:
        text = (
            f"{self._listed} listed, {self._archived} captured: "
            f"{self._files} files, {format_size(self._bytes)}"
        )
        self._status.update(text)  # type: ignore[attr-defined]  # rich is loaded on terminals only
