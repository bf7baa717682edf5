"""`archiver init`: a first config, by questions on a terminal or by options."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from archiver.cli.first_config import Answers, account_options, destination_options
from archiver.cli.output import counted
from archiver.cli.settings import Settings
from archiver.errors import ArchiverError

TO_STDOUT = "-"


@click.command("init")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME=PROVIDER",
    help="An account; a provider alone gives it its own name. May be repeated, as all options.",
)
@click.option("--key-env", multiple=True, metavar="NAME=VARIABLE", help="Its key: a variable.")
@click.option("--key-file", multiple=True, metavar="NAME=FILE", help="Its key: a file.")
@click.option(
    "--key-credential", multiple=True, metavar="NAME=CREDENTIAL", help="Its key: by systemd."
)
@click.option(
    "--key-command", multiple=True, metavar="NAME=COMMAND", help="Its key: what a command prints."
)
@click.option("--plan", multiple=True, metavar="NAME=PLAN", help="Its plan, where one counts.")
@click.option(
    "--destination",
    "destinations",
    multiple=True,
    metavar="NAME=PLACE",
    help="Where files are kept: a directory or s3://bucket/prefix.",
)
@click.option("--endpoint-url", multiple=True, metavar="NAME=URL", help="Any store but AWS.")
@click.option("--region", multiple=True, metavar="NAME=REGION", help="Its region.")
@click.option("--access-key-env", multiple=True, metavar="NAME=VARIABLE", help="Its key id.")
@click.option("--secret-key-env", multiple=True, metavar="NAME=VARIABLE", help="Its secret key.")
@click.option("--output", metavar="FILE", help="Where to write the config; - for stdout.")
@click.pass_obj
def command(
    settings: Settings,
    /,
    accounts: tuple[str, ...],
    destinations: tuple[str, ...],
    output: str | None,
    **options: tuple[str, ...],
) -> int:
    """Write a config with every option explained. Asks on a terminal for what is not given.

    NAME= may be left out where there is only one account or bucket. A key itself is never part
    of the config: it stays where the config says.
    """
    from archiver.cli import wizard

    path = None if output == TO_STDOUT else _place(settings, output)
    if path is not None:
        _refuse_to_overwrite(path)
    answers = Answers(
        account_options(accounts, options), destination_options(destinations, options)
    )
    if not (answers.accounts and answers.destinations) and not wizard.can_ask():
        raise click.UsageError(
            "nothing can be asked here: give --account NAME=PROVIDER and --destination NAME=PLACE"
        )
    answers.check()
    wizard.complete(answers, path)
    if path is None:
        click.echo(answers.as_config(), nl=False)
        return 0
    for file, key in answers.keys_to_write.items():
        _write(file, f"{key}\n")
    _write(path, answers.as_config())
    if settings.verbosity >= 0:
        _say_what_is_next(path, answers)
    return 0


def _place(settings: Settings, output: str | None) -> Path:
    """Where the config goes: where this user's commands will look first."""
    from archiver.config.load import config_places

    if output:
        return Path(output).expanduser().absolute()
    return config_places(settings.config_path)[0].absolute()


def _refuse_to_overwrite(path: Path) -> None:
    if os.path.lexists(path):
        raise ArchiverError(
            f"{path} is there already, and init overwrites nothing: "
            "move it away, or name another file with --output"
        )


def _write(path: Path, text: str) -> None:
    """Make a file that only its owner can read; raises ArchiverError if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _refuse_to_overwrite(path)
        raise
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            path.unlink()  # half a config would only be in the way
            raise


def _say_what_is_next(path: Path, answers: Answers) -> None:
    """Tell what was written, where each key has still to be put, and the next two commands."""
    from archiver.config import find_config
    from archiver.errors import ConfigInvalid

    try:
        is_found = find_config(None) == path
    except ConfigInvalid:
        is_found = False
    name = "archiver" if is_found else f"archiver -c {path}"
    click.echo(
        f"Wrote {path}, which only you can read: "
        f"{counted(len(answers.accounts), 'account')} ({', '.join(answers.accounts)}), "
        f"{counted(len(answers.destinations), 'destination')} ({', '.join(answers.destinations)})."
    )
    click.echo("\nNext:")
    for line in answers.keys_to_put():
        click.echo(f"  {line}")
    click.echo(f"  {name} doctor   # checks keys, destinations and the rest")
    click.echo(f"  {name} run      # makes the first pass")
    if not sys.stdout.isatty():
        return
    click.echo("Every option stands in the file, with what it is for.")
