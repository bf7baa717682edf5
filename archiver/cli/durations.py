"""The option that says how long a command may take: 90s, 10m, 2h, as in the config."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from archiver.units import parse_duration


def _read(_ctx: click.Context, _option: click.Parameter, given: str) -> timedelta:
    try:
        return parse_duration(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def timeout_option(default: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --timeout to a command; it takes a timedelta."""
    return click.option(
        "--timeout",
        default=default,
        show_default=True,
        metavar="DURATION",
        callback=_read,
        help=text,
    )
