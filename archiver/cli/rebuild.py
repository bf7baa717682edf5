"""`archiver rebuild`: a fresh index from a destination's sidecars."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from archiver.cli.output import counted, print_json, warn
from archiver.cli.settings import Settings
from archiver.cli.sources import open_source
from archiver.errors import ArchiverError

if TYPE_CHECKING:
    from archiver.actions.rebuild import RebuildReport


@click.command("rebuild")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="NAME-OR-URL",
    help="Destination, path, or s3:// address.",
)
@click.option("--endpoint-url", metavar="URL", help="S3 endpoint, for an s3:// address.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, source: str, endpoint_url: str | None, as_json: bool) -> int:
    """Make the index anew from the sidecars of a destination; no provider is asked.

    The index must be empty or absent: move a damaged one away first.
    """
    from archiver.actions.running.prepare import rebuild_from
    from archiver.index import ledger
    from archiver.wiring.archive import open_archive, run_lock

    config = settings.load()
    started_at = time.monotonic()
    with (
        open_source(source, endpoint_url, config) as destination,
        run_lock(config.archive.state_dir, wait=False),
        open_archive(config, create_index=True) as archive,
    ):
        if not ledger.is_empty(archive.index):
            raise ArchiverError(
                f"the index in {config.archive.state_dir} is not empty: "
                "move its index.sqlite* away first"
            )
        report = rebuild_from(archive, destination)
    seconds = time.monotonic() - started_at
    if as_json:
        print_json(_document(report, seconds))
    else:
        _print(report, seconds, is_silent=settings.verbosity < 0)
        others = [name for name in config.destinations if name != source]
        if others and settings.verbosity >= 0:
            click.echo(
                "`archiver replicate`, or the next run, takes in what "
                f"{' and '.join(others)} may hold."
            )
    return 3 if report.broken_count else 0


def _document(report: RebuildReport, seconds: float) -> Mapping[str, object]:
    return {
        "sidecars": report.sidecars,
        "per_second": round(_rate(report, seconds), 1),
        "broken": report.broken,
        "broken_count": report.broken_count,
    }


def _print(report: RebuildReport, seconds: float, *, is_silent: bool) -> None:
    if not is_silent:
        click.echo(
            f"{counted(report.sidecars, 'generation')} taken over, "
            f"{_rate(report, seconds):.0f} a second."
        )
    for line in report.broken:
        warn(line, err=True)
    if report.broken_count > len(report.broken):
        warn(f"and {report.broken_count - len(report.broken)} more", err=True)


def _rate(report: RebuildReport, seconds: float) -> float:
    return report.sidecars / max(seconds, 0.001)
