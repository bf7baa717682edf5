"""`archiver run`: one pass over the accounts."""

from __future__ import annotations

from datetime import datetime

import click

from archiver.cli.filters import EXAMPLES, TIME, check_configured
from archiver.cli.loading import loading
from archiver.cli.output import is_terminal, print_json
from archiver.cli.settings import Settings


@click.command("run")
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="Only these accounts.")
@click.option("--sweep", is_flag=True, help="Walk the whole history.")
@click.option(
    "--since", type=TIME, help=f"List only what was made at or after this time{EXAMPLES}."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Capture at most this many generations.",
)
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
    with loading():
        from archiver.cli.running import describe, print_summary, watched_run
        from archiver.wiring.archive import open_archive, run_lock
        from archiver.wiring.running import run_options
        from archiver.wiring.telling import told

    config = settings.load()
    check_configured(accounts, config.accounts)
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
        told(config) as end,
        open_archive(config, create_index=True) as archive,
    ):
        summary = watched_run(config, settings, archive, options, accounts)
        end(summary)
    if as_json:
        print_json(describe(summary))
    elif settings.verbosity > 0 or (settings.verbosity == 0 and is_terminal()):
        print_summary(summary)
    return summary.exit_code
