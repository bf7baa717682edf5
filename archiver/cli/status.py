"""`archiver status`: how each account stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from archiver.cli.forecasting import tell
from archiver.cli.output import counted, print_json, print_table, relative, warn, without_name
from archiver.cli.settings import Settings
from archiver.cli.standing import describe_standing, print_standings, tell_faults
from archiver.model import State
from archiver.units import format_size

if TYPE_CHECKING:
    from datetime import datetime

    from archiver.actions.forecast import Forecast
    from archiver.actions.status import AccountStatus
    from archiver.config import Config
    from archiver.index import Index
    from archiver.index.standing import Standing

_STATES = {
    "ARCHIVED": State.ARCHIVED,
    "PENDING": State.PENDING,
    "IN PROGRESS": State.IN_PROGRESS,
    "FAILED": State.FAILED,
    "EXCLUDED": State.EXCLUDED,
    "LOST": State.LOST,
}


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, as_json: bool) -> int:
    """How each account stands, what is at risk, and what failed in the last run."""
    from archiver.actions.archive import utc_now
    from archiver.actions.status import failed_destinations, status
    from archiver.index import open_index
    from archiver.index.standing import standing

    config = settings.load()
    index = open_index(config.archive.state_dir)
    try:
        now = utc_now()
        accounts = status(index, config.poll_intervals, config.alerts.at_risk, now)
        forecasts = _forecasts(config, index, now)
        failed = failed_destinations(index)
        standings = [standing(index, name) for name in config.destinations]
    finally:
        index.close()
    errors = {name: failed.get(name) for name in config.destinations}
    if as_json:
        print_json(
            {
                "accounts": [_document(one, forecasts[one.account]) for one in accounts],
                "destinations": [
                    {
                        "destination": one.destination,
                        "last_error": errors[one.destination],
                        **describe_standing(one),
                    }
                    for one in standings
                ],
            }
        )
    else:
        _print_accounts(accounts, now)
        _print_oldest(accounts, now)
        print_standings(standings, now)
        _print_alarms(accounts, forecasts, errors, standings)
    return 0


def _forecasts(config: Config, index: Index, now: datetime) -> dict[str, Forecast]:
    from archiver.actions.forecast import forecast
    from archiver.config.judge import hourly_budget

    return {
        name: forecast(index, name, provider, every, hourly_budget(config, name), now)
        for name, (provider, every) in config.poll_intervals.items()
    }


def _document(account: AccountStatus, foreseen: Forecast) -> Mapping[str, object]:
    return {
        "account": account.account,
        "provider": account.provider,
        "listed": account.listed,
        **{state.value: count for state, count in account.counts.items()},
        "files": account.files,
        "size_bytes": account.size_bytes,
        "provider_total": account.provider_total,
        "last_success_at": account.last_success_at,
        "last_error": account.last_error,
        "next_run_at": account.next_run_at,
        "at_risk": account.at_risk,
        "unsecured": account.unsecured,
        "oldest_unsecured": account.oldest_unsecured,
        "forecast": foreseen,
    }


def _print_accounts(accounts: Sequence[AccountStatus], now: datetime) -> None:
    """Print the ledger, and then the clock: two tables that fit 80 columns each."""
    print_table(
        ("ACCOUNT", "LISTED", *_STATES),
        [
            (
                one.account,
                str(one.listed),
                *(str(one.counts[state]) for state in _STATES.values()),
            )
            for one in accounts
        ],
        right=("LISTED", *_STATES),
        elastic=("ACCOUNT",),
    )
    click.echo()
    print_table(
        ("ACCOUNT", "PROVIDER", "FILES", "SIZE", "LAST SUCCESS", "NEXT RUN", "AT RISK"),
        [
            (
                one.account,
                one.provider,
                str(one.files),
                format_size(one.size_bytes),
                relative(one.last_success_at, now) if one.last_success_at else "never",
                _next_run(one, now),
                _risk(one, now),
            )
            for one in accounts
        ],
        right=("FILES", "SIZE"),
        elastic=("ACCOUNT",),
        spare=("PROVIDER", "FILES"),
    )


def _next_run(account: AccountStatus, now: datetime) -> str:
    moment = account.next_run_at
    return "due" if moment is None or moment <= now else relative(moment, now)


def _risk(account: AccountStatus, now: datetime) -> str:
    risk = account.at_risk
    if not risk.count:
        return "nothing"
    size = f" ({format_size(risk.size_bytes)})" if risk.size_bytes else ""
    return f"{counted(risk.files, 'asset')}{size} {relative(risk.first_deadline_at, now)}"


def _print_oldest(accounts: Sequence[AccountStatus], now: datetime) -> None:
    """Print what each account needs to have captured first, where there is something."""
    waiting = [(one, one.oldest_unsecured) for one in accounts if one.oldest_unsecured]
    if not waiting:
        return
    click.echo()
    print_table(
        ("ACCOUNT", "OLDEST UNSECURED", "MADE", "DEADLINE"),
        [
            (
                account.account,
                oldest.id,
                relative(oldest.created_at, now),
                relative(oldest.deadline_at, now) if oldest.deadline_at else "not known",
            )
            for account, oldest in waiting
        ],
        elastic=("ACCOUNT",),
    )


def _print_alarms(
    accounts: Sequence[AccountStatus],
    forecasts: Mapping[str, Forecast],
    errors: Mapping[str, str | None],
    standings: Sequence[Standing],
) -> None:
    """Say what failed in the last run, what is damaged and what will be lost: a sentence each."""
    alarms = [
        *(f"{one.account}: {one.last_error}" for one in accounts if one.last_error),
        *(
            f"{name} was left out of the last run: {without_name(name, why)}"
            for name, why in errors.items()
            if why
        ),
        *tell_faults(standings),
        *(tell(foreseen) for foreseen in forecasts.values() if foreseen.lost),
    ]
    if alarms:
        click.echo()
    for line in alarms:
        warn(line)
