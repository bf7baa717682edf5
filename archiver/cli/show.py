"""`archiver show`: everything that is known of one generation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import click

from archiver.actions.archive import utc_now
from archiver.cli.ls import describe
from archiver.cli.output import print_json, print_table, relative, visible
from archiver.cli.settings import Settings
from archiver.errors import ArchiverError
from archiver.index import open_index, queries
from archiver.index.queries import Copy
from archiver.index.rows import Known
from archiver.units import format_size

INDENT = 17


@click.command("show")
@click.argument("generation_id", metavar="ID")
@click.option("--account", metavar="NAME", help="Of this account, when several have the id.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, generation_id: str, account: str | None, as_json: bool) -> int:
    """Everything known of one generation: its prompt, its files, where copies are."""
    index = open_index(settings.load().archive.state_dir)
    try:
        found = queries.by_id(index, generation_id, account)
        if not found:
            raise ArchiverError(
                f"there is no generation {generation_id!r} in the index; `archiver ls` lists them"
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


def _document(known: Known, copies: list[Copy]) -> Mapping[str, object]:
    generation = known.generation
    return {
        **describe(known),
        "reason": known.reason,
        "attempts": known.attempts,
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
                "copies": [copy.receipt for copy in copies if copy.asset_key == asset.asset.key],
            }
            for asset in known.assets
            if asset.media is not None
        ],
        "missing": [asset.missing for asset in known.assets if asset.missing is not None],
        "sidecars": [copy.receipt for copy in copies if copy.is_sidecar],
        "raw": generation.raw,
    }


def _print(known: Known, copies: list[Copy]) -> None:
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
        "parameters": json.dumps(generation.parameters, ensure_ascii=False)[1:-1],
    }
    for name, value in facts.items():
        if value:
            click.echo(f"{name + ':':<{INDENT}}{visible(value, indent=INDENT)}")
    _print_files(known, copies)


def _print_files(known: Known, copies: list[Copy]) -> None:
    rows = [
        (
            media.role.value,
            format_size(media.digest.size_bytes),
            media.digest.sha256[:12],
            ", ".join(copy.receipt.destination for copy in copies if copy.asset_key == media.key),
            media.path,
        )
        for media in (asset.media for asset in known.assets)
        if media is not None
    ]
    if rows:
        click.echo()
        print_table(("ROLE", "SIZE", "SHA-256", "COPIES", "FILE"), rows, right=("SIZE",))
    for asset in known.assets:
        if asset.missing is not None:
            missing = asset.missing
            click.echo(visible(f"{missing.state.value}: {missing.key}: {missing.reason}", indent=2))


def _moment(moment: datetime | None, now: datetime) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC ({relative(moment, now)})"
