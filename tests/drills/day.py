"""A day in the life of a daemon, in fast motion: what happens to it, and what is seen of it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from archiver.simulator import Recipe, faults
from archiver.simulator.item import Item
from tests.alerts.receiver import Receiver
from tests.daemon.manager import Daemon
from tests.stories.house import ACCOUNTS, KEPT_ROLES, House, media_tree

EVERY_SECONDS = 2.0
PLAIN = Recipe().plain(size_bytes=20_000)
SCHEDULE = f"""[schedule]
every = "{EVERY_SECONDS:.0f}s"
jitter = "0s"
verify_every = "5s"
drill_every = "9s"
sweep_every = "20s"
[daemon]
listen = ""
drain = "5s"
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the daemon held at one moment."""

    process: int
    resident_bytes: int
    descriptors: int


@dataclass(slots=True)
class Day:
    """A house, its daemon, and all that is expected of it."""

    house: House
    receiver: Receiver
    chance: random.Random
    daemon: Daemon | None = None
    ever: set[str] = field(default_factory=set)
    samples: list[Sample] = field(default_factory=list)
    restarts: Counter[str] = field(default_factory=Counter)

    def write_config(self) -> None:
        """Write the config as the house is now."""
        self.house.extra = (
            f'{SCHEDULE}[alerts]\nwebhook = ["{self.receiver.origin}/hook"]\n'
            f'ping_url = "{self.receiver.origin}/ping/7a0e"\n'
            f'textfile = "{self.house.folder}/archiver.prom"\nat_risk = "1h"\n'
        )
        self.house.write_config()

    def start(self) -> None:
        """Start the daemon."""
        self.write_config()
        self.daemon = Daemon(self.house.config_path, self.house.folder / "manager")
        self.daemon.wait_for("daemon.started")

    def restart(self, how: signal.Signals) -> None:
        """End the daemon in one of two ways, and start the next one."""
        assert self.daemon is not None
        self.restarts[how.name] += 1
        exit_code = self.daemon.stop(how)
        assert (0 if how is signal.SIGTERM else -how) == exit_code, self.daemon.log[-3000:]
        self.daemon.kill()
        self.start()

    def reload(self) -> None:
        """Hand the daemon its new config."""
        assert self.daemon is not None
        self.restarts["SIGHUP"] += 1
        self.write_config()
        self.daemon.send(signal.SIGHUP)

    def churn(self) -> None:
        """Let something be made, some of it in progress, and let the network be as it is."""
        for _ in range(self.chance.randint(0, 3)):
            provider = self.chance.choice(list(ACCOUNTS.values()))
            self._make(provider)
        script = self.house.simulator.faults
        for _ in range(self.chance.randint(0, 2)):
            fault = self.chance.choice(
                (faults.status(503), faults.cut(2000), faults.reset(), faults.page_instead())
            )
            script.add(fault, host="media")
        if self.chance.random() < 0.1:
            script.add(faults.status(500), host=self.chance.choice(list(ACCOUNTS.values())))

    def _make(self, provider: str) -> Item:
        world = self.house.simulator.world
        if provider == "sync":
            return world.add(provider)
        return world.add(provider, recipe=PLAIN)

    def remember(self) -> None:
        """Remember the content of all that providers have had so far."""
        simulator = self.house.simulator
        now = simulator.world.clock()
        for provider in ACCOUNTS.values():
            for item in simulator.world.items(provider):
                if item.state(now) == "completed":
                    kept = [one for one in item.files if one.role in KEPT_ROLES]
                    self.ever |= {simulator.expected_file(one).sha256 for one in kept}

    def measure(self) -> None:
        """Take a sample of the daemon's memory and descriptors."""
        assert self.daemon is not None
        proc = Path("/proc") / str(self.daemon.process.pid)
        try:
            pages = int((proc / "statm").read_text().split()[1])
            open_files = len(list((proc / "fd").iterdir()))
        except OSError:
            return
        size = pages * os.sysconf("SC_PAGE_SIZE")
        self.samples.append(Sample(self.daemon.process.pid, size, open_files))

    def by_hand(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Do something on the command line, beside the daemon."""
        process = self.house.start(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def told(self) -> dict[str, Counter[str]]:
        """Count what the webhook heard, by "kind:subject": problems and recoveries."""
        heard: dict[str, Counter[str]] = {}
        for request in self.receiver.requests:
            if request.path != "/hook":
                continue
            document = request.document
            for trouble in document["troubles"]:
                key = f"{trouble['kind']}:{trouble['subject']}"
                heard.setdefault(key, Counter())[document["severity"]] += 1
        return heard

    def has_heard(self, key: str, severity: str) -> bool:
        """Tell whether the webhook heard of a trouble, or of its end."""
        return self.told().get(key, Counter())[severity] > 0

    @property
    def pings(self) -> Counter[str]:
        """Count the pings by what they say."""
        return Counter(
            request.path.removeprefix("/ping/7a0e").strip("/") or "success"
            for request in self.receiver.requests
            if request.path.startswith("/ping/")
        )

    def kept(self, destination: str) -> set[str]:
        """The content of all that lies at a destination."""
        return set(media_tree(self.house.folder / destination).values())

    def lacking(self) -> dict[str, int]:
        """Count what was ever made and does not lie at each destination."""
        return {name: len(self.ever - self.kept(name)) for name in ("disk", "spare")}


def live(day: Day, seconds: float, happened: Callable[[], bool] = lambda: False) -> None:
    """Let time pass, an interval at a time, until something has happened or it is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not happened():
        day.churn()
        time.sleep(EVERY_SECONDS)
        day.remember()
        day.measure()


def flatness(samples: list[Sample]) -> dict[str, float]:
    """Compare the last third of one process's life with the one before.

    Memory in medians; descriptors at their lowest, which is between two passes.
    """
    third = len(samples) // 3
    parts = (samples[third : 2 * third], samples[2 * third :])
    before, after = (statistics.median(one.resident_bytes for one in part) for part in parts)
    idle_before, idle_after = (min(one.descriptors for one in part) for part in parts)
    return {
        "samples": len(samples),
        "resident_mib": round(after / 2**20, 1),
        "memory_ratio": round(after / before, 3),
        "descriptors": idle_after,
        "more_descriptors": idle_after - idle_before,
    }


def unplug(day: Day, name: str) -> Callable[[], None]:
    """Take a destination away; gives what brings it back."""
    place, away = day.house.folder / name, day.house.folder / f"{name}.away"
    place.rename(away)

    def back() -> None:
        if place.exists():
            shutil.rmtree(place)  # an empty folder that somebody's boot script made
        away.rename(place)

    return back
