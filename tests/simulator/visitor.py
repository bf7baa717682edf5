"""A client of the simulator that knows each provider's credential header, and a clock to move."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from archiver.simulator import Simulator

STARTED_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY_HEADER_PROVIDERS = ("geminigen", "sync")


def words(text: str) -> set[str]:
    """Return the words of a text: field names as the documents list them."""
    return set(text.split())


class MovingClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now = STARTED_AT

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def move(self, **parts: float) -> None:
        """Move forward by the parts of a timedelta."""
        self.now += timedelta(**parts)


class Visitor:
    """Asks a simulator's hosts, with or without the provider's key."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._client = httpx.Client(trust_env=False, timeout=10)

    def credentials(self, provider: str, key: str | None = None) -> dict[str, str]:
        """Return the header that a provider wants."""
        key = self._simulator.api_key(provider) if key is None else key
        if provider in KEY_HEADER_PROVIDERS:
            return {"x-api-key": key}
        return {"Authorization": f"Bearer {key}"}

    def ask(self, provider: str, path: str, **query: str | int) -> httpx.Response:
        """Ask an API with its key, and follow no redirect."""
        url = self._simulator.base_url(provider) + path
        return self._client.get(url, params=query, headers=self.credentials(provider))

    def document(self, provider: str, path: str, **query: str | int) -> Any:
        """Ask an API and return its JSON; anything but 200 is an error."""
        response = self.ask(provider, path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def fetch(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> httpx.Response:
        """Fetch any URL without a key, and follow no redirect."""
        return self._client.request(method, url, headers=headers)

    def post(self, url: str, **arguments: Any) -> httpx.Response:
        """Post to any URL."""
        return self._client.post(url, **arguments)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def raw_exchange(url: str, headers: str = "", method: str = "GET") -> tuple[bytes, bytes, bool]:
    """Read what a server sends until it closes: head, body as sent, and whether it was reset."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 0)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    received, was_reset = b"", False
    with socket.create_connection(address, timeout=10) as connection:
        request = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
        connection.sendall(request.encode())
        try:
            while part := connection.recv(65_536):
                received += part
        except ConnectionResetError:
            was_reset = True
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body, was_reset
