"""The work of the hint lane: what somebody said there is news of is asked for and captured now.

It looks into the index each second, and at once when a webhook came in: hints are left there by
`archiver ingest`, too. While another process holds the run lock they wait, and lose nothing; so do
those of an account that the config does not have, as it may come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta

from archiver.actions.archive import Account, Archive, utc_now
from archiver.actions.pushing.heeding import Heeding, HeedOptions
from archiver.actions.run import Observer
from archiver.actions.running.prepare import prepare
from archiver.config import Config
from archiver.daemon.holding import Holding
from archiver.daemon.life import Life
from archiver.daemon.lookout import Lookout
from archiver.errors import ArchiverError, Interrupted, LockHeld
from archiver.fetch.engine import MediaEngine
from archiver.index import hints
from archiver.log import get_logger
from archiver.wiring.accounts import Paces, open_accounts
from archiver.wiring.archive import open_archive
from archiver.wiring.running import make_hint_limits

FIRST_REST_SECONDS = 15.0
LONGEST_REST_SECONDS = 600.0
PASS_EVERY_SECONDS = 60.0
"""So often an account with too many hints is asked for its list at most."""


class Hinting:
    """Heeds hints. `ask_pass` is handed the accounts that a pass does better for."""

    def __init__(
        self,
        life: Life,
        holding: Holding,
        make_observer: Callable[[], Observer],
        ask_pass: Callable[..., None],
    ) -> None:
        self._life = life
        self._holding = holding
        self._make_observer = make_observer
        self._ask_pass = ask_pass
        self._lookout = Lookout(life.config.archive.state_dir)
        self._passes_asked: dict[str, float] = {}
        self._rest_seconds = FIRST_REST_SECONDS
        self._rests_until = 0.0
        self._forgot_at = datetime.min.replace(tzinfo=utc_now().tzinfo)

    def __call__(self, _names: frozenset[str]) -> None:
        """Heed the hints that wait, if any do and nobody else is at work on the archive."""
        config = self._life.config
        if time.monotonic() < self._rests_until or not self._lookout.is_any(config.accounts.keys()):
            return
        try:
            with self._holding.held(config.archive.state_dir) as paces:
                self._heed(config, paces)
        except LockHeld:
            return  # asked again in a second
        except Interrupted:
            get_logger().info("job.abandoned", job="hints")
        except ArchiverError as error:
            self._rest()
            get_logger().error("job.failed", job="hints", error=str(error))
        except Exception:
            self._rest()
            raise
        else:
            self._rest_seconds = FIRST_REST_SECONDS

    def _rest(self) -> None:
        """Leave it alone for a while: a store that is away is not asked each second."""
        self._rests_until = time.monotonic() + self._rest_seconds
        self._rest_seconds = min(self._rest_seconds * 2, LONGEST_REST_SECONDS)

    def _heed(self, config: Config, paces: Paces) -> None:
        life, observer = self._life, self._make_observer()
        with open_archive(config, create_index=True) as archive, ExitStack() as accounts:
            prepared = prepare(archive)
            for name, error in prepared.unusable.items():
                observer.destination_failed(name, error)
            self._forget(archive)
            limits = make_hint_limits(config)
            options = HeedOptions(
                concurrency=limits.concurrency,
                accounts=config.accounts.keys(),
                claims=self._holding.claims,
                open_account=lambda name: self._open(name, config, archive, paces, accounts),
                ask_pass=self._ask,
                may_go_on=lambda: life.config is config and not life.is_over,
            )
            usable = archive.without(frozenset(prepared.unusable))
            Heeding(usable, MediaEngine(limits, life.stopping), options, observer).go()

    def _open(
        self, name: str, config: Config, archive: Archive, paces: Paces, stack: ExitStack
    ) -> Account:
        """Open an account when its first hint comes; raises when its key cannot be read."""
        opening = open_accounts(config, archive.index, [name], self._life.stopping, paces=paces)
        opened = stack.enter_context(opening)
        for unusable in opened.unusable.values():
            raise unusable.error
        return opened.usable[name]

    def _ask(self, name: str) -> None:
        """Ask for a pass over an account, now and then."""
        now = time.monotonic()
        if now >= self._passes_asked.get(name, 0.0):
            self._passes_asked[name] = now + PASS_EVERY_SECONDS
            self._ask_pass(name)

    def _forget(self, archive: Archive) -> None:
        """Once a day, forget what was heard long ago."""
        now = archive.clock()
        if now - self._forgot_at >= timedelta(days=1):
            self._forgot_at = now
            hints.forget_old(archive.index, now)
