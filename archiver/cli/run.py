"""`archiver run`: one pass over the accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import click

from archiver.actions.archive import Archive
from archiver.actions.run import AccountSummary, RunOptions, RunSummary, run
from archiver.cli.filters import TIME
from archiver.cli.interrupt import stopping
from archiver.cli.output import is_terminal, print_json, print_table, warn
from archiver.cli.settings import Settings
from archiver.cli.status import tell
from archiver.cli.watching import make_observer
from archiver.config import Config
from archiver.units import format_size
from archiver.wiring import open_accounts, open_archive, open_engine, run_lock, run_options


@click.command("run")
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="Only these accounts.")
@click.option("--sweep", is_flag=True, help="Walk the whole history.")
@click.option("--since", type=TIME, help="List only what was made at or after this time.")
@click.option("--limit", type=click.IntRange(min=1), help="Capture at most this many generations.")
@click.option("--dry-run", is_flag=True, help="List and compare only: nothing is written.")
@click.option("--retry-now", is_flag=True, help="Try what failed again without waiting.")
@click.option(
    "--accept-shrunk", is_flag=True, help="Take a history that lost more than half as right."
)
@click.option("--wait-lock", is_flag=True, help="Wait for another run to end.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_obj
def command(
    settings: Settings,
    accounts: tuple[str, ...],
    sweep: bool,
    since: datetime | None,
    limit: int | None,
    dry_run: bool,
    retry_now: bool,
    accept_shrunk: bool,
    wait_lock: bool,
    as_json: bool,
) -> int:
    """One pass: list every account, capture what is new, record it.

    Exit code 0 when all is archived, 3 when something will be tried again, 4 when something
    was lost, 12 when a provider refuses its key.
    """
    config = settings.load()
    settings.configure_logs()
    options = run_options(
        config,
        is_sweep=sweep,
        since=since,
        limit=limit,
        retries_now=retry_now,
        accepts_shrunk=accept_shrunk,
    )
    if dry_run:
        from archiver.cli.dry_run import dry_run as show_what_would_happen

        return show_what_would_happen(config, accounts, options, as_json)
    with (
        run_lock(config.archive.state_dir, wait=wait_lock),
        open_archive(config, create_index=True) as archive,
    ):
        summary = pass_over(config, settings, archive, options, accounts)
    if as_json:
        print_json(describe(summary))
    elif settings.verbosity > 0 or (settings.verbosity == 0 and is_terminal()):
        print_summary(summary)
    return summary.exit_code


def pass_over(
    config: Config,
    settings: Settings,
    archive: Archive,
    options: RunOptions,
    accounts: tuple[str, ...] = (),
) -> RunSummary:
    """Make one run on an open archive, watched as the settings say."""
    with (
        open_accounts(config, archive.index, accounts, stopping) as opened,
        make_observer(settings) as observer,
    ):
        summary = run(
            archive,
            opened.usable,
            opened.unusable,
            open_engine(config, stopping),
            options,
            observer,
        )
        observer.finished(summary)
    return summary


def describe(summary: RunSummary) -> Mapping[str, object]:
    """The summary as `run --json` prints it."""
    return {
        "run": summary.run_id,
        "started_at": summary.started_at,
        "ended_at": summary.ended_at,
        "exit_code": summary.exit_code,
        "media_requests": summary.media_requests,
        "accounts": summary.accounts,
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
    )
    if summary.total("files"):
        click.echo(
            f"\n{summary.total('files')} files kept, {format_size(summary.total('size_bytes'))}."
        )
    elif summary.total("archived"):
        click.echo(f"\n{summary.total('archived')} generations caught up from good copies.")
    elif summary.media_requests == 0 and not summary.exit_code:
        click.echo("\nNothing new; no media was requested.")
    for name, count in summary.rebuilt.items():
        click.echo(f"The index was new: {count} generations were taken over from {name}.")
    for name, reason in summary.destinations_failed.items():
        warn(f"{name} was left out: {reason}")
    for problem in summary.problems:
        warn(problem)
    for foreseen in summary.forecasts:
        warn(tell(foreseen))


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
        (account.in_progress, "in progress there"),
        (account.lost, "lost"),
        (account.failed, "will be tried again"),
        (account.bad_rows, "rows unreadable"),
    )
    return ", ".join(f"{count} {what}" for count, what in counted if count) or "ok"
