"""Media hosts that end with the test that made them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import pytest

from archiver.fetch.engine import MediaEngine
from archiver.fetch.transfer import Fetched
from archiver.fibers import current_hub
from archiver.fibers.pool import FiberPool
from tests.fetch.hosts import Answerer, Host


class MakeHost(Protocol):
    """Starts a media host."""

    def __call__(
        self, answer: Answerer, address: str = ..., tls: ssl.SSLContext | None = ...
    ) -> Host:
        """Start one that answers so."""


@pytest.fixture
def fibers() -> Iterator[FiberPool]:
    """Fibers of one thread, which ends with the test."""
    pool = FiberPool(32, "fibers", ThreadPoolExecutor(32), lambda: None)
    yield pool
    pool.shutdown()


@pytest.fixture(params=["thread", "fiber"])
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the engine work on the thread that asks, or in a fiber: nobody may see a difference."""
    if request.param == "thread":
        return
    pool: FiberPool = request.getfixturevalue("fibers")
    fetch = MediaEngine.fetch

    def fetch_in_a_fiber(engine: MediaEngine, *args: Any) -> Fetched:
        is_in_one = current_hub() is not None
        return fetch(engine, *args) if is_in_one else pool.submit(fetch, engine, *args).result()

    monkeypatch.setattr(MediaEngine, "fetch", fetch_in_a_fiber)


@pytest.fixture
def make_host(_engine: None) -> Iterator[MakeHost]:
    """Start media hosts, and end them all."""
    hosts: list[Host] = []

    def make(
        answer: Answerer, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> Host:
        hosts.append(Host(answer, address, tls))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()
