"""`archiver restore`: gives files back, from the archive at hand or from a bare bucket."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
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
from archiver.cli.filters import check_accounts, filter_options, make_filters, values_of
from archiver.cli.output import print_json, warn
from archiver.cli.settings import Settings
from archiver.cli.sources import load_config_of, open_source
from archiver.config import Config
from archiver.errors import ArchiveMissing, ArchiverError
from archiver.index import Index, open_temporary_index, queries
from archiver.storage.base import Destination
from archiver.units import format_size

EXIT_INCOMPLETE = 3


@dataclass(frozen=True, slots=True)
class _Origin:
    """What is restored from; `accounts` are those of the config, when it was read."""

    index: Index
    destinations: Mapping[str, Destination]
    accounts: Collection[str] = ()
    broken: tuple[str, ...] = ()


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
    filters = make_filters(ids=ids, **given)
    with ExitStack() as stack:
        origin = _open(settings, source, endpoint_url, stack)
        check_accounts(origin.index, filters.accounts, origin.accounts)
        not_found = _not_found(origin.index, filters)
        report = restore(
            origin.index,
            origin.destinations,
            _open_target(target, stack, dry_run),
            target,
            filters,
            options,
            stack.enter_context(_progress(settings)),
        )
    report.problems += [*not_found, *origin.broken]
    _print(report, target, dry_run, as_json)
    return EXIT_INCOMPLETE if report.problems else 0


def _open(
    settings: Settings, source: str | None, endpoint_url: str | None, stack: ExitStack
) -> _Origin:
    """Open the index and where to read from; from an address, an index is made on the fly."""
    if source is None:
        return _open_config(settings.load(), stack)
    config = load_config_of(settings, source)
    if config is not None:
        return _open_config(config, stack)
    destination = stack.enter_context(open_source(source, endpoint_url, None))
    index = open_temporary_index()
    stack.callback(index.close)
    found: RebuildReport = rebuild(index, destination)
    if not found.sidecars:
        raise ArchiveMissing(f"there are no sidecars at {source}: is this the root of an archive?")
    return _Origin(index, {destination.name: destination}, broken=tuple(found.broken))


def _open_config(config: Config, stack: ExitStack) -> _Origin:
    from archiver.wiring import open_archive

    archive = stack.enter_context(open_archive(config))
    return _Origin(archive.index, archive.destinations, config.accounts)


def _not_found(index: Index, filters: queries.Filters) -> list[str]:
    """Name the ids that stand for nothing; raises ArchiverError when all of them do."""
    is_filtered = replace(filters, ids=(), limit=None) != queries.Filters()
    where = "that the filters choose" if is_filtered else "of this id here"
    one_by_one = (replace(filters, ids=(one,), limit=1) for one in dict.fromkeys(filters.ids))
    problems = [
        f"{one.ids[0]!r}: there is no generation {where}; `archiver ls` lists them"
        for one in one_by_one
        if not any(queries.find(index, one))
    ]
    if problems and len(problems) == len(set(filters.ids)):
        raise ArchiverError("\n".join(problems))
    return problems


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
        warn(f"a bad copy was replaced by a good one: {line}")
    for line in report.problems:
        warn(line, err=True)
