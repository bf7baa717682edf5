"""The ground on which an archive is tortured: a simulator and runs in this process, on one clock.

Nothing waits here: pauses between two tries end at once, and days pass when a test says so.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from archiver.actions.capturing.commit import CaptureReport
from archiver.actions.forecast import Forecast
from archiver.actions.listing.page import WalkReport
from archiver.actions.run import RunSummary, run
from archiver.config import load_config
from archiver.errors import DestinationError
from archiver.simulator import Recipe, Simulator
from archiver.simulator.item import Item
from archiver.wiring.accounts import open_accounts
from archiver.wiring.archive import open_archive, run_lock
from archiver.wiring.running import open_engine, run_options
from tests.stories.house import ACCOUNTS, expected_hashes, id_of, media_tree, sidecars

_One = TypeVar("_One")
IS_WHOLE = os.environ.get("ARCHIVER_TORTURE", "") == "all"
"""Whether everything is swept, as `make torture` does; else a sample."""


def sample(every: Sequence[_One], *few: _One) -> Sequence[_One]:
    """Choose all variants under `make torture`, else a few."""
    return every if IS_WHOLE else few


BEGINNING = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SMALL = Recipe(failed_share=0.0, in_progress=0, outputs=1, size_bytes=(4096, 12_000), extras=False)


class Clock:
    """A clock that stands still until it is moved. Thread-safe."""

    def __init__(self, now: datetime = BEGINNING) -> None:
        self._now = now
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Tell the time."""
        with self._lock:
            return self._now

    def advance(self, span: timedelta) -> None:
        """Let time pass."""
        with self._lock:
            self._now += span


class Impatient(threading.Event):
    """A stop event on which nobody ever sleeps: a wait moves the clock instead, and ends."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or Clock()

    def wait(self, timeout: float | None = None) -> bool:
        """Tell whether it is set, at the end of the time."""
        self._clock.advance(timedelta(seconds=timeout or 0.0))
        return self.is_set()


class Silent:
    """An observer that looks away."""

    def listed(self, report: WalkReport) -> None:
        """Look away."""

    def captured(self, report: CaptureReport) -> None:
        """Look away."""

    def failed(self, account: str, error: Exception) -> None:
        """Look away."""

    def foreseen(self, forecast: Forecast) -> None:
        """Look away."""

    def destination_failed(self, name: str, error: DestinationError) -> None:
        """Look away."""

    def finished(self, summary: RunSummary) -> None:
        """See `Observer`."""


@dataclass(slots=True)
class Ground:
    """One user's set-up whose runs share the simulator's clock; `providers` have an account."""

    folder: Path
    simulator: Simulator
    clock: Clock
    providers: Iterable[str] = tuple(ACCOUNTS.values())
    destinations: tuple[str, ...] = ("disk",)
    require: str = "all"
    look_back: str = "48h"
    sweep_every: str = "24h"
    oxen_page_size: int = 1000
    concurrency: int = 4
    stopping: Impatient = field(default_factory=Impatient)

    @property
    def state_dir(self) -> Path:
        """Where the index is."""
        return self.folder / "state"

    @property
    def disk(self) -> Path:
        """The first destination."""
        return self.folder / self.destinations[0]

    @property
    def config_path(self) -> Path:
        """Where the config is."""
        return self.folder / "config.toml"

    def write_config(self) -> None:
        """Write the config as the fields say now."""
        parts = [
            f'[archive]\nstate_dir = "state"\nrequire = "{self.require}"\n',
            f"[transfer]\nallow_private_hosts = true\nconcurrency = {self.concurrency}\n",
            f'[schedule]\nlook_back = "{self.look_back}"\nsweep_every = "{self.sweep_every}"\n',
        ]
        parts += [
            f'[destinations.{name}]\ntype = "local"\npath = "{name}"\n'
            for name in self.destinations
        ]
        parts += [self._account(provider) for provider in self.providers]
        self.config_path.write_text("\n".join(parts), encoding="utf-8")

    def _account(self, provider: str) -> str:
        [name] = [name for name, one in ACCOUNTS.items() if one == provider]
        own = {
            "geminigen": f'cdn_base_url = "{self.simulator.base_url("media")}/geminigen/"\n',
            "neuralbox": 'plan = "vip"\nrequests_per_hour = 0\n',
            "oxen": f"page_size = {self.oxen_page_size}\n",
        }
        return (
            f'[accounts.{name}]\nprovider = "{provider}"\n'
            f'base_url = "{self.simulator.base_url(provider)}"\n'
            f'api_key = "{self.simulator.api_key(provider)}"\nrequests_per_minute = 0\n'
            f"{own.get(provider, '')}"
        )

    def run(self, *, sweep: bool = False, retry: bool = True) -> RunSummary:
        """Make one pass as the command does, on this clock; what failed is tried at once."""
        self.write_config()
        self.stopping = stopping = Impatient(self.clock)
        config = load_config(self.config_path)
        options = run_options(config, is_sweep=sweep, retries_now=retry)
        with (
            run_lock(config.archive.state_dir, wait=False),
            open_archive(config, create_index=True, clock=self.clock) as archive,
            open_accounts(config, archive.index, (), stopping, self.clock) as opened,
        ):
            engine = open_engine(config, stopping)
            return run(archive, opened.usable, opened.unusable, engine, options, Silent())

    def fill(self, provider: str, count: int) -> list[Item]:
        """Make a history of small pictures or films, a day between two; oldest first."""
        return [
            self.simulator.world.add(
                provider,
                created_at=self.clock() - timedelta(days=count - position),
                recipe=SMALL,
            )
            for position in range(count)
        ]

    def not_archived(self, provider: str) -> set[str]:
        """Name what the world holds and the archive does not: ids, and hashes of files."""
        kept = set(media_tree(self.disk).values())
        files = set(expected_hashes(self.simulator, providers=[provider]))
        ids = {id_of(provider, item) for item in self.simulator.world.items(provider)}
        if self.simulator.switches.neuralbox_schema == "old":
            ids = {item.id for item in self.simulator.world.items(provider)}
        return (files - kept) | (ids - {document["id"] for document in sidecars(self.disk)})
