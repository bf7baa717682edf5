"""`archiver ls`: generations, the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import click

from archiver.actions.archive import utc_now
from archiver.cli.filters import check_accounts, filter_options, make_filters
from archiver.cli.output import (
    print_csv,
    print_json_line,
    print_table,
    relative,
    shorten,
)
from archiver.cli.settings import Settings
from archiver.index import open_index, queries
from archiver.index.rows import Known
from archiver.model import State, Status
from archiver.units import format_size

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
    "size",
)
BLOCK_ROWS = 500
PROMPT_COLUMNS = 60


@click.command("ls")
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def command(settings: Settings, /, as_json: bool, as_csv: bool, **given: Any) -> int:
    """List generations, the newest first."""
    return print_found(settings, make_filters(**given), as_json, as_csv)


def print_found(settings: Settings, filters: queries.Filters, as_json: bool, as_csv: bool) -> int:
    """Print what the filters choose, in the wanted form."""
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
        else:
            _print_tables(found)
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
        "size": sum(one.digest.size_bytes for one in media),
    }


def _print_tables(found: Iterable[Known]) -> None:
    """Print block by block, so that a history of any length needs little memory."""
    rest, now = iter(found), utc_now()
    while block := list(islice(rest, BLOCK_ROWS)):
        rows = []
        for known in block:
            one = describe(known)
            created_at, deadline_at = known.generation.created_at, known.deadline_at
            rows.append(
                (
                    f"{created_at:%Y-%m-%d %H:%M}" if created_at else "-",
                    known.generation.account,
                    known.generation.id,
                    known.generation.kind,
                    _state(known),
                    "-" if known.state is State.ARCHIVED else relative(deadline_at, now),
                    str(one["files"]),
                    format_size(int(str(one["size"]))) if one["size"] else "-",
                    known.generation.model or "-",
                    shorten(
                        known.generation.prompt or known.generation.name or "-", PROMPT_COLUMNS
                    ),
                )
            )
        print_table(
            (
                "CREATED",
                "ACCOUNT",
                "ID",
                "KIND",
                "STATE",
                "DEADLINE",
                "FILES",
                "SIZE",
                "MODEL",
                "PROMPT",
            ),
            rows,
            right=("FILES", "SIZE"),
        )


def _state(known: Known) -> str:
    if known.generation.status is Status.FAILED and known.state is State.ARCHIVED:
        return "archived (failed there)"
    return known.state.value
