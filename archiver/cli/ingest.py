"""`archiver ingest`: takes what a provider answered or sent, and archives it now."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import click

from archiver.cli.durations import timeout_option
from archiver.cli.output import counted, print_json_line, visible, warn
from archiver.cli.settings import Settings
from archiver.errors import ArchiverError

if TYPE_CHECKING:
    from archiver.actions.ingest import Ingested


class _File(click.File):
    """A file, or stdin where there is one."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> IO[Any]:
        """Open it, or refuse it as a usage error."""
        if value == "-" and sys.stdin is None:
            self.fail("stdin is closed", param, ctx)
        return super().convert(value, param, ctx)


@click.command("ingest")
@click.argument("files", nargs=-1, required=True, type=_File("rb"), metavar="FILE...")
@click.option("--account", metavar="NAME", help="Whose they are; else told by their shape.")
@click.option("--now/--later", "is_now", default=True, help="Archive now, or at the next run.")
@timeout_option("10m", "Wait so long for a run that is at work.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@click.pass_obj
def command(
    settings: Settings,
    files: tuple[BinaryIO, ...],
    account: str | None,
    is_now: bool,
    timeout: timedelta,
    as_json: bool,
) -> int:
    """Take what a provider answered, or sent as a webhook, and archive it now; - is stdin.

    A FILE holds one JSON document, a list of them, or JSON Lines; each is told of in one line. What
    is still being made is tracked from now on. Exit code 3 when one cannot be read, or waits.
    """
    from archiver.actions.ingest import Ingest, IngestOptions
    from archiver.actions.pushing.bodies import read_bodies
    from archiver.actions.pushing.outages import Outages
    from archiver.actions.running.summary import worst
    from archiver.cli.pushing.desk import opened, pause

    give_up_at, outages, codes = time.monotonic() + timeout.total_seconds(), Outages(), set[int]()
    with opened(settings, () if account is None else (account,), outages.captured) as desk:
        options = IngestOptions(
            account=account,
            is_now=is_now,
            concurrency=desk.concurrency,
            give_up_at=give_up_at,
            pause=pause,
        )
        ingest = Ingest(desk.desk, desk.accounts.unusable, outages, options)
        for file in files:
            name = "-" if file.name == "<stdin>" else file.name
            with closing(ingest.take_all(read_bodies(file))) as taken:
                for one in taken:
                    codes.add(one.exit_code)
                    paths = desk.paths(one.known)
                    if as_json:
                        print_json_line(_describe(name, one, paths))
                    else:
                        where = f"{name}:" if len(files) > 1 else ""
                        _print(where, one, is_quiet=settings.verbosity < 0)
    if not codes:
        raise ArchiverError(f"no body came from {', '.join(file.name for file in files)}")
    return worst(codes)


def _describe(file: str, one: Ingested, paths: Mapping[str, list[str]]) -> Mapping[str, object]:
    known = one.known
    return {
        "file": file,
        "line": one.line,
        "account": one.account,
        "provider": one.provider,
        "id": one.id,
        "state": known.state if known else None,
        "status": known.generation.status if known else None,
        "new": one.is_new,
        "paths": paths,
        "error": one.error,
    }


def _print(where: str, one: Ingested, *, is_quiet: bool) -> None:
    """Print one line for a body; quietly only what went wrong, on stderr."""
    name = f"{one.account}/{one.id}: " if one.account and one.id else ""
    told = f"{where}{one.line}: {name}"
    if one.error is not None:
        state = f"{one.known.state}: " if one.known else ""
        warn(f"{told}{state}{one.error}", err=is_quiet)
    elif one.known is not None and not is_quiet:
        files = sum(asset.media is not None for asset in one.known.assets)
        parts = [str(one.known.state).replace("_", " ")]
        parts += ["new"] if one.is_new else []
        parts += [counted(files, "file")] if files else []
        click.echo(visible(told + ", ".join(parts)))
