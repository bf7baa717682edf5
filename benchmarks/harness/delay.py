"""Puts a delay before an address: `delay URL MILLISECONDS` prints where it listens.

What a client sends is held back as long as a message takes there and back; so each request on a
connection that stays open waits once, and a new connection waits once more.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from urllib.parse import urlsplit

CHUNK_BYTES = 256 * 1024


async def serve(url: str, seconds: float) -> None:
    """Listen until the process is ended."""
    parts = urlsplit(url)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join one client with one connection of its own."""
        await asyncio.sleep(seconds)
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(
            _pump(reader, far_writer, seconds), _pump(far_reader, writer, 0), return_exceptions=True
        )

    server = await asyncio.start_server(pass_on, "127.0.0.1", backlog=1024)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps(f"http://127.0.0.1:{port}") + "\n")
    sys.stdout.flush()
    await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            if seconds:
                await asyncio.sleep(seconds)
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]) / 1000))
