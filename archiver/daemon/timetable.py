"""When each job is due: APScheduler, begun where the last process left off (promise 9).

An account's job is due one interval after it was last tried, whichever process did that; what
was missed meanwhile is made up once, at once. The jobs only ask a lane for work, so that none of
them is ever late for another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from archiver.config import Config
from archiver.config.cron import make_trigger

VERIFY, DRILL, SWEEP = "verify", "drill", "sweep"
_JOB_DEFAULTS = {"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
"""APScheduler's own defaults drop a job that is a second late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """When things were last tried; what never was has no entry."""

    accounts: Mapping[str, datetime]
    sweep_at: datetime | None
    verify_at: datetime | None
    drill_at: datetime | None


class Timetable:
    """The jobs of one config. A new config gets a new timetable."""

    def __init__(
        self,
        config: Config,
        past: Past,
        poll: Callable[..., None],
        prove: Callable[..., None],
        now: datetime,
    ) -> None:
        """`poll` is handed account names, `prove` VERIFY or DRILL."""
        self._scheduler = BackgroundScheduler(timezone=UTC, job_defaults=_JOB_DEFAULTS)
        schedule = config.schedule
        for name, options in config.accounts.items():
            cron = schedule.cron if options.every is None else None
            every = options.every or schedule.every
            trigger = make_trigger(cron) if cron else _interval(every)
            delayed = _Delayed(trigger, schedule.jitter)
            self._add(name, delayed, past.accounts.get(name), now, poll, name)
        others = (
            (SWEEP, schedule.sweep_every, past.sweep_at, poll, tuple(config.accounts)),
            (VERIFY, schedule.verify_every, past.verify_at, prove, (VERIFY,)),
            (DRILL, schedule.drill_every, past.drill_at, prove, (DRILL,)),
        )
        for job, every, tried_at, ask, names in others:  # a first one has nothing to look at yet
            self._add(f"({job})", _interval(every), tried_at or now, now, ask, *names)

    def start(self) -> None:
        """Let the jobs come due."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let no more jobs come due."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    @property
    def is_running(self) -> bool:
        """Whether jobs come due."""
        return bool(self._scheduler.running)

    def next_runs(self) -> dict[str, datetime]:
        """Tell when each account is asked next, and when "(verify)" and "(drill)" are due."""
        return {
            job.id: job.next_run_time.astimezone(UTC)
            for job in self._scheduler.get_jobs()
            if job.next_run_time is not None
        }

    def _add(
        self,
        name: str,
        trigger: Any,
        tried_at: datetime | None,
        now: datetime,
        ask: Callable[..., None],
        *names: str,
    ) -> None:
        """Add a job that is due when it would have been, had this process always been there."""
        before = now if tried_at is None else min(tried_at, now)  # a clock may have been set back
        due_at = now if tried_at is None else trigger.get_next_fire_time(before, before)
        self._scheduler.add_job(
            ask, trigger, args=names, id=name, next_run_time=max(now, due_at or now)
        )


class _Delayed(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Another trigger, each time a little later by chance: many machines do not ask at once."""

    __slots__ = ("_inner", "_jitter")

    def __init__(self, inner: Any, jitter: timedelta) -> None:
        self._inner = inner
        self._jitter = jitter

    def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> Any:
        """See APScheduler's BaseTrigger."""
        moment = self._inner.get_next_fire_time(previous_fire_time, now)
        return moment and moment + self._jitter * random.random()  # noqa: S311  # no secret


def _interval(every: timedelta) -> Any:
    return IntervalTrigger(seconds=every.total_seconds(), timezone=UTC)
