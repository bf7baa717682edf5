"""A quarter of a year in minutes: four accounts, troubles from a seed, and who must not be lost.

Time is one fake clock for the archive, the request budgets and the simulator; the network is
real. A run is made every two hours (three in the short version), and every fifteen minutes
around the account whose files live for one hour. Each run opens the archive, the accounts and
the media engine anew, as a cron job would; only the index and the destinations stay.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.actions.archive import Archive
from archiver.actions.capturing.commit import CaptureReport
from archiver.actions.forecast import Forecast
from archiver.actions.listing.page import WalkReport
from archiver.actions.run import RunSummary, run
from archiver.config import load_config
from archiver.errors import ArchiveMissing, DestinationError
from archiver.index import ledger
from archiver.model import State
from archiver.simulator import Recipe, Simulator, faults
from archiver.simulator.faults import Scripted
from archiver.simulator.item import Item
from archiver.wiring.accounts import open_accounts
from archiver.wiring.archive import open_archive
from archiver.wiring.running import open_engine, run_options

BEGINNING = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERY_SHORT = 15 * MINUTE
LONGEST_BACK_OFF = timedelta(hours=7.5)
"""Six hours with a quarter of jitter: the bound that docs/design.md states."""

PAUSE = 15 * MINUTE
"""What a 429 of a storm asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One account: its provider, how long files live there, how often it makes something.

    `every` is its own interval, else the script's; `before` counts what it made before.
    """

    name: str
    provider: str
    retention: timedelta
    link_life: timedelta
    a_day: float
    every: timedelta | None = None
    before: int = 0


PLANS = (
    Plan(name="flash", provider="oxen", retention=HOUR, link_life=5 * MINUTE, a_day=60,
         every=EVERY_SHORT),
    Plan(name="week", provider="neuralbox", retention=7 * DAY, link_life=HOUR, a_day=8, before=20),
    Plan(name="month", provider="geminigen", retention=30 * DAY, link_life=10 * MINUTE, a_day=8,
         before=20),
    Plan(name="season", provider="sync", retention=90 * DAY, link_life=30 * MINUTE, a_day=4,
         before=30),
)  # fmt: skip
BY_NAME = {plan.name: plan for plan in PLANS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that does not work from one moment to another.

    `what` is api (the host is down), storm (every answer is a 429), key (it is refused), media
    (the media host is down), vault (one destination of two) or disks (both). `account` is empty
    where all are concerned.
    """

    what: str
    starts_at: datetime
    ends_at: datetime
    account: str = ""

    def holds_up(self, account: str) -> bool:
        """Whether nothing of an account can be captured meanwhile."""
        return self.what != "vault" and self.account in ("", account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What happens when: troubles, the hours in which the short account works, the lost index."""

    days: int
    every: timedelta
    troubles: tuple[Trouble, ...]
    windows: tuple[tuple[datetime, datetime], ...]
    index_lost_at: datetime

    @property
    def ends_at(self) -> datetime:
        """When nothing new is made any more."""
        return BEGINNING + self.days * DAY

    def runs(self) -> Iterator[tuple[datetime, tuple[str, ...]]]:
        """The moments at which runs are made, and the accounts of each (none means all)."""
        moments: dict[datetime, tuple[str, ...]] = {}
        for starts_at, ends_at in self.windows:
            moment = starts_at
            while moment < ends_at + 2 * HOUR:
                moments[moment] = ("flash",)
                moment += EVERY_SHORT
        moment = BEGINNING
        while moment <= self.ends_at + DAY:  # a day to settle
            moments[moment] = ()
            moment += self.every
        return iter(sorted(moments.items()))


def at(day: float, hour: float = 0) -> datetime:
    """A moment by its day and hour."""
    return BEGINNING + day * DAY + hour * HOUR


def trouble(what: str, account: str, day: float, hours: float) -> Trouble:
    """A trouble by its beginning and length."""
    return Trouble(what=what, account=account, starts_at=at(day), ends_at=at(day, hours))


def make_week() -> Script:
    """Seven days: each trouble once."""
    return Script(
        days=7,
        every=3 * HOUR,
        troubles=(
            trouble("media", "", 0.6, 6),
            trouble("storm", "month", 1.1, 8),
            trouble("api", "flash", 2.55, 0.4),
            trouble("vault", "", 2.2, 20),
            trouble("key", "season", 3.0, 48),
            trouble("api", "week", 3.2, 30),
            trouble("disks", "", 5.1, 6),
        ),
        windows=tuple((at(day, 12), at(day, 18)) for day in (0, 2)),
        index_lost_at=at(4.3),
    )


def make_quarter(seed: int = 3) -> Script:
    """Ninety days: outages of six hours to five days, storms, dead keys, disks, a lost index."""
    dice = random.Random(seed)
    troubles = [
        trouble("key", "week", 20.2, 8.5 * 24),
        trouble("key", "month", 50.4, 72),
        trouble("media", "", 33.1, 120),
        trouble("media", "", 71.6, 30),
        trouble("vault", "", 12.3, 60),
        trouble("disks", "", 61.3, 10),
        trouble("disks", "", 80.3, 26),
    ]
    for account, count in (("week", 3), ("month", 4), ("season", 4)):
        for _ in range(count):
            troubles.append(trouble("api", account, dice.uniform(2, 84), dice.uniform(6, 120)))
            troubles.append(trouble("storm", account, dice.uniform(2, 86), dice.uniform(1, 24)))
    windows = tuple((at(day, 8), at(day, 20)) for day in range(1, 90, 6))
    for number, (starts_at, _) in enumerate(windows):
        day = (starts_at - BEGINNING) / DAY + dice.uniform(0.05, 0.3)
        what = ("api", "storm", "media", "key")[number % 4]
        hours = (0.4, 6.0, 0.3, 0.45)[number // 4]
        troubles.append(trouble(what, "" if what == "media" else "flash", day, hours))
    return Script(
        days=90, every=2 * HOUR, troubles=tuple(troubles), windows=windows, index_lost_at=at(45.3)
    )


class Clock:
    """Time that moves when the script says so, and when a request budget waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = BEGINNING

    def __call__(self) -> datetime:
        """Tell the time."""
        return self._now

    def reach(self, moment: datetime) -> None:
        """Let time pass until a moment."""
        with self._lock:
            self._now = max(self._now, moment)

    def pass_by(self, span: timedelta) -> None:
        """Let some time pass."""
        with self._lock:
            self._now += span


class Hurried(threading.Event):
    """A stop event on which nobody waits in real time; the fake clock moves, when there is one."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Say whether to stop, at once."""
        if self._clock is not None:
            self._clock.pass_by(timedelta(seconds=timeout or 0))
        return self.is_set()


class Watcher:
    """An observer that keeps nothing."""

    def listed(self, report: WalkReport) -> None:
        """See `Observer`."""

    def captured(self, report: CaptureReport) -> None:
        """See `Observer`."""

    def failed(self, account: str, error: Exception) -> None:
        """See `Observer`."""

    def foreseen(self, forecast: Forecast) -> None:
        """See `Observer`."""

    def destination_failed(self, name: str, error: DestinationError) -> None:
        """See `Observer`."""

    def finished(self, summary: RunSummary) -> None:
        """See `Observer`."""


@dataclass(slots=True)
class Diary:
    """What was seen while time went by. `alarms` holds (moment, was it one) by account."""

    runs: int = 0
    exit_codes: Counter[int] = field(default_factory=Counter)
    alarms: dict[str, list[tuple[datetime, bool]]] = field(default_factory=dict)
    longest_backlog: dict[str, int] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    silent_losses: list[str] = field(default_factory=list)
    rebuilt: int = 0


class Quarter:
    """The life of one archive along a script."""

    def __init__(self, folder: Path, simulator: Simulator, clock: Clock, script: Script) -> None:
        self.folder, self.simulator, self.clock, self.script = folder, simulator, clock, script
        self.diary = Diary()
        self.items: dict[str, list[Item]] = {plan.name: [] for plan in PLANS}
        self._dice = random.Random(script.days)
        self._active: dict[Trouble, Scripted | None] = {}
        self._keys = {plan.name: simulator.api_key(plan.provider) for plan in PLANS}
        self._has_index = True
        for plan in PLANS:
            simulator.world.retention[plan.provider] = plan.retention
            life = int(plan.link_life.total_seconds())
            simulator.switches.link_life_seconds[plan.provider] = life
        simulator.switches.neuralbox_schema = "new"
        self._arrivals = sorted(
            (arrival for plan in PLANS for arrival in self._plan_arrivals(plan)),
            key=lambda arrival: arrival[0],
        )

    def live(self) -> None:
        """Let all of it happen."""
        for moment, accounts in self.script.runs():
            self.clock.reach(moment)
            self._let_things_be_made()
            self._trouble()
            if self._has_index and moment >= self.script.index_lost_at:
                self._lose_index()
            self._run(accounts)

    @contextmanager
    def archive(self) -> Iterator[Archive]:
        """Open the archive as it is now."""
        with open_archive(load_config(self._write_config()), clock=self.clock) as archive:
            yield archive

    def every(self, plan: Plan) -> timedelta:
        """How often an account is asked."""
        return plan.every or self.script.every

    def held_up(self, account: str) -> list[tuple[datetime, datetime]]:
        """When nothing of an account could be captured; a storm lasts until its last pause."""
        return sorted(
            (one.starts_at, one.ends_at + (PAUSE if one.what == "storm" else timedelta(0)))
            for one in self.script.troubles
            if one.holds_up(account)
        )

    def _plan_arrivals(self, plan: Plan) -> Iterator[tuple[datetime, Plan]]:
        """Poisson arrivals; those before the beginning reach back almost over the retention."""
        for number in range(plan.before):
            age = plan.retention * 0.97 * (number + 0.5) / plan.before
            yield BEGINNING - age, plan
        moment = BEGINNING
        while moment < self.script.ends_at:
            moment += self._dice.expovariate(plan.a_day) * DAY
            is_open = plan.name != "flash" or any(
                starts_at <= moment < ends_at for starts_at, ends_at in self.script.windows
            )
            if is_open and moment < self.script.ends_at:
                yield moment, plan

    def _let_things_be_made(self) -> None:
        while self._arrivals and self._arrivals[0][0] <= self.clock():
            created_at, plan = self._arrivals.pop(0)
            outcome = self._dice.choices(["completed", "failed"], [19, 1])[0]
            item = self.simulator.world.add(
                plan.provider,
                state="failed" if outcome == "failed" else "completed",
                created_at=created_at,
                finishes_in=self._making_time(plan),
                recipe=Recipe(in_progress=0, failed_share=0, size_bytes=(4096, 9000)),
            )
            self.items[plan.name].append(item)

    def _making_time(self, plan: Plan) -> timedelta:
        """Mostly seconds or minutes, at times hours, now and then days."""
        if plan.name == "flash":
            return self._dice.uniform(0.2, 15) * MINUTE
        spans = [(1 * MINUTE, 15 * MINUTE), (1 * HOUR, 10 * HOUR), (1 * DAY, 4 * DAY)]
        least, most = self._dice.choices(spans, [14, 4, 2])[0]
        return self._dice.uniform(least / MINUTE, most / MINUTE) * MINUTE

    def _trouble(self) -> None:
        now = self.clock()
        wanted = {one for one in self.script.troubles if one.starts_at <= now < one.ends_at}
        before = self._states()
        for one in self._active.keys() - wanted:
            scripted = self._active.pop(one)
            if scripted is not None:
                scripted.times = 0
        for one in wanted - self._active.keys():
            self._active[one] = self._start(one)
        self._switch(before, self._states())

    def _start(self, one: Trouble) -> Scripted | None:
        if one.what == "storm":
            fault = faults.rate_limited(str(int(PAUSE.total_seconds())))
            host = BY_NAME[one.account].provider
            return self.simulator.faults.add(fault, host=host, times=None)
        if one.what == "key":
            self.simulator.replace_key(BY_NAME[one.account].provider)
        return None

    def _states(self) -> set[str]:
        """What is down or refused just now: hosts, folders, keys."""
        down: set[str] = set()
        for one in self._active:
            if one.what == "api":
                down.add(BY_NAME[one.account].provider)
            elif one.what == "disks":
                down |= {"vault", "disk"}
            elif one.what == "key":
                down.add(f"key of {one.account}")
            elif one.what != "storm":
                down.add(one.what)
        return down

    def _switch(self, before: set[str], after: set[str]) -> None:
        for name in before - after:
            if name.startswith("key of "):
                account = name.removeprefix("key of ")
                self._keys[account] = self.simulator.api_key(BY_NAME[account].provider)
            elif name in ("disk", "vault"):
                (self.folder / name).unlink()
                (self.folder / f"{name} away").rename(self.folder / name)
            else:
                self.simulator.bring_up(name)
        for name in after - before:
            if name in ("disk", "vault"):
                (self.folder / name).rename(self.folder / f"{name} away")
                (self.folder / name).write_text("the mount point is in the way")
            elif not name.startswith("key of "):
                self.simulator.take_down(name)

    def _lose_index(self) -> None:
        self._has_index = False
        for path in (self.folder / "state").glob("index.sqlite*"):
            path.unlink()

    def _run(self, accounts: tuple[str, ...]) -> None:
        config = load_config(self._write_config())
        stopping = Hurried(self.clock)
        self.diary.runs += 1
        with (
            open_archive(config, create_index=True, clock=self.clock) as archive,
            open_accounts(config, archive.index, accounts, stopping, self.clock) as opened,
        ):
            lost_before = _count_lost(archive)
            try:
                summary = run(
                    archive,
                    opened.usable,
                    opened.unusable,
                    open_engine(config, Hurried()),
                    run_options(config),
                    Watcher(),
                )
            except ArchiveMissing as error:
                self.diary.exit_codes[error.exit_code] += 1
                self._note(dict.fromkeys(opened.usable, True))
                return
            self._observe(archive, summary, lost_before)

    def _observe(self, archive: Archive, summary: RunSummary, lost_before: Counter[str]) -> None:
        self.diary.exit_codes[summary.exit_code] += 1
        self.diary.rebuilt += max(summary.rebuilt.values(), default=0)
        foreseen = {one.account for one in summary.forecasts}
        self._note(
            {
                name: name in foreseen or account.exit_code != 0
                for name, account in summary.accounts.items()
            }
        )
        lost = _count_lost(archive)
        for name in summary.accounts:
            is_told = summary.exit_code == 4 and summary.accounts[name].exit_code == 4
            if lost[name] > lost_before[name] and not is_told and not summary.rebuilt:
                self.diary.silent_losses.append(f"{name} at {self.clock()}: {summary.problems}")
        for name in summary.accounts:
            waiting = ledger.unsecured(archive.index, name).count
            longest = self.diary.longest_backlog.get(name, 0)
            self.diary.longest_backlog[name] = max(longest, waiting)
        for record in self.simulator.requests:
            if record.host == "media" and record.status == 200:
                self.diary.served[record.path] += 1
        self.simulator.requests.clear()

    def _note(self, alarms: dict[str, bool]) -> None:
        for name, is_alarm in alarms.items():
            self.diary.alarms.setdefault(name, []).append((self.clock(), is_alarm))

    def _write_config(self) -> Path:
        parts = [
            '[archive]\nstate_dir = "state"\n[transfer]\nallow_private_hosts = true\n'
            f"concurrency = 8\n[schedule]\nevery = '{self.script.every // MINUTE}m'\n",
            '[destinations.disk]\ntype = "local"\npath = "disk"\n',
            '[destinations.vault]\ntype = "local"\npath = "vault"\n',
        ]
        for plan in PLANS:
            own = {"geminigen": f'cdn_base_url = "{self.simulator.base_url("media")}/geminigen/"\n'}
            parts.append(
                f'[accounts.{plan.name}]\nprovider = "{plan.provider}"\n'
                f'base_url = "{self.simulator.base_url(plan.provider)}"\n'
                f'api_key = "{self._keys[plan.name]}"\n'
                f'retention = "{plan.retention // MINUTE}m"\n'
                f'every = "{self.every(plan) // MINUTE}m"\n'
                f"requests_per_minute = 60\nrequests_per_hour = 0\n{own.get(plan.provider, '')}"
            )
        path = self.folder / "config.toml"
        path.write_text("\n".join(parts), encoding="utf-8")
        return path


def _count_lost(archive: Archive) -> Counter[str]:
    return Counter(
        {plan.name: ledger.count_by_state(archive.index, plan.name)[State.LOST] for plan in PLANS}
    )


def clear_stretches(
    held_up: list[tuple[datetime, datetime]], starts_at: datetime, ends_at: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """The parts of a time in which everything worked."""
    moment = starts_at
    for down_at, up_at in held_up:
        if moment < min(down_at, ends_at):
            yield moment, min(down_at, ends_at)
        moment = max(moment, up_at)
    if moment < ends_at:
        yield moment, ends_at


def margin(every: timedelta, left: timedelta) -> timedelta:
    """How long everything must work for a file with so much time left to be safe.

    One interval, and the longest that a failed try waits for the next: six hours with jitter,
    and never more than half of the time that was left.
    """
    return every + min(LONGEST_BACK_OFF, left / 2)
