"""`archiver config`: show, check and describe the config."""

from __future__ import annotations

from collections.abc import Collection

import click

from archiver.cli.output import counted, print_json
from archiver.cli.settings import Settings


@click.group("config")
def command() -> None:
    """Show, check and describe the config."""


@command.command("show", short_help="Print the config in effect; secrets are hidden.")
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


@command.command("validate", short_help="Check the config; tell all its mistakes.")
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
        message, code = str(error).partition("\n")[0], error.exit_code
        print_json(
            {
                "valid": False,
                "problems": error.problems or [message],
                "error": {"message": message, "exit_code": code},
            }
        )
        return error.exit_code
    path = find_config(settings.config_path)
    if as_json:
        names = {"accounts": list(config.accounts), "destinations": list(config.destinations)}
        print_json({"valid": True, "config": path, **names})
    elif settings.verbosity >= 0:
        click.echo(
            f"{path} is valid: {_named('account', config.accounts)}, "
            f"{_named('destination', config.destinations)}."
        )
    return 0


def _named(what: str, names: Collection[str]) -> str:
    """Say "2 accounts (a, b)"."""
    return f"{counted(len(names), what)} ({', '.join(names)})"


@command.command("schema")
def schema() -> int:
    """Print the JSON Schema of the config, for editors."""
    from archiver.config.describe import make_schema

    print_json(make_schema())
    return 0
