"""`archiver doctor --canary`: opens what the proof of the whole way is made with."""

from __future__ import annotations

import time
from collections.abc import Iterator

from archiver.actions.doctoring.canary import Canary, examine_canary
from archiver.actions.doctoring.finding import About, Finding
from archiver.actions.pushing.following import FollowOptions
from archiver.cli.interrupt import stopping
from archiver.cli.pushing.desk import opened, pause
from archiver.cli.pushing.following import open_watcher
from archiver.cli.settings import Settings
from archiver.errors import ArchiverError, Interrupted

SUBJECT = "canary"
PATIENCE_SECONDS = 600.0


def fly(settings: Settings, account: str, *, is_well: bool) -> Iterator[Finding]:
    """Go the whole way with an account that can make things; an error is a finding, too."""
    about = About(SUBJECT)
    if not is_well:
        fix = "mend what is wrong above, then run it again: a picture costs credit"
        yield about.warning("asked", "nothing was made, as there are problems", fix)
        return
    try:
        yield from _fly(settings, account, about)
    except Interrupted:
        raise
    except ArchiverError as error:
        yield about.failure("check", error, "see the message")


def _fly(settings: Settings, account: str, about: About) -> Iterator[Finding]:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    with opened(settings, (account,)) as desk, open_watcher(settings) as watcher:
        canary = Canary(
            account=desk.account(account),
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
