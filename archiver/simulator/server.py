"""The simulator: four providers' APIs and a media host, each on a port of its own.

All APIs listen on 127.0.0.1 and the media host on 127.0.0.2, so that rules about hosts
(which may see a key, which a redirect leaves) are met by real hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from archiver.simulator.faults import FaultScript
from archiver.simulator.geminigen import GeminiGen
from archiver.simulator.host import Host
from archiver.simulator.item import PROVIDERS, File, Item
from archiver.simulator.links import LinkSigner
from archiver.simulator.media_host import MediaHost
from archiver.simulator.neuralbox import NeuralBox
from archiver.simulator.oxen import Oxen
from archiver.simulator.payload import Payload
from archiver.simulator.request_log import RequestLog
from archiver.simulator.stage import Api, ProviderApi, Stage, Switches
from archiver.simulator.sync import Sync
from archiver.simulator.webhooks import Webhooks
from archiver.simulator.world import Clock, World, now_utc

API_ADDRESS = "127.0.0.1"
MEDIA_ADDRESS = "127.0.0.2"

_KEY_PREFIX = {"geminigen": "geminiai-", "oxen": "SFMyNTY.", "sync": "sk-", "neuralbox": "nb_"}


@dataclass(frozen=True)
class Expected:
    """What a download of one file must give."""

    path: str
    media_type: str
    size_bytes: int
    payload: Payload

    @cached_property
    def sha256(self) -> str:
        """Return the digest in hex."""
        return self.payload.sha256()

    def read(self) -> bytes:
        """Return all bytes: not for huge files."""
        return self.payload.read()


class Simulator:
    """All simulated servers over one world; a context manager.

    Same seed, same keys, items and bytes. `clock` moves time for items, links and
    retention. Ports are chosen by the kernel unless `ports` names them by host.
    """

    def __init__(
        self,
        seed: int = 1,
        clock: Clock = now_utc,
        *,
        log_limit: int = 100_000,
        ports: dict[str, int] | None = None,
    ) -> None:
        """Build everything; nothing listens before `start`."""
        self.world = World(seed, clock)
        self.switches = Switches()
        self.faults = FaultScript()
        self.requests = RequestLog(log_limit)
        self._ports = ports or {}
        signer = LinkSigner(f"signer of world {seed}".encode())
        self._stage = Stage(world=self.world, switches=self.switches, signer=signer, keys={})
        for provider in PROVIDERS:
            self._stage.keys[provider] = self._make_key(provider, 1)
        self._media = MediaHost(self._stage)
        self._apis: dict[str, ProviderApi] = {
            "geminigen": GeminiGen(self._stage),
            "oxen": Oxen(self._stage),
            "sync": Sync(self._stage),
            "neuralbox": NeuralBox(self._stage),
        }
        self.webhooks = Webhooks(self._stage, self._apis)
        self._hosts: dict[str, Host] = {}

    def start(self) -> Self:
        """Listen on all hosts."""
        apis: dict[str, Api] = {**self._apis, "media": self._media}
        for name, api in apis.items():
            self._hosts[name] = Host(
                name, api, keys=self._stage.keys, faults=self.faults, log=self.requests
            )
            self._stage.base_urls[name] = self._start_host(name)
        return self

    def stop(self) -> None:
        """Close everything. May be called twice."""
        self.webhooks.stop()
        for host in self._hosts.values():
            host.stop()
        self._hosts.clear()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def base_url(self, host: str) -> str:
        """Return the address of a provider's API, or of "media", without a final slash."""
        return self._stage.base_urls[host]

    def api_key(self, provider: str) -> str:
        """Return the key that a provider accepts now."""
        return self._stage.keys[provider]

    def body(self, item: Item, shape: str) -> dict[str, object]:
        """Return a generation as its service writes it now, in one of the shapes of `SHAPES`."""
        return self.webhooks.body(item, shape)

    def take_down(self, host: str) -> None:
        """Let a host refuse connections, and close those it has."""
        self._hosts[host].stop()

    def bring_up(self, host: str) -> None:
        """Let a host that was taken down listen again, at the same address."""
        address = urlsplit(self._stage.base_urls[host])
        self._hosts[host].start(address.hostname or API_ADDRESS, address.port or 0)

    def replace_key(self, provider: str) -> str:
        """Revoke a provider's key and return a new one."""
        self._stage.keys[provider] = self._make_key(provider, 2, self._stage.keys[provider])
        return self._stage.keys[provider]

    def expected(self, path_or_url: str) -> Expected:
        """Return what a download of a media path or link gives now; KeyError when unknown."""
        path = unquote(urlsplit(path_or_url).path)
        found = self.world.find_file(path)
        if found is None:
            raise KeyError(f"no file at {path}")
        return self.expected_file(found[1])

    def expected_file(self, file: File) -> Expected:
        """Return what a download of a file gives."""
        payload = self._media.payload(file)
        return Expected(file.path, file.media_type, file.size_bytes, payload)

    def media_url(self, file: File, life_seconds: int | None = None) -> str:
        """Return a fresh link to a file, as its provider's API would give it."""
        provider = file.path.split("/", 2)[1]
        return self._stage.link(file, provider, life_seconds)

    def _start_host(self, name: str) -> str:
        """Start one host: media on its own address where the machine has it (Linux does)."""
        port = self._ports.get(name, 0)
        if name == "media":
            try:
                return self._hosts[name].start(MEDIA_ADDRESS, port)
            except OSError:
                pass
        return self._hosts[name].start(API_ADDRESS, port)

    def _make_key(self, provider: str, generation: int, *words: str) -> str:
        """Make a key that looks like the provider's own."""
        return _KEY_PREFIX[provider] + self._stage.token("key", provider, str(generation), *words)
