"""The work of the run lane: a pass over the accounts that are due, and a bound on its length.

A first pass over a long history may take days, and must not keep the other accounts waiting: a
pass takes nothing new after the shortest of all intervals. What it was not through with is due
again at once; a walk goes on where it was cut. So each account is asked, its books are closed and
alarms are raised about as often as the config says, whatever there is to do. Where a slow file is
still under way a minute later, the pass begins anew beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from archiver.actions.run import Observer, RunSummary
from archiver.config import Config
from archiver.daemon.holding import Holding
from archiver.daemon.life import Life
from archiver.errors import ArchiverError, ConfigInvalid, Interrupted, LockHeld
from archiver.log import get_logger
from archiver.wiring.accounts import Paces
from archiver.wiring.archive import open_archive
from archiver.wiring.running import pass_over, run_options
from archiver.wiring.telling import told

SHORTEST_PASS = timedelta(minutes=1)
PAUSE_SECONDS = 60.0
LOCK_WAIT_SECONDS = 5.0


class Polling:
    """Makes passes. `again` is handed the accounts that a pass was not through with.

    `then` is called after each pass, however it went.
    """

    def __init__(
        self,
        life: Life,
        holding: Holding,
        make_observer: Callable[[], Observer],
        again: Callable[..., None],
        then: Callable[[], None],
    ) -> None:
        self._life = life
        self._holding = holding
        self._make_observer = make_observer
        self._again = again
        self._then = then

    def __call__(self, names: frozenset[str]) -> None:
        """Make one pass over those accounts that the config still has."""
        life = self._life
        while not life.is_over:
            config = life.config
            wanted = tuple(sorted(names & config.accounts.keys()))
            if not wanted:
                return
            try:
                with self._holding.held(config.archive.state_dir) as paces:
                    summary = self._pass(config, wanted, paces)
            except LockHeld:
                life.notifier.status("another run is at work; waiting for its end")
                life.notifier.feed_watchdog()
                life.wait(LOCK_WAIT_SECONDS)
                continue
            except ConfigInvalid as error:  # the state directory is gone, or closed to us
                get_logger().error("run.failed", error=str(error))
                summary = None
            self._then()
            self._again(*(name for name in wanted if summary and summary.accounts[name].is_cut))
            return

    def _pass(self, config: Config, names: tuple[str, ...], paces: Paces) -> RunSummary | None:
        """Make one pass; None when it came to nothing, which was told."""
        life, log = self._life, get_logger()
        began_at, seconds = time.monotonic(), longest_pass(config).total_seconds()

        def may_go_on() -> bool:
            life.notifier.feed_watchdog()
            is_its_time = (time.monotonic() - began_at) % (seconds + PAUSE_SECONDS) < seconds
            return is_its_time and life.config is config and not life.is_over

        life.notifier.status(f"a pass over {', '.join(names)}")
        try:
            with told(config) as end, open_archive(config, create_index=True) as archive:
                options = run_options(config, may_go_on=may_go_on, claims=self._holding.claims)
                observer = self._make_observer()
                summary = pass_over(config, archive, options, names, observer, life.stopping, paces)
                end(summary)
        except Interrupted:
            log.warning("run.abandoned", accounts=names)
            return None
        except ArchiverError as error:
            log.error("run.failed", error=str(error))
            return None
        return summary


def longest_pass(config: Config) -> timedelta:
    """How long a pass takes on new work: the shortest interval, so that nobody waits longer."""
    shortest = min(every for _, every in config.poll_intervals.values())
    return max(shortest, SHORTEST_PASS)
