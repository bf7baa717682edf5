"""`archiver audit`: the ledger of a time range."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from archiver.cli.filters import EXAMPLES, TIME, check_accounts
from archiver.cli.output import print_json, print_table, visible
from archiver.cli.settings import Settings
from archiver.model import State

if TYPE_CHECKING:
    from archiver.actions.audit import AccountAudit, Audit
    from archiver.index.rows import Known

SHOWN = 50
EXIT_INCOMPLETE = 3
_COLUMNS = {
    "ARCHIVED": State.ARCHIVED,
    "LOST": State.LOST,
    "FAILED": State.FAILED,
    "PENDING": State.PENDING,
    "IN PROGRESS": State.IN_PROGRESS,
    "EXCLUDED": State.EXCLUDED,
}


@click.command("audit")
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="Of these accounts.")
@click.option("--since", type=TIME, help=f"Made at or after this time{EXAMPLES}.")
@click.option("--until", type=TIME, help="Made before this time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    settings: Settings,
    accounts: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> int:
    """The ledger: every generation and its end, against the provider's own count.

    Exit code 3 when something failed, was lost or was never listed.
    """
    from archiver.actions.audit import audit
    from archiver.index import open_index
    from archiver.index.queries import Filters

    config = settings.load()
    index = open_index(config.archive.state_dir)
    try:
        check_accounts(index, accounts, config.accounts)
        providers = {name: provider for name, (provider, _) in config.poll_intervals.items()}
        found = audit(index, providers, Filters(accounts=accounts, since=since, until=until))
        if as_json:
            print_json(_document(found))
        else:
            _print(found)
        return 0 if found.is_clean else EXIT_INCOMPLETE
    finally:
        index.close()


def _document(found: Audit) -> Mapping[str, object]:
    return {
        "clean": found.is_clean,
        "accounts": [_numbers(one) for one in found.accounts],
        "open": [_open_end(known) for known in found.open_ends],
    }


def _numbers(one: AccountAudit) -> Mapping[str, object]:
    return {
        "account": one.account,
        "provider": one.provider,
        "in_range": sum(one.counts.values()),
        **{state.value: count for state, count in one.counts.items()},
        "listed_ever": one.listed_ever,
        "provider_total": one.provider_total,
        "not_listed": one.not_listed,
        "unreadable": one.unreadable,
    }


def _open_end(known: Known) -> Mapping[str, object]:
    return {
        "account": known.generation.account,
        "id": known.generation.id,
        "created_at": known.generation.created_at,
        "deadline_at": known.deadline_at,
        "state": known.state,
        "reason": known.reason,
        "missing": [asset.missing for asset in known.assets if asset.missing is not None],
    }


def _print(found: Audit) -> None:
    print_table(
        ("ACCOUNT", "IN RANGE", *_COLUMNS),
        [
            (
                one.account,
                str(sum(one.counts.values())),
                *(str(one.counts[state]) for state in _COLUMNS.values()),
            )
            for one in found.accounts
        ],
        right=("IN RANGE", *_COLUMNS),
        elastic=("ACCOUNT",),
    )
    click.echo()
    _print_totals(found)
    for number, known in enumerate(islice(found.open_ends, SHOWN + 1)):
        if number == SHOWN:
            click.echo("… and more; `archiver audit --json` names all of them")
            break
        if number == 0:
            click.echo()
        reason = f": {known.reason}" if known.reason else ""
        line = f"{known.state.value:<12} {known.generation.account}/{known.generation.id}{reason}"
        click.echo(visible(line, indent=13))


def _print_totals(found: Audit) -> None:
    """Hold what was ever listed against what the provider says that it has."""
    print_table(
        ("ACCOUNT", "EVER LISTED", "PROVIDER SAYS", "NEVER LISTED"),
        [
            (
                one.account,
                str(one.listed_ever),
                "-" if one.provider_total is None else str(one.provider_total),
                str(one.not_listed),
            )
            for one in found.accounts
        ],
        right=("EVER LISTED", "PROVIDER SAYS", "NEVER LISTED"),
        elastic=("ACCOUNT",),
    )
