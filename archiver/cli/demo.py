"""`archiver demo`: the whole product against simulated providers, on loopback, in seconds."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("archiver-demo"),
    metavar="DIR",
    show_default=True,
    help="Where the demo keeps everything.",
)
def command(folder: Path) -> int:
    """Archive four simulated providers and restore from the result: no key, no network."""
    from archiver.cli.demonstration import demonstrate

    return demonstrate(folder)
