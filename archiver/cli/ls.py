"""`archiver ls`: generations, the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.filters import check_accounts, filter_options, make_filters
from archiver.cli.output import (
    is_terminal,
    print_csv,
    print_json_line,
    print_table,
    relative,
    shorten,
)
from archiver.cli.settings import Settings
from archiver.model import State, Status
from archiver.units import format_size

if TYPE_CHECKING:
    from archiver.index.queries import Filters
    from archiver.index.rows import Known

COLUMNS = (
    "account",
    "provider",
    "id",
    "kind",
    "state",
    "status",
    "model",
    "prompt",
    "created_at",
    "deadline_at",
    "files",
    "size_bytes",
)
BLOCK_ROWS = 500
PROMPT_COLUMNS = 60
TERMINAL_PROMPT_COLUMNS = 200
HEAD = (
    "CREATED",
    "UTC",
    "ACCOUNT",
    "ID",
    "KIND",
    "STATE",
    "DEADLINE",
    "FILES",
    "SIZE",
    "MODEL",
    "PROMPT",
)


@click.command("ls")
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def command(settings: Settings, /, as_json: bool, as_csv: bool, **given: Any) -> int:
    """List generations, the newest first."""
    return print_found(settings, make_filters(**given), as_json, as_csv)


def print_found(settings: Settings, filters: Filters, as_json: bool, as_csv: bool) -> int:
    """Print what the filters choose, in the wanted form."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other: choose one")
    from archiver.index import open_index, queries

    config = settings.load()
    index = open_index(config.archive.state_dir)
    try:
        check_accounts(index, filters.accounts, config.accounts)
        found = queries.find(index, filters)
        if as_csv:
            print_csv((describe(known) for known in found), COLUMNS)
        elif as_json:
            for known in found:
                print_json_line(describe(known))
        elif not _print_tables(found) and settings.verbosity >= 0:
            click.echo("nothing found", err=True)
    finally:
        index.close()
    return 0


def describe(known: Known) -> Mapping[str, object]:
    """One generation as `ls --json` prints it."""
    generation = known.generation
    media = [asset.media for asset in known.assets if asset.media is not None]
    return {
        "account": generation.account,
        "provider": generation.provider,
        "id": generation.id,
        "kind": generation.kind,
        "state": known.state,
        "status": generation.status,
        "model": generation.model,
        "prompt": generation.prompt,
        "created_at": generation.created_at,
        "deadline_at": known.deadline_at,
        "files": len(media),
        "size_bytes": sum(one.digest.size_bytes for one in media),
    }


def _print_tables(found: Iterable[Known]) -> bool:
    """Print block by block, so that a history of any length needs little memory.

    Tells whether there was anything.
    """
    from archiver.actions.archive import utc_now

    rest, now, is_any = iter(found), utc_now(), False
    while block := list(islice(rest, BLOCK_ROWS)):
        print_table(
            HEAD,
            [_row(known, now) for known in block],
            right=("FILES", "SIZE"),
            elastic=("PROMPT", "ACCOUNT"),
            spare=("UTC", "FILES", "MODEL", "SIZE", "KIND", "ACCOUNT", "CREATED", "DEADLINE"),
        )
        is_any = True
    return is_any


def _row(known: Known, now: datetime) -> tuple[str, ...]:
    """One line of the table; `deadline` matters only until a generation is archived."""
    generation, one = known.generation, describe(known)
    created_at = generation.created_at
    size = int(str(one["size_bytes"]))
    return (
        f"{created_at:%Y-%m-%d}" if created_at else "-",
        f"{created_at:%H:%M}" if created_at else "-",
        generation.account,
        generation.id,
        generation.kind,
        _state(known),
        "-" if known.state is State.ARCHIVED else relative(known.deadline_at, now),
        str(one["files"]),
        format_size(size) if size else "-",
        generation.model or "-",
        shorten(
            generation.prompt or generation.name or "-",
            TERMINAL_PROMPT_COLUMNS if is_terminal() else PROMPT_COLUMNS,
        ),
    )


def _state(known: Known) -> str:
    if known.generation.status is Status.FAILED and known.state is State.ARCHIVED:
        return "archived (failed there)"
    return known.state.value
