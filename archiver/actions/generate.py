"""Has a provider make something: the only thing that ever writes to one (promise 3).

What it answers is in the index before anything else is done, so that whatever happens from then
on, a run finds it. `pushing.following` waits for it, and brings it home.
"""

from __future__ import annotations

import sqlite3

from archiver.actions.archive import Account, Archive
from archiver.actions.pushing.take import take
from archiver.actions.running.summary import EXIT_FAILED, EXIT_INCOMPLETE
from archiver.errors import ArchiverError, CredentialsRejected, MakingUncertain, ProviderError
from archiver.index.rows import Known
from archiver.providers.making import Maker, Wish


def maker_of(account: Account) -> Maker:
    """Give what makes things for an account; raises ArchiverError where nothing does."""
    maker = account.provider.maker
    if maker is None:
        raise ArchiverError(
            f"{account.name} is an account at {account.provider.name}, which can only be read here"
        )
    return maker


def generate(archive: Archive, account: Account, wish: Wish) -> Known:
    """Ask for it once, and record what is being made.

    It costs credit, so the caller has found out that it can be kept (`Desk.make_ready`).
    Raises ProviderError with exit code 1 when it was refused, or could not be asked for: nothing
    is tried again. MakingUncertain when nobody can tell whether it was taken.
    """
    try:
        made = maker_of(account).make(wish)
    except (MakingUncertain, CredentialsRejected):
        raise
    except ProviderError as refusal:
        refusal.exit_code = EXIT_FAILED
        raise
    try:
        return take(archive, account, made)
    except (ArchiverError, sqlite3.Error) as error:
        raise _not_recorded(account, made.id, error) from None


def _not_recorded(account: Account, made_id: str, error: Exception) -> ArchiverError:
    """Name what is being made, and paid for, though the index could not take it in."""
    unrecorded = ArchiverError(
        f"{account.name}/{made_id} is being made, but could not be recorded ({error}): do not ask "
        f"for it again; `archiver wait {made_id} --account {account.name}` takes it up, and the "
        "next run finds it"
    )
    unrecorded.exit_code = EXIT_INCOMPLETE
    return unrecorded
