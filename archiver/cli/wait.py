"""`archiver wait`: follows generations that are being made, until they are archived."""

from __future__ import annotations

import time
from datetime import timedelta

import click

from archiver.cli.durations import timeout_option
from archiver.cli.settings import Settings


@click.command("wait")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--account", metavar="NAME", help="Of this account; else whoever knows it.")
@timeout_option("1h", "Give up after so long.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@click.pass_obj
def command(
    settings: Settings, ids: tuple[str, ...], account: str | None, timeout: timedelta, as_json: bool
) -> int:
    """Follow generations by their IDs (or ACCOUNT/ID) until each is archived, or has failed.

    What the index does not know is asked for at the providers. Exit code 0 when all are archived, 1
    when one failed at its provider (which is recorded), 3 when time is up, 4 when one is lost.
    """
    if not all(map(str.strip, ids)):
        raise click.UsageError("an ID is empty")
    from archiver.cli.pushing.desk import opened
    from archiver.cli.pushing.followed import tell_each

    give_up_at = time.monotonic() + timeout.total_seconds()
    with opened(settings, () if account is None else (account,)) as desk:
        return tell_each(settings, desk, ids, give_up_at, as_json=as_json)
