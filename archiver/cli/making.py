"""Chooses the account that `generate` and `doctor --canary` ask to make something."""

from __future__ import annotations

import click

from archiver.actions.archive import Account
from archiver.actions.generate import maker_of, makers
from archiver.wiring.accounts import Accounts


def choose_maker(accounts: Accounts, named: str | None) -> Account:
    """Choose who makes it: the named account, or the only one that can make anything."""
    if named is not None:
        if named in accounts.unusable:
            raise accounts.unusable[named].error
        maker_of(accounts.usable[named])
        return accounts.usable[named]
    able = makers(accounts.usable)
    if len(able) == 1:
        return able[0]
    for unusable in accounts.unusable.values() if not able else ():
        raise unusable.error
    names = ", ".join(sorted(one.name for one in able))
    raise click.UsageError(
        f"several accounts can make things ({names}): say which with --account"
        if able
        else "no account of the config is at a provider that can be asked to make things"
    )
