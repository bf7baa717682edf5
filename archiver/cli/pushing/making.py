"""Chooses the account that `generate` and `doctor --canary` ask to make something."""

from __future__ import annotations

import click

from archiver.cli.filters import check_configured
from archiver.config import Config
from archiver.config.judge import can_make


def choose_maker(config: Config, named: str | None) -> str:
    """Choose who makes it: the named account, or the only one that can make anything.

    Goes by the config alone: an account whose key cannot be read just now counts as well, so that
    nobody else pays in its place.
    """
    if named is not None:
        check_configured((named,), config.accounts)
        if not can_make(config, named):
            provider = config.accounts[named].provider
            raise click.UsageError(
                f"{named} is an account at {provider}, which can only be read here"
            )
        return named
    able = sorted(name for name in config.accounts if can_make(config, name))
    if len(able) == 1:
        return able[0]
    raise click.UsageError(
        f"several accounts can make things ({', '.join(able)}): say which with --account"
        if able
        else "no account of the config is at a provider that can be asked to make things"
    )
