"""`archiver config`: show, check and describe the config."""

from __future__ import annotations

from typing import Any

import click

from archiver.cli.output import print_json
from archiver.cli.settings import Settings


@click.group("config")
def command() -> None:
    """Show, check and describe the config."""


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(settings: Settings, as_json: bool) -> int:
    """Print the config as it is in effect, with every default; secrets are hidden."""
    from archiver.config.describe import as_document, as_toml

    document = as_document(settings.load())
    if as_json:
        print_json(document)
    else:
        click.echo(as_toml(document), nl=False)
    return 0


@command.command("validate")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def validate(settings: Settings, as_json: bool) -> int:
    """Check the config; all its mistakes are told at once (exit code 78)."""
    from archiver.config import find_config
    from archiver.errors import ConfigInvalid

    try:
        config = settings.load()
    except ConfigInvalid as error:
        if not as_json:
            raise
        print_json({"valid": False, "problems": error.problems or [str(error)]})
        return error.exit_code
    facts: dict[str, Any] = {
        "valid": True,
        "config": find_config(settings.config_path),
        "accounts": list(config.accounts),
        "destinations": list(config.destinations),
    }
    if as_json:
        print_json(facts)
    else:
        click.echo(
            f"{facts['config']} is valid: {len(config.accounts)} accounts "
            f"({', '.join(config.accounts)}), {len(config.destinations)} destinations "
            f"({', '.join(config.destinations)})."
        )
    return 0


@command.command("schema")
def schema() -> int:
    """Print the JSON Schema of the config, for editors."""
    from archiver.config.describe import make_schema

    print_json(make_schema())
    return 0
