"""`archiver doctor --canary`: opens what the proof of the whole way is made with."""

from __future__ import annotations

import time
from collections.abc import Iterator

from archiver.actions.doctoring.canary import Canary, examine_canary
from archiver.actions.doctoring.finding import About, Finding
from archiver.actions.pushing.following import FollowOptions
from archiver.cli.desk import opened, pause
from archiver.cli.following import open_watcher
from archiver.cli.interrupt import stopping
from archiver.cli.making import choose_maker
from archiver.cli.settings import Settings

SUBJECT = "canary"
PATIENCE_SECONDS = 600.0


def fly(settings: Settings, account: str | None, *, is_well: bool) -> Iterator[Finding]:
    """Go the whole way with the account that is named, or the only one that can make things."""
    about = About(SUBJECT)
    if not is_well:
        fix = "mend what is wrong above, then run it again: a picture costs credit"
        yield about.warning("asked", "nothing was made, as there are problems", fix)
        return
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    names = () if account is None else (account,)
    with opened(settings, names) as desk, open_watcher(settings) as watcher:
        canary = Canary(
            account=choose_maker(desk.accounts, account),
            desk=desk.desk,
            options=FollowOptions(
                give_up_at=give_up_at, pause=pause, watcher=watcher, tries_once=True
            ),
            concurrency=desk.concurrency,
            stopping=stopping,
        )
        for finding in examine_canary(about, canary):
            watcher.rest()
            yield finding
