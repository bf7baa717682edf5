"""`archiver export`: a BagIt bag of the archive, as a directory, a tar file or a stream."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.filters import check_accounts, filter_options, make_filters
from archiver.cli.given_back import describe_given, tell_given, warn_of_given
from archiver.cli.origin import name_unknown_ids, open_origin
from archiver.cli.output import print_json
from archiver.cli.restore_target import refuse_inside_archive
from archiver.cli.settings import Settings
from archiver.units import format_size

if TYPE_CHECKING:
    from archiver.actions.export import Bag
    from archiver.actions.restore import RestoreReport

EXIT_INCOMPLETE = 3
STDOUT = "-"


@click.command("export")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_options
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Directory to make."
)
@click.option("--tar", metavar="FILE", help="Tar file to make; - is standard output.")
@click.option(
    "--from", "source", metavar="NAME-OR-URL", help="Destination, path, or s3:// address."
)
@click.option("--endpoint-url", metavar="URL", help="S3 endpoint, for an s3:// address.")
@click.option("--dry-run", is_flag=True, help="Only count files and bytes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    settings: Settings,
    /,
    ids: tuple[str, ...],
    folder: Path | None,
    tar: str | None,
    source: str | None,
    endpoint_url: str | None,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Make a BagIt bag (RFC 8493) of media and sidecars: all, these IDs, or what filters choose.

    Every file is checked against its SHA-256 on the way. The bag appears when it is whole; an
    interrupted export to a directory goes on when it is run again. With --from PATH or
    --from s3://BUCKET/PREFIX neither an index nor a config is needed.
    """
    from archiver.actions.export import count, export

    place = _choose_place(folder, tar, as_json, dry_run)
    if tar != STDOUT:
        refuse_inside_archive(settings, source, folder or Path(str(tar)))
    filters = make_filters(ids=ids, **given)
    with ExitStack() as stack:
        origin = open_origin(settings, source, endpoint_url, stack)
        check_accounts(origin.index, filters.accounts, origin.accounts)
        problems = [*name_unknown_ids(origin.index, filters), *origin.broken]
        if dry_run:
            report = count(origin.index, origin.destinations, filters, source)
            report.problems += problems
        else:
            report = export(
                origin.index,
                origin.destinations,
                filters,
                place,
                prefer=source,
                known_problems=problems,
                on_progress=stack.enter_context(_progress(settings)),
            )
    _print(report, str(folder or tar), dry_run, as_json, settings.verbosity < 0)
    return EXIT_INCOMPLETE if report.problems else 0


def _choose_place(
    folder: Path | None, tar: str | None, as_json: bool, is_dry_run: bool
) -> AbstractContextManager[Bag]:
    """Find out where the bag goes, before anything is read; nothing is made yet."""
    from archiver.actions.exporting.folder import open_folder_bag
    from archiver.actions.exporting.part import refuse_taken
    from archiver.actions.exporting.tar import make_bag_name, open_tar_file, open_tar_stream

    if (folder is None) == (not tar):
        raise click.UsageError("say where to: --to DIR or --tar FILE, one of the two")
    if tar == STDOUT:
        if not is_dry_run and as_json:
            raise click.UsageError("--json and --tar - both want standard output")
        if not is_dry_run and sys.stdout.isatty():
            raise click.UsageError("a tar stream is nothing for a terminal: send it to a program")
        name = f"archiver-export-{datetime.now(UTC):%Y-%m-%d}"
        return open_tar_stream(sys.stdout.buffer, name)
    target = Path(folder or str(tar)).expanduser().resolve()
    refuse_taken(target)
    if tar:
        return open_tar_file(target, make_bag_name(target))
    return open_folder_bag(target)


@contextmanager
def _progress(settings: Settings) -> Iterator[Callable[[RestoreReport], None]]:
    if not settings.shows_progress:
        yield lambda _report: None
        return
    from rich.console import Console

    with Console(stderr=True).status("exporting …") as status:
        yield lambda report: status.update(
            f"{report.files} files, {format_size(report.size_bytes)}"
        )


def _print(
    report: RestoreReport, target: str, is_dry_run: bool, as_json: bool, is_quiet: bool
) -> None:
    if as_json:
        print_json(describe_given(report, target, is_dry_run))
        return
    verb = "would be exported" if is_dry_run else "exported"
    also = f"; {report.present} were left by an earlier try" if report.present else ""
    where = "standard output" if target == STDOUT else target
    if is_dry_run or not is_quiet:
        click.echo(
            tell_given(report, f"{verb} to {where}{also}."),
            err=target == STDOUT and not is_dry_run,
        )
    warn_of_given(report)
