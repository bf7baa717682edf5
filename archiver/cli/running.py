"""One run on an open archive, and how its summary is told; shared by `run` and `demo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import click

from archiver.actions.archive import Archive
from archiver.actions.run import AccountSummary, RunOptions, RunSummary
from archiver.cli.forecasting import tell
from archiver.cli.interrupt import stopping
from archiver.cli.output import counted, print_table, warn, without_name
from archiver.cli.settings import Settings
from archiver.cli.watching import make_observer
from archiver.config import Config
from archiver.units import format_size
from archiver.wiring.running import pass_over


def watched_run(
    config: Config,
    settings: Settings,
    archive: Archive,
    options: RunOptions,
    accounts: tuple[str, ...] = (),
) -> RunSummary:
    """Make one run on an open archive, watched as the settings say."""
    with make_observer(settings) as observer:
        return pass_over(config, archive, options, accounts, observer, stopping)


def describe(summary: RunSummary) -> Mapping[str, object]:
    """The summary as `run --json` prints it."""
    return {
        "run": summary.run_id,
        "started_at": summary.started_at,
        "ended_at": summary.ended_at,
        "exit_code": summary.exit_code,
        "media_requests": summary.media_requests,
        "accounts": {name: asdict(account) for name, account in summary.accounts.items()},
        "destinations_failed": summary.destinations_failed,
        "rebuilt": summary.rebuilt,
        "forecasts": summary.forecasts,
        "problems": summary.problems,
    }


def print_summary(summary: RunSummary) -> None:
    """Print what a run did, an account a line, and then what went wrong."""
    print_table(
        ("ACCOUNT", "PROVIDER", "LISTED", "NEW", "ARCHIVED", "FILES", "SIZE", "RESULT"),
        [_line(name, account) for name, account in summary.accounts.items()],
        right=("LISTED", "NEW", "ARCHIVED", "FILES", "SIZE"),
        elastic=("ACCOUNT",),
        spare=("PROVIDER", "NEW", "FILES"),
    )
    if summary.total("files"):
        click.echo(
            f"\n{counted(summary.total('files'), 'file')} kept, "
            f"{format_size(summary.total('size_bytes'))}."
        )
    elif summary.total("archived"):
        caught_up = counted(summary.total("archived"), "generation")
        click.echo(f"\n{caught_up} caught up from good copies.")
    elif summary.media_requests == 0 and not summary.exit_code and not summary.total("still_due"):
        click.echo("\nNothing new; no media was requested.")
    for name, count in summary.rebuilt.items():
        click.echo(f"The index was new: {counted(count, 'generation')} taken over from {name}.")
    warnings = [
        *(
            f"{name} was left out: {without_name(name, reason)}"
            for name, reason in summary.destinations_failed.items()
        ),
        *summary.problems,
        *map(tell, summary.forecasts),
    ]
    if warnings:
        click.echo()
    for line in warnings:
        warn(line)


def _line(name: str, account: AccountSummary) -> tuple[str, ...]:
    return (
        name,
        account.provider,
        str(account.listed),
        str(account.new),
        str(account.archived),
        str(account.files),
        format_size(account.size_bytes) if account.size_bytes else "-",
        _result(account),
    )


def _result(account: AccountSummary) -> str:
    if account.error is not None:
        return "stopped"
    counted = (
        (account.in_progress, "in progress"),
        (account.lost, "lost"),
        (account.failed, "will be tried again"),
        (account.still_due, "still due"),
        (account.bad_rows, "rows unreadable"),
    )
    return ", ".join(f"{count} {what}" for count, what in counted if count) or "ok"
