"""`archiver replicate`: fills destinations with what others hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.filters import check_accounts, check_destinations, filter_options, make_filters
from archiver.cli.origin import name_unknown_ids
from archiver.cli.output import counted, print_json, print_table, warn_each, without_name
from archiver.cli.settings import Settings
from archiver.units import format_size

if TYPE_CHECKING:
    from archiver.actions.replicate import Filled
    from archiver.config import Config
    from archiver.index.queries import Filters

EXIT_INCOMPLETE = 3
MAX_SHOWN_PROBLEMS = 200
Counts = Mapping[str, tuple[int, int]]


@dataclass(slots=True)
class _Done:
    """What was brought, what was there and right already, and what could not be brought."""

    files: int = 0
    size_bytes: int = 0
    present: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)

    def count(self, filled: Filled) -> None:
        """Take one file into account."""
        if filled.error is not None:
            self.problem(f"{filled.target}: {filled.path}: {filled.error}")
        elif filled.source is None:
            self.present += 1
        else:
            self.files += 1
            self.size_bytes += filled.size_bytes

    def problem(self, line: str) -> None:
        """Take in what could not be done; the first ones are shown."""
        self.failed += 1
        if len(self.problems) < MAX_SHOWN_PROBLEMS:
            self.problems.append(line)


@click.command("replicate")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_options
@click.option("--to", "targets", multiple=True, metavar="NAME", help="Fill these; else all.")
@click.option("--from", "sources", multiple=True, metavar="NAME", help="Read from these; else all.")
@click.option("--dry-run", is_flag=True, help="Only count what each destination lacks.")
@click.option("--wait-lock", is_flag=True, help="Wait for another run to end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    settings: Settings,
    /,
    ids: tuple[str, ...],
    targets: tuple[str, ...],
    sources: tuple[str, ...],
    dry_run: bool,
    wait_lock: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Bring to each destination what it lacks and another one holds; no provider is asked.

    IDs and filters choose generations, with all their files. Every file is checked against its
    SHA-256 while it is copied. Stopped and started again, it goes on. A file that differs is
    never replaced: see `archiver repair`. Exit code 3 when something could not be brought.
    """
    config = settings.load()
    check_destinations((*targets, *sources), config.destinations)
    wanted = frozenset(targets or config.destinations)
    from_where = frozenset(sources or config.destinations)
    filters = make_filters(ids=ids, **given)
    if dry_run:
        return _show_lacking(config, filters, wanted, from_where, as_json)
    done = _replicate(config, settings, filters, wanted, from_where, wait_lock)
    if as_json:
        print_json({**asdict(done), "dry_run": False})
    else:
        _print(done, wanted, is_silent=settings.verbosity < 0)
    return EXIT_INCOMPLETE if done.failed else 0


def _show_lacking(
    config: Config,
    filters: Filters,
    targets: frozenset[str],
    sources: frozenset[str],
    as_json: bool,
) -> int:
    from archiver.index.lacking import count_lacking
    from archiver.wiring.archive import open_archive

    with open_archive(config) as archive:
        check_accounts(archive.index, filters.accounts, config.accounts)
        name_unknown_ids(archive.index, filters)
        counts = count_lacking(archive.index, filters, targets, sources)
    if as_json:
        lacking = {
            name: dict(zip(("files", "size_bytes"), counts.get(name, (0, 0)), strict=True))
            for name in sorted(targets)
        }
        print_json({"dry_run": True, "lacking": lacking})
        return 0
    rows = [
        (name, str(counts.get(name, (0, 0))[0]), format_size(counts.get(name, (0, 0))[1]))
        for name in sorted(targets)
    ]
    print_table(("DESTINATION", "LACKS", "SIZE"), rows, right=("LACKS", "SIZE"))
    return 0


def _replicate(
    config: Config,
    settings: Settings,
    filters: Filters,
    targets: frozenset[str],
    sources: frozenset[str],
    wait_lock: bool,
) -> _Done:
    from archiver.actions.replicate import replicate
    from archiver.actions.running.prepare import prepare_places
    from archiver.index.lacking import count_lacking
    from archiver.wiring.archive import open_archive, run_lock

    done = _Done()
    with run_lock(config.archive.state_dir, wait=wait_lock), open_archive(config) as archive:
        check_accounts(archive.index, filters.accounts, config.accounts)
        for problem in name_unknown_ids(archive.index, filters):
            done.problem(problem)
        prepared = prepare_places(archive, targets)
        unusable = {**prepared.unusable, **prepared.unwritable}
        for name in sorted(targets & unusable.keys()):
            done.problem(f"{name} is left out: {without_name(name, unusable[name])}")
        usable = archive.without(frozenset(prepared.unusable))
        filled = targets - unusable.keys()
        counts = count_lacking(archive.index, filters, filled, sources)
        with _progress(settings, counts) as advance:
            for one in replicate(usable, filled, sources, filters, config.transfer.concurrency):
                done.count(one)
                advance(one)
    return done


@contextmanager
def _progress(settings: Settings, counts: Counts) -> Iterator[Callable[[Filled], None]]:
    """Show files, bytes, rate and time left to somebody who watches."""
    if not settings.shows_progress:
        yield lambda _filled: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    files = sum(many for many, _ in counts.values())
    columns = (
        TextColumn("{task.fields[files]} of {task.fields[all_files]} files"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    size_bytes = sum(size for _, size in counts.values())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replicate", total=size_bytes, files=0, all_files=files)
        ended = 0

        def advance(filled: Filled) -> None:
            nonlocal ended
            ended += 1
            progress.update(task, advance=filled.size_bytes, files=ended)

        yield advance


def _print(done: _Done, targets: frozenset[str], *, is_silent: bool) -> None:
    if not is_silent:
        there = f"; {done.present} were there already" if done.present else ""
        failed = f"; {done.failed} could not be brought" if done.failed else ""
        click.echo(
            f"{counted(done.files, 'file')} ({format_size(done.size_bytes)}) brought to "
            f"{', '.join(sorted(targets))}{there}{failed}."
        )
    warn_each(done.problems)
