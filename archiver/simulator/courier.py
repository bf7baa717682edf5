"""Sends webhooks by itself: notices when an item ends, and hands it to be delivered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from archiver.simulator.item import Item
from archiver.simulator.world import World

_LOOK_SECONDS = 0.02
_AT_ONCE = 16
_NEWEST = 100
"""Of a history that is there already, so many items are looked at: what is unfinished is new."""


class Courier:
    """Watches the items of some providers from a thread of its own, and tells each end once.

    `since` says from when on a provider's ends are told (None: not at all). `deliver` is called
    in one of several threads and may take its time.
    """

    def __init__(
        self,
        world: World,
        since: Callable[[str], datetime | None],
        deliver: Callable[[Item], None],
    ) -> None:
        """Nothing runs before the first `watch`."""
        self._world, self._since, self._deliver = world, since, deliver
        self._noticed: deque[Item] = deque()
        self._awaited: dict[tuple[str, str], Item] = {}
        self._told: set[tuple[str, str]] = set()
        self._under_way: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(_AT_ONCE, "simulator webhook")

    def watch(self, provider: str) -> None:
        """Follow a provider's items: the unfinished ones, and all that come or change."""
        self._noticed.extend(
            item
            for item in self._world.page(provider, 0, _NEWEST)
            if item.state(self._world.clock()) in ("queued", "processing")
        )
        if self._thread is None:
            self._world.on_change.append(self._noticed.append)
            self._thread = threading.Thread(target=self._run, name="simulator courier", daemon=True)
            self._thread.start()

    def settle(self, timeout_seconds: float) -> None:
        """Wait until nothing is left to be told or delivered; TimeoutError otherwise."""
        ends_at = time.monotonic() + timeout_seconds
        while time.monotonic() < ends_at:
            self._look()
            with self._lock:
                if not self._under_way:
                    return
            time.sleep(_LOOK_SECONDS)
        raise TimeoutError(f"webhooks are still being sent after {timeout_seconds} s")

    def pause(self, seconds: float) -> bool:
        """Wait between two attempts, and say whether everything is to end."""
        return self._stopping.wait(seconds)

    def stop(self) -> None:
        """End all threads, after the attempts that are under way. May be called twice."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _run(self) -> None:
        """Look again and again."""
        while not self._stopping.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        """Hand over what has ended meanwhile."""
        with self._lock:
            while self._noticed:
                item = self._noticed.popleft()
                self._awaited[item.provider, item.id] = item
            for name in list(self._awaited):
                self._consider(name)
            self._under_way = {future for future in self._under_way if not _is_done(future)}

    def _consider(self, name: tuple[str, str]) -> None:
        """Tell an item's end, or go on waiting for it; forget what needs no telling."""
        item, since_at = self._world.item(*name), self._since(name[0])
        if item and since_at and item.finishes_at > self._world.clock():
            return
        del self._awaited[name]
        if item and since_at and item.finishes_at >= since_at and name not in self._told:
            self._told.add(name)
            self._under_way.add(self._pool.submit(self._deliver, item))


def _is_done(future: Future[None]) -> bool:
    """Say whether a delivery is over; what went wrong in it is raised here, not lost."""
    if not future.done():
        return False
    future.result()
    return True
