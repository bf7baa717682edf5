"""The daemon as a whole: begins its lanes, answers signals, takes a new config, ends in order.

The main thread only waits for signals and looks after the others. Passes are made in one lane,
verify and drills in another, alarms in a third, hints in a fourth: none of them waits for another.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from archiver import __version__
from archiver.actions.run import Observer
from archiver.config import Config
from archiver.daemon.addresses import Addresses
from archiver.daemon.endpoint import Answer, Endpoint, Request, pages
from archiver.daemon.hinting import Hinting
from archiver.daemon.holding import Holding
from archiver.daemon.inlet import MANNERS, Webhooks
from archiver.daemon.intake import Intake
from archiver.daemon.lane import Lane
from archiver.daemon.life import Life
from archiver.daemon.looking import Looking
from archiver.daemon.past import load_past, refuse_contradictions
from archiver.daemon.polling import Polling
from archiver.daemon.proving import Proving
from archiver.daemon.signals import RELOAD, STOP, caught_signals
from archiver.daemon.timetable import Timetable
from archiver.errors import AddressInUse, ArchiverError, ConfigInvalid, LockHeld
from archiver.log import get_logger
from archiver.wiring.archive import DAEMON_LOCK, run_lock

LOOK = "look"
HINTS = "hints"
LOOK_SECONDS = 30.0
STEP_SECONDS = 30.0
"""A clock that is put right by more than that has stepped; less is how clocks are kept right."""
LAST_SECONDS = 4.0
"""What was told to give up gets so long; what hangs even then is left behind."""


def serve(
    read_config: Callable[[], Config],
    stopping: threading.Event,
    make_observer: Callable[[], Observer],
) -> None:
    """Be the daemon until a signal ends it. Raises what keeps it from beginning, or from going on.

    `stopping` is set when something had to be given up, and may hang still.
    """
    config = read_config()
    refuse_contradictions(config)
    try:
        with run_lock(config.archive.state_dir, wait=False, name=DAEMON_LOCK):
            life = Life(config=config, read_config=read_config, stopping=stopping)
            with caught_signals() as wait_for_signals:
                _Service(life, make_observer).go(wait_for_signals)
    except LockHeld:
        raise LockHeld(
            f"another archiver daemon works with {config.archive.state_dir}: "
            "one is enough, or give this one its own archive.state_dir"
        ) from None


class _Service:
    def __init__(self, life: Life, make_observer: Callable[[], Observer]) -> None:
        self._life = life
        self._log = get_logger()
        self._looking = Looking(life)
        holding = Holding()
        self._polling = Polling(life, holding, make_observer, self._ask_again, self._look)
        self._watcher = Lane("look", self._looking)
        self._poller = Lane("run", self._polling, life.notifier.feed_watchdog)
        self._prover = Lane("verify", Proving(life, self._look))
        self._hinter = Lane("hints", Hinting(life, holding, make_observer, self._poller.ask))
        # A new archive gets this long to have an index before an alarm says that it has none.
        self._looked_at = time.monotonic()
        self._clock_is_ahead = _clock_is_ahead()
        self._intake = Intake(life.config.archive.state_dir, partial(self._hinter.ask, HINTS))
        self._webhooks = Webhooks(life.config, self._intake)
        self._addresses = Addresses({"daemon": self._watched_at, "webhooks": self._told_at})
        self._addresses.move(_wanted(life.config))
        self._timetable = self._make_timetable(life.config)

    @property
    def _lanes(self) -> tuple[Lane, ...]:
        return self._poller, self._prover, self._watcher, self._hinter

    def go(self, wait_for_signals: Callable[[float], Collection[signal.Signals]]) -> None:
        """Work until a signal says otherwise."""
        for lane in self._lanes:
            lane.start()
        self._timetable.start()
        self._looking.note_config(None)
        self._life.notifier.ready()
        self._log.info("daemon.started", version=__version__, **self._told(self._life.config))
        try:
            while not (caught := frozenset(wait_for_signals(1.0))) & STOP:
                if caught & RELOAD:
                    self._reload()
                self._look_after()
            self._stop(wait_for_signals)
        finally:
            self._timetable.stop()
            self._addresses.close()
            self._intake.close()

    def _look_after(self) -> None:
        """Raise alarms now and then; raises when a part that must go on has died."""
        if not (self._timetable.is_running and all(lane.is_alive for lane in self._lanes)):
            raise ArchiverError("a thread of the daemon has died; see the log above")
        if abs(_clock_is_ahead() - self._clock_is_ahead) >= STEP_SECONDS:
            self._follow_clock()
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._look()
        self._hinter.ask(HINTS)
        self._looking.next_runs = self._timetable.next_runs()

    def _follow_clock(self) -> None:
        """Plan anew: what is due at a time that was never right may be due years ahead."""
        before, self._clock_is_ahead = self._clock_is_ahead, _clock_is_ahead()
        seconds = round(self._clock_is_ahead - before, 1)
        self._log.warning("clock.stepped", seconds=seconds)
        self._begin_timetable(self._life.config)

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        self._watcher.ask(LOOK)

    def _ask_again(self, *names: str) -> None:
        self._poller.ask(*names)

    def _stop(self, wait_for_signals: Callable[[float], Collection[signal.Signals]]) -> None:
        """Begin nothing more, let what is in flight end, and give up what takes too long."""
        life, drain_seconds = self._life, self._life.config.daemon.drain.total_seconds()
        self._log.info("daemon.stopping", drain_seconds=drain_seconds)
        life.notifier.stopping(drain_seconds + 2 * LAST_SECONDS)
        life.notifier.status("stopping: what is in flight may end")
        life.draining.set()
        self._timetable.stop()
        for lane in self._lanes:
            lane.end()
        until = time.monotonic() + drain_seconds
        while not self._have_ended(0.1) and time.monotonic() < until:
            life.notifier.feed_watchdog()
            if frozenset(wait_for_signals(0.1)) & STOP:
                break
        has_ended = self._have_ended(0.0)
        if not has_ended:
            life.stopping.set()
            self._have_ended(LAST_SECONDS)
        self._log.info("daemon.stopped", in_order=has_ended)

    def _have_ended(self, timeout_seconds: float) -> bool:
        until = time.monotonic() + timeout_seconds
        return all(lane.has_ended(until - time.monotonic()) for lane in self._lanes)

    def _reload(self) -> None:
        """Read the config anew; one with mistakes is refused, and the old one stays."""
        self._life.notifier.reloading()
        try:
            config = self._life.read_config()
            self._take(config)
        except (ConfigInvalid, AddressInUse) as error:
            self._looking.note_config(str(error))
            self._log.error("config.refused", error=str(error), kept="the config as it was")
        else:
            self._looking.note_config(None)
            self._log.info("config.reloaded", **self._told(config))
        self._life.notifier.ready()
        self._look()

    def _take(self, config: Config) -> None:
        """Work with another config from now on; raises before anything has changed."""
        before = self._life.config
        if config.archive.state_dir != before.archive.state_dir:
            raise ConfigInvalid(
                f"archive.state_dir is {before.archive.state_dir} while the daemon runs: "
                "restart it to use another one"
            )
        refuse_contradictions(config)
        self._move(config)
        self._life.config = config  # a pass that is under way ends soon: it asks for this
        self._begin_timetable(config)

    def _move(self, config: Config) -> None:
        """Take webhooks and listen as another config says; raises when an address is taken."""
        before, self._webhooks = self._webhooks, Webhooks(config, self._intake)
        try:
            self._addresses.move(_wanted(config))
        except AddressInUse:
            self._webhooks = before
            raise

    def _begin_timetable(self, config: Config) -> None:
        """Plan anew, from what the index remembers."""
        self._timetable.stop()
        self._timetable = self._make_timetable(config)
        self._timetable.start()

    def _make_timetable(self, config: Config) -> Timetable:
        past = load_past(config)
        return Timetable(config, past, self._poller.ask, self._prover.ask, datetime.now(UTC))

    def _watched_at(self, listen: str) -> Endpoint:
        """Serve health and metrics."""
        return Endpoint(listen, pages(self._looking.routes))

    def _told_at(self, listen: str) -> Endpoint:
        """Take webhooks, each by the config of the moment."""
        return Endpoint(listen, self._answer_webhook, MANNERS)

    def _answer_webhook(self, request: Request) -> Answer:
        return self._webhooks.answer(request)

    def _told(self, config: Config) -> dict[str, object]:
        return {
            "accounts": sorted(config.accounts),
            "destinations": sorted(config.destinations),
            "listen": config.daemon.listen,
            "webhooks": config.webhooks.listen,
            "state_dir": str(Path(config.archive.state_dir)),
            "first_runs": {
                name: f"{moment:%Y-%m-%dT%H:%M:%SZ}"
                for name, moment in sorted(self._timetable.next_runs().items())
            },
        }


def _wanted(config: Config) -> dict[str, str]:
    """Where the daemon is to answer."""
    return {"daemon": config.daemon.listen, "webhooks": config.webhooks.listen}


def _clock_is_ahead() -> float:
    """Tell by how much the clock of the wall is ahead of one that is never set."""
    return time.time() - time.monotonic()
