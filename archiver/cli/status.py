"""`archiver status`: how each account stands."""

from __future__ import annotations

from collections.abc import Mapping

import click

from archiver.actions.archive import utc_now
from archiver.actions.forecast import Forecast, forecast
from archiver.actions.status import AccountStatus, status
from archiver.cli.output import print_json, print_table, relative, warn
from archiver.cli.settings import Settings
from archiver.index import open_index
from archiver.model import State
from archiver.units import format_size


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, as_json: bool) -> int:
    """How each account stands, and what is at risk."""
    config = settings.load()
    index = open_index(config.archive.state_dir)
    try:
        now = utc_now()
        accounts = status(index, config.poll_intervals, config.alerts.at_risk, now)
        forecasts = {
            name: forecast(
                index, name, provider, every, config.accounts[name].requests_per_hour or 0, now
            )
            for name, (provider, every) in config.poll_intervals.items()
        }
    finally:
        index.close()
    if as_json:
        documents = [_document(one, forecasts[one.account]) for one in accounts]
        print_json({"accounts": documents})
    else:
        _print(accounts)
        for foreseen in forecasts.values():
            if foreseen.lost:
                warn(tell(foreseen))
    return 0


def tell(foreseen: Forecast) -> str:
    """Say a forecast in a sentence."""
    size = f" (about {format_size(foreseen.lost_bytes)})" if foreseen.lost_bytes else ""
    what = "generation" if foreseen.lost == 1 else "generations"
    return (
        f"{foreseen.lost} {what} of {foreseen.account}{size} will be lost from "
        f"{foreseen.first_loss_at:%A %Y-%m-%d %H:%M} UTC on, unless {foreseen.unless}"
    )


def _document(account: AccountStatus, foreseen: Forecast) -> Mapping[str, object]:
    return {
        "account": account.account,
        "provider": account.provider,
        "listed": account.listed,
        **{state.value: count for state, count in account.counts.items()},
        "files": account.files,
        "size": account.size_bytes,
        "provider_total": account.provider_total,
        "last_success_at": account.last_success_at,
        "last_error": account.last_error,
        "next_run_at": account.next_run_at,
        "at_risk": account.at_risk,
        "unsecured": account.unsecured,
        "forecast": foreseen,
    }


def _print(accounts: list[AccountStatus]) -> None:
    now = utc_now()
    print_table(
        (
            "ACCOUNT",
            "PROVIDER",
            "LISTED",
            "ARCHIVED",
            "WAITING",
            "LOST",
            "AT RISK",
            "LAST SUCCESS",
            "IN PROGRESS",
            "EXCLUDED",
            "FILES",
            "SIZE",
        ),
        [
            (
                one.account,
                one.provider,
                str(one.listed),
                str(one.counts[State.ARCHIVED]),
                str(one.counts[State.PENDING] + one.counts[State.FAILED]),
                str(one.counts[State.LOST]),
                _risk(one),
                relative(one.last_success_at, now),
                str(one.counts[State.IN_PROGRESS]),
                str(one.counts[State.EXCLUDED]),
                str(one.files),
                format_size(one.size_bytes),
            )
            for one in accounts
        ],
        right=("LISTED", "ARCHIVED", "IN PROGRESS", "WAITING", "EXCLUDED", "LOST", "FILES", "SIZE"),
    )
    for one in accounts:
        if one.last_error:
            warn(f"{one.account}: {one.last_error}")


def _risk(account: AccountStatus) -> str:
    return str(account.at_risk.count) if account.at_risk.count else "nothing"
