"""`archiver show`: everything that is known of one generation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from archiver.cli.filters import check_accounts
from archiver.cli.ls import describe
from archiver.cli.output import heading, print_json, relative, visible
from archiver.cli.settings import Settings
from archiver.errors import ArchiverError
from archiver.units import format_size

if TYPE_CHECKING:
    from archiver.index import Index
    from archiver.index.queries import Copy
    from archiver.index.rows import Known

INDENT = 17


@click.command("show")
@click.argument("generation_id", metavar="ID")
@click.option("--account", metavar="NAME", help="Of this account, when several have the id.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, generation_id: str, account: str | None, as_json: bool) -> int:
    """Everything known of one generation: its prompt, its files, where copies are.

    ID may be ACCOUNT/ID.
    """
    from archiver.index import open_index, queries

    config = settings.load()
    index = open_index(config.archive.state_dir)
    try:
        check_accounts(index, () if account is None else (account,), config.accounts)
        found = queries.by_id(index, generation_id, account) or _by_name(
            index, generation_id, account
        )
        if not found:
            where = "here" if account is None else f"of the account {account!r}"
            raise ArchiverError(
                f"there is no generation {generation_id!r} {where}; `archiver ls` lists them"
            )
        copies = {known.number: queries.copies(index, known.number) for known in found}
    finally:
        index.close()
    if as_json:
        documents = [_document(known, copies[known.number]) for known in found]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for known in found:
            _print(known, copies[known.number])
    return 0


def _by_name(index: Index, text: str, account: str | None) -> list[Known]:
    """Load what is named ACCOUNT/ID, as other commands print it."""
    from archiver.index import queries

    name, _, generation_id = text.partition("/")
    return queries.by_id(index, generation_id, name) if account in (None, name) else []


def _document(known: Known, copies: list[Copy]) -> Mapping[str, object]:
    generation = known.generation
    return {
        **describe(known),
        "reason": known.reason,
        "attempts": known.attempts,
        "next_try_at": known.next_try_at,
        "negative_prompt": generation.negative_prompt,
        "name": generation.name,
        "completed_at": generation.completed_at,
        "expires_at": generation.expires_at,
        "archived_at": known.archived_at,
        "cost": generation.cost,
        "error": generation.error,
        "parameters": generation.parameters,
        "stem": known.stem,
        "media": [
            {
                **asdict(asset.media),
                "copies": [_copy(copy) for copy in copies if copy.asset_key == asset.asset.key],
            }
            for asset in known.assets
            if asset.media is not None
        ],
        "missing": [asset.missing for asset in known.assets if asset.missing is not None],
        "sidecars": [_copy(copy) for copy in copies if copy.is_sidecar],
        "raw": generation.raw,
    }


def _copy(copy: Copy) -> Mapping[str, object]:
    return {**asdict(copy.receipt), "proven_at": copy.proven_at, "fault": copy.fault}


def _print(known: Known, copies: list[Copy]) -> None:
    from archiver.actions.archive import utc_now

    generation, now = known.generation, utc_now()
    error = generation.error
    facts = {
        "id": generation.id,
        "account": f"{generation.account} ({generation.provider})",
        "kind": generation.kind.value,
        "state": known.state.value + (f": {known.reason}" if known.reason else ""),
        "at the provider": generation.status.value,
        "error": f"{error.code or ''} {error.message or ''}".strip() if error else None,
        "model": generation.model,
        "name": generation.name,
        "prompt": generation.prompt,
        "negative prompt": generation.negative_prompt,
        "cost": f"{generation.cost.amount} {generation.cost.unit}" if generation.cost else None,
        "created": _moment(generation.created_at, now),
        "deadline": _moment(known.deadline_at, now),
        "archived": _moment(known.archived_at, now),
        "attempts": _attempts(known, now),
        "parameters": json.dumps(generation.parameters, ensure_ascii=False)[1:-1],
    }
    for name, value in facts.items():
        if value:
            click.echo(f"{name + ':':<{INDENT}}{visible(value, indent=INDENT)}")
    _print_files(known, copies, now)


def _attempts(known: Known, now: datetime) -> str | None:
    """Say how often in a row it was tried in vain, and when it is tried again."""
    if known.next_try_at is None:
        return None
    return f"{known.attempts} in vain, the next one {relative(known.next_try_at, now)}"


def _print_files(known: Known, copies: list[Copy], now: datetime) -> None:
    """A block for each file: what it is, and how each of its copies was proven."""
    for media in (asset.media for asset in known.assets):
        if media is None:
            continue
        click.echo()
        size = format_size(media.digest.size_bytes)
        click.echo(heading(f"{media.role.value}, {media.media_type}, {size}"))
        click.echo(f"  {visible(media.path)}")
        if media.original_name:
            click.echo(f"  named {visible(media.original_name)} by the provider")
        click.echo(f"  sha256 {media.digest.sha256}")
        _print_copies([copy for copy in copies if copy.asset_key == media.key], now)
    sidecars = [copy for copy in copies if copy.is_sidecar]
    if sidecars:
        click.echo()
        click.echo(heading("sidecar"))
        click.echo(f"  {visible(sidecars[0].receipt.key)}")
        _print_copies(sidecars, now)
    for missing in (asset.missing for asset in known.assets):
        if missing is not None:
            status = f" (HTTP {missing.http_status})" if missing.http_status else ""
            told = f"{missing.state.value}: {missing.key}: {missing.reason}{status}"
            click.echo()
            click.echo(f"{visible(told, indent=2)}, {_moment(missing.at, now)}")


def _print_copies(copies: list[Copy], now: datetime) -> None:
    size = max((len(copy.receipt.destination) for copy in copies), default=0)
    for copy in copies:
        stored = f"stored {relative(copy.receipt.stored_at, now)} ({copy.receipt.verified})"
        proven = f", proven {relative(copy.proven_at, now)}" if copy.proven_at else ""
        fault = f", {copy.fault.value.upper()}: `archiver repair`" if copy.fault else ""
        click.echo(f"  {copy.receipt.destination:<{size}}  {stored}{proven}{fault}")


def _moment(moment: datetime | None, now: datetime) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC ({relative(moment, now)})"
