"""`archiver search`: full-text search, also in CJK and inside words."""

from __future__ import annotations

from typing import Any

import click

from archiver.cli.filters import filter_options, make_filters
from archiver.cli.ls import print_found
from archiver.cli.settings import Settings


@click.command("search")
@click.argument("words", nargs=-1, required=True, metavar="TEXT...")
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def command(
    settings: Settings, /, words: tuple[str, ...], as_json: bool, as_csv: bool, **given: Any
) -> int:
    """Find generations whose prompt, name, model or id holds every word of TEXT.

    Words match anywhere, also inside other words and in languages without spaces.
    """
    return print_found(settings, make_filters(text=" ".join(words), **given), as_json, as_csv)
