"""Puts a delay before an address: `delay URL MILLISECONDS` prints where it listens.

What a client sends is held back as long as a message takes there and back; so each request on a
connection that stays open waits once, and a new connection waits once more. It works beside what is
measured, so it is cheap; it bounds nothing, so it is for small bodies.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from typing import cast
from urllib.parse import urlsplit


class _Far(asyncio.Protocol):
    """The connection to the address: what comes is handed on at once."""

    transport: asyncio.Transport

    def __init__(self, near: asyncio.Transport) -> None:
        self._near = near

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand it on."""
        self._near.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        """End the other one, after what is on its way."""
        self._near.close()


class _Near(asyncio.Protocol):
    """A client's connection: what comes is handed on when its time has come."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._place = (host, port)
        self._seconds = seconds
        self._held: deque[bytes] = deque()
        self._far: _Far | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join it with a connection of its own, once the first message may have come back."""
        near = cast("asyncio.Transport", transport)
        near.pause_reading()
        self._joining = self._loop.create_task(self._join(near))

    async def _join(self, near: asyncio.Transport) -> None:
        await asyncio.sleep(self._seconds)
        try:
            _, self._far = await self._loop.create_connection(lambda: _Far(near), *self._place)
        except OSError:
            near.abort()
            return
        near.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Hold it back."""
        self._held.append(data)
        self._loop.call_later(self._seconds, self._hand_on)

    def _hand_on(self) -> None:
        if self._far is not None:
            self._far.transport.write(self._held.popleft())

    def connection_lost(self, _error: Exception | None) -> None:
        """End the other one, after what is on its way."""
        if self._far is not None:
            self._loop.call_later(self._seconds, self._far.transport.close)


async def serve(url: str, seconds: float) -> None:
    """Listen until the process is ended."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    server = await asyncio.get_running_loop().create_server(
        lambda: _Near(host, port, seconds), "127.0.0.1", backlog=1024
    )
    at = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps(f"http://127.0.0.1:{at}") + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]) / 1000))
