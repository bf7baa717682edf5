"""Media hosts that end with the test that made them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.fetch.hosts import Answerer, Host


class MakeHost(Protocol):
    """Starts a media host."""

    def __call__(
        self, answer: Answerer, address: str = ..., tls: ssl.SSLContext | None = ...
    ) -> Host:
        """Start one that answers so."""


@pytest.fixture
def make_host() -> Iterator[MakeHost]:
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
