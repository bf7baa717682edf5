"""`archiver restore`: gives files back, from the archive at hand or from a bare bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from archiver.actions.rebuild import RebuildReport, rebuild
from archiver.actions.restore import (
    Layout,
    Overwrite,
    RestoreOptions,
    RestoreReport,
    restore,
)
from archiver.cli.filters import filter_options, make_filters, values_of
from archiver.cli.output import print_json
from archiver.cli.settings import Settings
from archiver.cli.sources import is_address, open_source
from archiver.errors import ArchiveMissing
from archiver.index import Index, open_temporary_index
from archiver.storage.base import Destination
from archiver.units import format_size

EXIT_INCOMPLETE = 3


@click.command("restore")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_options
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="Directory.")
@click.option("--from", "source", metavar="NAME-OR-URL", help="Destination, path or s3://….")
@click.option("--endpoint-url", help="S3 endpoint, for an s3:// URL.")
@click.option(
    "--layout",
    type=click.Choice(values_of(Layout)),
    default=Layout.ARCHIVE.value,
    show_default=True,
)
@click.option(
    "--overwrite",
    type=click.Choice(values_of(Overwrite)),
    default=Overwrite.CHANGED.value,
    show_default=True,
    help="What happens to files that are there already.",
)
@click.option("--with-sidecars", is_flag=True, help="Restore the sidecars too.")
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
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Give files back into a directory: all of them, those with these IDs, or what filters choose.

    Every file is checked against its SHA-256 while it is written. With --from PATH or
    --from s3://BUCKET/PREFIX neither an index nor a config is needed.
    """
    options = RestoreOptions(
        layout=Layout(layout),
        overwrite=Overwrite(overwrite),
        with_sidecars=with_sidecars,
        is_dry_run=dry_run,
        prefer=source,
    )
    with ExitStack() as stack:
        index, sources, broken = _open(settings, source, endpoint_url, stack)
        report = restore(
            index,
            sources,
            _open_target(target, stack, dry_run),
            target,
            make_filters(ids=ids, **given),
            options,
            stack.enter_context(_progress(settings)),
        )
    report.problems += broken
    _print(report, target, dry_run, as_json)
    return EXIT_INCOMPLETE if report.problems else 0


def _open(
    settings: Settings, source: str | None, endpoint_url: str | None, stack: ExitStack
) -> tuple[Index, Mapping[str, Destination], list[str]]:
    """Open the index and where to read from; from an address, an index is made on the fly."""
    from archiver.wiring import open_archive

    if source is None or not is_address(source):
        archive = stack.enter_context(open_archive(settings.load()))
        if source is not None and source not in archive.destinations:
            raise ArchiveMissing(
                f"there is no destination {source!r}; the config has "
                f"{', '.join(archive.destinations)}"
            )
        return archive.index, archive.destinations, []
    destination = stack.enter_context(open_source(source, endpoint_url, None))
    index = open_temporary_index()
    stack.callback(index.close)
    found: RebuildReport = rebuild(index, destination)
    if not found.sidecars:
        raise ArchiveMissing(f"there are no sidecars at {source}: is this the root of an archive?")
    return index, {destination.name: destination}, found.broken


def _open_target(target: Path, stack: ExitStack, is_dry_run: bool) -> Destination:
    from archiver.storage.urls import open_url

    destination = open_url(str(target.absolute()))
    stack.callback(destination.close)
    if not is_dry_run:
        destination.prepare()
    return destination


@contextmanager
def _progress(settings: Settings) -> Iterator[Callable[[RestoreReport], None]]:
    if not settings.shows_progress:
        yield lambda _report: None
        return
    from rich.console import Console

    with Console(stderr=True).status("restoring …") as status:
        yield lambda report: status.update(
            f"{report.files} files, {format_size(report.size_bytes)}"
        )


def _print(report: RestoreReport, target: Path, is_dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(report), "target": target, "dry_run": is_dry_run})
        return
    verb = "would be restored" if is_dry_run else "restored"
    also = f"; {report.present} were there already" if report.present else ""
    click.echo(
        f"{report.files} files ({format_size(report.size_bytes)}) of {report.generations} "
        f"generations {verb} to {target}{also}."
    )
    for line in report.healed:
        click.echo(f"! a bad copy was replaced by a good one: {line}")
    for line in report.problems:
        click.echo(f"! {line}", err=True)
