"""The progress bar of a restore: bytes, rate and time left, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archiver.actions.restore import RestoreReport
    from archiver.cli.settings import Settings


@contextmanager
def open_progress(settings: Settings) -> Iterator[Callable[[RestoreReport], None]]:
    """Open a bar that is told how far it is; it says nothing when nobody watches."""
    if not settings.shows_progress:
        yield lambda _report: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TextColumn("{task.fields[files]} files"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, files=0)
        yield lambda report: bar.update(
            task,
            total=max(report.wanted_bytes, report.done_bytes),
            completed=report.done_bytes,
            files=report.files + report.present,
        )
