"""`archiver restore`: gives files back, from the archive at hand or from a bare bucket."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.filters import TIME, check_accounts, filter_options, make_filters
from archiver.cli.given_back import describe_given, tell_given, warn_of_given
from archiver.cli.origin import name_unknown_ids, open_origin
from archiver.cli.output import print_json, warn
from archiver.cli.restore_target import refuse_inside_archive
from archiver.cli.settings import Settings
from archiver.errors import CredentialsRejected
from archiver.units import format_size

if TYPE_CHECKING:
    from archiver.actions.restore import RestoreReport
    from archiver.storage.base import Destination

LAYOUTS = ("archive", "flat", "original")
OVERWRITES = ("never", "changed", "always")
"""The words of `actions.restore`, at hand for --help before that is loaded."""
EXIT_INCOMPLETE = 3


@click.command("restore")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_options
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the files go.",
)
@click.option(
    "--from", "source", metavar="NAME-OR-URL", help="Destination, path, or s3:// address."
)
@click.option("--endpoint-url", metavar="URL", help="S3 endpoint, for an s3:// address.")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="archive",
    show_default=True,
    help="How files are named: as stored, all in one folder, or by the providers' own names.",
)
@click.option(
    "--overwrite",
    type=click.Choice(OVERWRITES),
    default="changed",
    show_default=True,
    help="What happens to files that are there and differ. Where the layout gives the names, "
    "only `always` replaces one: else the new file gets a number.",
)
@click.option("--with-sidecars", is_flag=True, help="Restore the sidecars too.")
@click.option("--as-of", type=TIME, help="As a versioned bucket was then; needs --from.")
@click.option("--request-thaw", is_flag=True, help="Ask for files in an archive tier (Glacier).")
@click.option(
    "--thaw-days",
    type=click.IntRange(min=1),
    default=7,
    metavar="N",
    show_default=True,
    help="How long they are to stay readable.",
)
@click.option("--dry-run", is_flag=True, help="Only count files and bytes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    settings: Settings,
    /,
    ids: tuple[str, ...],
    target: Path,
    source: str | None,
    endpoint_url: str | None,
    layout: str,
    overwrite: str,
    with_sidecars: bool,
    as_of: datetime | None,
    request_thaw: bool,
    thaw_days: int,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Give files back into a directory: all of them, those with these IDs, or what filters choose.

    Every file is checked against its SHA-256 while it is written; run again, it goes on where it
    was interrupted. With --from PATH or --from s3://BUCKET/PREFIX neither an index nor a config
    is needed, and with --from NAME no index.
    """
    from archiver.actions.restore import Layout, Overwrite, RestoreOptions, restore
    from archiver.cli.restore_progress import open_progress

    options = RestoreOptions(
        layout=Layout(layout),
        overwrite=Overwrite(overwrite),
        with_sidecars=with_sidecars,
        is_dry_run=dry_run,
        prefer=source,
        thaw_days=thaw_days if request_thaw and not dry_run else None,
    )
    filters = make_filters(ids=ids, **given)
    refuse_inside_archive(settings, source, target)
    with ExitStack() as stack:
        origin = open_origin(
            settings, source, endpoint_url, stack, as_of=as_of, thaw_days=options.thaw_days
        )
        check_accounts(origin.index, filters.accounts, origin.accounts)
        not_found = name_unknown_ids(origin.index, filters)
        report = restore(
            origin.index,
            origin.destinations,
            _open_target(target, stack, dry_run),
            target,
            filters,
            options,
            stack.enter_context(open_progress(settings)),
        )
    report.problems += [*not_found, *origin.broken]
    if as_json:
        print_json(describe_given(report, target, dry_run))
    else:
        _print(report, target, dry_run, settings.verbosity < 0 and not dry_run)
    if report.is_refused:
        return CredentialsRejected.exit_code
    return EXIT_INCOMPLETE if report.problems else 0


def _open_target(target: Path, stack: ExitStack, is_dry_run: bool) -> Destination:
    from archiver.storage.urls import open_url

    if is_dry_run and not target.is_dir():
        from archiver.storage.memory import MemoryDestination

        return MemoryDestination(str(target))
    destination = open_url(str(target.absolute()))
    stack.callback(destination.close)
    if not is_dry_run:
        destination.prepare()
    return destination


def _print(report: RestoreReport, target: Path, is_dry_run: bool, is_silent: bool) -> None:
    if not is_silent:
        _print_counts(report, target, is_dry_run)
    warn_of_given(report)


def _print_counts(report: RestoreReport, target: Path, is_dry_run: bool) -> None:
    verb = "would be restored" if is_dry_run else "restored"
    there = f"{report.present} ({format_size(report.present_bytes)}) were there already"
    also = f"; {there}" if report.present else ""
    if report.kept:
        also += f"; {report.kept} others are in the way and stay (--overwrite never)"
    click.echo(tell_given(report, f"{verb} to {target}{also}."))
    if is_dry_run:
        _warn_if_full(target, report.size_bytes)


def _warn_if_full(target: Path, needed_bytes: int) -> None:
    place = next(one for one in (target.absolute(), *target.absolute().parents) if one.exists())
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        warn(f"they do not fit: {format_size(free)} are free there", err=True)
