"""`archiver rebuild`: a fresh index from a destination's sidecars."""

from __future__ import annotations

import time

import click

from archiver.actions.prepare import rebuild_from
from archiver.actions.rebuild import RebuildReport
from archiver.cli.output import print_json, warn
from archiver.cli.settings import Settings
from archiver.cli.sources import open_source
from archiver.errors import ArchiverError
from archiver.index import ledger
from archiver.wiring import open_archive, run_lock


@click.command("rebuild")
@click.option("--from", "source", required=True, metavar="NAME-OR-URL", help="Where to read from.")
@click.option("--endpoint-url", help="S3 endpoint, for an s3:// URL.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, source: str, endpoint_url: str | None, as_json: bool) -> int:
    """Make the index anew from the sidecars of a destination; no provider is asked.

    The index must be empty or absent: move a damaged one away first.
    """
    config = settings.load()
    started_at = time.monotonic()
    with (
        run_lock(config.archive.state_dir, wait=False),
        open_archive(config, create_index=True) as archive,
        open_source(source, endpoint_url, config) as destination,
    ):
        if not ledger.is_empty(archive.index):
            raise ArchiverError(
                f"the index in {config.archive.state_dir} is not empty: move it away first"
            )
        report = rebuild_from(archive, destination)
    _print(report, time.monotonic() - started_at, as_json)
    return 3 if report.broken_count else 0


def _print(report: RebuildReport, seconds: float, as_json: bool) -> None:
    rate = report.sidecars / max(seconds, 0.001)
    if as_json:
        print_json(
            {
                "sidecars": report.sidecars,
                "per_second": round(rate, 1),
                "broken": report.broken,
                "broken_count": report.broken_count,
            }
        )
        return
    click.echo(f"{report.sidecars} generations taken over, {rate:.0f} a second.")
    for line in report.broken:
        warn(line)
