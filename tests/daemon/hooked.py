"""A household whose daemon takes webhooks: the simulator signs them as the services do."""

from __future__ import annotations

import http.client
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from archiver.simulator import Delivery, Recipe
from archiver.simulator.item import Item
from tests.daemon.conftest import Start
from tests.daemon.manager import Daemon, free_port, get, until
from tests.stories.house import House, id_of

PLAIN = Recipe().plain(size_bytes=4096)
TOKEN = "a-long-random-word-for-the-farm"  # a test's own
SELDOM = 'every = "1h"\njitter = "0s"'


@dataclass(slots=True)
class Hooked:
    """One daemon that takes webhooks of `studio` (RSA), `lips` (HMAC) and `farm` (token)."""

    house: House
    start: Start
    port: int = field(default_factory=free_port)
    pages: int = field(default_factory=free_port)
    webhooks: str = ""

    @property
    def secrets(self) -> dict[str, str]:
        """The config's secrets, as they come from the environment."""
        simulator = self.house.simulator
        key = self.house.folder / "studio.pem"
        if not key.exists():
            key.write_text(simulator.webhooks.public_key, encoding="utf-8")
        return {
            "ARCHIVER__ACCOUNTS__STUDIO__WEBHOOK_PUBLIC_KEY_FILE": str(key),
            "ARCHIVER__ACCOUNTS__LIPS__WEBHOOK_SECRET": simulator.webhooks.secret,
            "ARCHIVER__ACCOUNTS__FARM__WEBHOOK_TOKEN": TOKEN,
        }

    def begin(self, schedule: str = SELDOM, *, is_polled: bool = True) -> Daemon:
        """Start the daemon, and wait for its first pass: what comes then is told by webhooks."""
        self.register()
        daemon = self.start(
            schedule,
            f'listen = "127.0.0.1:{self.pages}"',
            self.secrets,
            f'[webhooks]\nlisten = "127.0.0.1:{self.port}"\n{self.webhooks}',
        )
        if is_polled:
            daemon.wait_for("run.finished")
        return daemon

    def register(self) -> None:
        """Name the addresses to the services; nothing is sent by itself."""
        at = f"http://127.0.0.1:{self.port}/hooks"
        hooks = self.house.simulator.webhooks
        for provider, place in (
            ("geminigen", "studio"),
            ("sync", "lips"),
            ("oxen", f"farm/{TOKEN}"),
        ):
            hooks.register(provider, f"{at}/{place}", automatic=False)

    def add(self, provider: str = "geminigen") -> Item:
        """Have a provider make something; small where it makes images."""
        world = self.house.simulator.world
        return world.add(provider) if provider == "sync" else world.add(provider, recipe=PLAIN)

    def states(self) -> dict[str, str]:
        """The state of every generation that the index knows, by its id."""
        return dict(self.query("SELECT id, state FROM generations"))

    def is_archived(self, *items: Item, provider: str = "geminigen") -> bool:
        """Tell whether these generations are archived."""
        states = self.states()
        return all(states.get(id_of(provider, item)) == "archived" for item in items)

    def until_archived(self, *items: Item, provider: str = "geminigen") -> None:
        """Wait until these generations are archived."""
        what = f"{len(items)} of {provider} are archived"
        until(lambda: self.is_archived(*items, provider=provider), what)

    def query(self, sql: str) -> list[tuple[str, str]]:
        """Ask the index."""
        with closing(sqlite3.connect(self.index)) as connection:
            return connection.execute(sql).fetchall()

    @property
    def index(self) -> Path:
        """Where the index is."""
        return self.house.folder / "state" / "index.sqlite"

    def hints(self) -> list[str]:
        """The ids that hints wait for."""
        return [row[0] for row in self.query("SELECT generation_id FROM hints ORDER BY 1")]

    def counted(self, outcome: str, account: str = "studio") -> int:
        """How many webhooks ended so, by the metrics."""
        found = re.search(
            rf'^archiver_webhooks_total{{account="{account}",outcome="{outcome}",'
            r'provider="\w*"} (\S+)$',
            get(self.pages, "/metrics")[1],
            re.MULTILINE,
        )
        return int(float(found[1])) if found else 0

    def until_counted(self, many: int, outcome: str, account: str = "studio") -> None:
        """Wait until so many webhooks were counted with this outcome."""
        until(lambda: self.counted(outcome, account) == many, f"{many} {outcome} of {account}")

    def media_requests(self, item: Item) -> int:
        """How often the media host was asked for the same file of an item, at most."""
        asked = Counter(path for path in self.media_paths() if item.key in path)
        return max(asked.values(), default=0)

    def media_paths(self) -> list[str]:
        """What the media host was asked for."""
        return [one.path for one in self.house.simulator.requests if one.host == "media"]


def post(delivery: Delivery, method: str = "POST") -> tuple[int, bytes]:
    """Send one delivery with another method, and give status and body of the answer."""
    place = delivery.url.removeprefix("http://")
    host, _, path = place.partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request(method, f"/{path}", delivery.body, dict(delivery.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
