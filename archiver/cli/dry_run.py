"""`archiver run --dry-run`: lists for real, into a copy of the index that is thrown away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import click

from archiver.actions.archive import Archive, utc_now
from archiver.actions.listing.links import LiveLinks
from archiver.actions.listing.page import WalkReport
from archiver.actions.listing.walk import walk
from archiver.actions.run import RunOptions
from archiver.actions.running.summary import EXIT_INCOMPLETE, worst
from archiver.cli.interrupt import stopping
from archiver.cli.output import print_json, print_table, relative, warn
from archiver.config import Config
from archiver.errors import ArchiverError
from archiver.index import Index, captured, ledger, open_temporary_index, queries
from archiver.index.database import copy_into, index_path
from archiver.wiring.accounts import open_accounts


@dataclass(slots=True, kw_only=True)
class Foreseen:
    """What a run would do for one account; `waiting` is what it could capture without --limit."""

    listed: int = 0
    new: int = 0
    bad_rows: int = 0
    waiting: int = 0
    to_capture: int = 0
    first_deadline_at: datetime | None = None
    error: str | None = None


def dry_run(
    config: Config,
    names: tuple[str, ...],
    options: RunOptions,
    as_json: bool,
) -> int:
    """Show what a run would capture; returns the exit code that its listing would have."""
    found: dict[str, Foreseen] = {}
    problems: list[str] = []
    exit_code = 0
    with _copied_index(config) as index, open_accounts(config, index, names, stopping) as accounts:
        archive = Archive(
            index=index,
            destinations={},
            names=frozenset(),
            required=frozenset(),
            layout=config.archive.layout,
            roles=frozenset(config.transfer.roles),
        )
        errors = {name: account.error for name, account in accounts.unusable.items()}
        for name, account in accounts.usable.items():
            try:
                report = walk(archive, account, options.walk, LiveLinks())
            except ArchiverError as error:
                errors[name] = error
                continue
            found[name] = _foresee(index, report)
            problems += _problems_of(report)
        exit_code = EXIT_INCOMPLETE if problems else 0
        _share_out(index, found, options)
        for name, failure in errors.items():
            found[name] = Foreseen(error=str(failure))
            problems.append(f"{name}: {failure}")
            exit_code = worst((exit_code, failure.exit_code))
    if as_json:
        print_json(
            {"dry_run": True, "exit_code": exit_code, "accounts": found, "problems": problems}
        )
    else:
        _print(found, problems)
    return exit_code


def _foresee(index: Index, report: WalkReport) -> Foreseen:
    waiting = ledger.unsecured(index, report.account)
    return Foreseen(
        listed=report.listed,
        new=report.new,
        bad_rows=report.bad_row_count,
        waiting=waiting.count,
        to_capture=waiting.count,
        first_deadline_at=waiting.first_deadline_at,
    )


def _problems_of(report: WalkReport) -> list[str]:
    """Say what a run would say of this listing."""
    problems = [
        f"{report.account}: row {row.id or 'without id'} cannot be read: {row.reason}"
        for row in report.bad_rows
    ]
    if report.shrunk_from is not None:
        problems.append(
            f"{report.account}: the history holds less than half of the {report.shrunk_from} "
            "generations it used to"
        )
    return problems


def _share_out(index: Index, found: dict[str, Foreseen], options: RunOptions) -> None:
    """Count what --limit leaves to each account: the earliest deadlines of all come first."""
    if options.limit is None:
        return
    now = utc_now()
    if options.retries_now:
        captured.retry_all(index, now)
    chosen = Counter(name for _, name in queries.due(index, found, now, (), options.limit))
    for name, one in found.items():
        one.to_capture = chosen[name]


@contextmanager
def _copied_index(config: Config) -> Iterator[Index]:
    index = open_temporary_index()
    try:
        path = index_path(config.archive.state_dir)
        if path.exists():
            copy_into(path, index)
        yield index
    finally:
        index.close()


def _print(found: dict[str, Foreseen], problems: list[str]) -> None:
    now = utc_now()
    print_table(
        ("ACCOUNT", "LISTED", "NEW", "TO CAPTURE", "FIRST DEADLINE", "RESULT"),
        [
            (
                name,
                str(one.listed),
                str(one.new),
                str(one.to_capture),
                relative(one.first_deadline_at, now),
                _result(one),
            )
            for name, one in found.items()
        ],
        right=("LISTED", "NEW", "TO CAPTURE"),
    )
    if problems:
        click.echo()
    for line in problems:
        warn(line)


def _result(one: Foreseen) -> str:
    if one.error is not None:
        return "stopped"
    left = max(0, one.waiting - one.to_capture)
    counted = (
        (one.to_capture, "would be captured"),
        (left, "left for later (--limit)"),
        (one.bad_rows, "rows unreadable"),
    )
    return ", ".join(f"{count} {what}" for count, what in counted if count) or "nothing to capture"
