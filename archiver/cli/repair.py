"""`archiver repair`: heals what `archiver verify` found."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.filters import check_accounts, check_destinations, filter_options, make_filters
from archiver.cli.interrupt import stopping
from archiver.cli.origin import name_unknown_ids
from archiver.cli.output import print_json_line, relative, visible, warn, warn_each, without_name
from archiver.cli.settings import Settings

if TYPE_CHECKING:
    from archiver.actions.archive import Account, Archive
    from archiver.actions.repairing.finding import Means, Repaired
    from archiver.config import Config
    from archiver.index import Index
    from archiver.index.queries import Filters

EXIT_INCOMPLETE = 3
REFUSED = "refused"
TOLD = {
    "healed": "healed",
    "cleared": "right after all",
    "taken over": "taken over",
    "left alone": "foreign, left alone",
    "planned": "to be healed",
    REFUSED: "not healed",
}
"""What becomes of a finding, in the words of a summary."""


@click.command("repair")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_options
@click.option(
    "--destination", "names", multiple=True, metavar="NAME", help="Heal these only; else all."
)
@click.option("--dry-run", is_flag=True, help="Show what would heal what; nothing is written.")
@click.option("--wait-lock", is_flag=True, help="Wait for another run to end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines, the last with the sums.")
@click.pass_obj
def command(
    settings: Settings,
    /,
    ids: tuple[str, ...],
    names: tuple[str, ...],
    dry_run: bool,
    wait_lock: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Heal what `archiver verify` found: from another destination, from the provider, the index.

    IDs and filters choose generations, with all their files; without any, files that no copy
    accounts for are looked at too. A bad copy is set aside under .archiver/quarantine/, never
    deleted. Files of strangers are named and left alone. Exit code 3 when something could not
    be healed.
    """
    config = settings.load()
    check_destinations(names, config.destinations)
    filters = make_filters(ids=ids, **given)
    scope = frozenset(names or config.destinations)
    counted: Counter[str] = Counter()
    with _opened(config, filters, scope, dry_run, wait_lock) as (means, ends, troubles):
        for one in ends:
            counted[one.outcome.value] += 1
            _print_one(one, settings, as_json)
        when = _when_verified(means.archive.index, scope)
    if as_json:
        print_json_line({"summary": dict(counted), "dry_run": dry_run})
    elif settings.verbosity >= 0:
        click.echo(_sum_up(counted, when))
    return EXIT_INCOMPLETE if counted[REFUSED] or troubles else 0


@contextmanager
def _opened(
    config: Config, filters: Filters, scope: frozenset[str], dry_run: bool, wait_lock: bool
) -> Iterator[tuple[Means, Iterator[Repaired], list[str]]]:
    """Open all that heals, and begin; a dry run takes no lock and touches no destination.

    Gives what it heals with, what became of each finding, and what stays undone.
    """
    from archiver.actions.repair import plan, repair
    from archiver.actions.repairing.finding import Means
    from archiver.actions.running.prepare import prepare_places
    from archiver.index.queries import Filters
    from archiver.wiring.archive import open_archive, run_lock
    from archiver.wiring.running import open_engine

    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(run_lock(config.archive.state_dir, wait=wait_lock))
        archive = stack.enter_context(open_archive(config))
        check_accounts(archive.index, filters.accounts, config.accounts)
        troubles = name_unknown_ids(archive.index, filters)
        unreadable, unusable = {}, {}
        if not dry_run:
            prepared = prepare_places(archive, scope)
            unreadable = prepared.unusable
            unusable = {**unreadable, **prepared.unwritable}
        troubles += [
            f"{name} is left out: {without_name(name, unusable[name])}"
            for name in sorted(scope & {*unusable})
        ]
        warn_each(troubles)
        means = Means(
            archive=archive.without(frozenset(unreadable)),
            scope=scope,
            unusable={name: str(error) for name, error in unusable.items()},
            open_account=_make_opener(config, archive, stack),
            engine=open_engine(config, stopping),
            now=archive.clock(),
        )
        takes_strays = filters == Filters()
        if dry_run:
            yield means, plan(means, filters, with_strays=takes_strays), troubles
            return
        ends = repair(means, filters, config.transfer.concurrency, with_strays=takes_strays)
        yield means, ends, troubles


def _make_opener(
    config: Config, archive: Archive, stack: ExitStack
) -> Callable[[str], Account | None]:
    """Make what opens an account when it is first needed: most repairs need no key at all."""
    from archiver.index import ledger
    from archiver.wiring.accounts import open_accounts

    lock, opened = threading.Lock(), dict[str, "Account | None"]()

    def save_budget(account: Account) -> None:
        pace = account.pace
        ledger.save_budget(
            archive.index, account.name, account.provider.name, pace.spent(), pace.paused_until
        )

    def open_account(name: str) -> Account | None:
        with lock:
            if name not in opened and name in config.accounts:
                accounts = stack.enter_context(
                    open_accounts(config, archive.index, (name,), stopping)
                )
                opened[name] = account = accounts.usable.get(name)
                if account is not None:
                    stack.callback(save_budget, account)
            return opened.get(name)

    return open_account


def _when_verified(index: Index, scope: frozenset[str]) -> str:
    from archiver.actions.archive import utc_now
    from archiver.index import faults

    times, now = faults.last_verified(index), utc_now()
    told = {name: times.get(name) for name in sorted(scope)}
    return ", ".join(
        f"{name} {'never' if moment is None else relative(moment, now)}"
        for name, moment in told.items()
    )


def _sum_up(counted: Counter[str], when: str) -> str:
    if not counted:
        return f"Nothing is known to be wrong; `archiver verify` looks (last: {when})."
    told = "; ".join(f"{counted[name]} {word}" for name, word in TOLD.items() if counted[name])
    return f"{told}."


def _print_one(one: Repaired, settings: Settings, as_json: bool) -> None:
    if as_json:
        print_json_line(one)
        return
    end = one.outcome.value
    end = TOLD[end] if end == "planned" and one.source else end
    line = f"{one.destination}: {one.path}: {one.fault.value}: {end}"
    line += f" from {one.source}" if one.source else ""
    line += f"; the bad one is kept as {one.aside}" if one.aside else ""
    line += f": {one.message}" if one.message else ""
    if one.outcome.value == REFUSED:
        warn(line, err=True)
    elif settings.verbosity >= 0:
        click.echo(visible(line))
