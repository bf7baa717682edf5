"""Prism (npm @stoplight/prism-cli), which knows nothing but a vendor's OpenAPI document."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PACKAGE = "@stoplight/prism-cli@5"
CONTRACT = Path(__file__).with_name("contracts") / "oxen.yaml"
_INSTALL_TIMEOUT_SECONDS = 300
_PATIENCE_SECONDS = 60


def find_prism(folder: Path) -> str | None:
    """Find Prism on the path, or install it into a folder; None where neither works."""
    found, npm = shutil.which("prism"), shutil.which("npm")
    if found or npm is None:
        return found
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
    try:
        subprocess.run(
            [*command, PACKAGE], capture_output=True, check=True, timeout=_INSTALL_TIMEOUT_SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return shutil.which("prism", path=str(folder / "node_modules" / ".bin"))


@contextmanager
def prism(program: str, log: Path, *arguments: str) -> Iterator[str]:
    """Run Prism for the time of a `with`; gives its address. What it says is in `log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mode, *rest = arguments
    command = [program, mode, "-h", "127.0.0.1", "-p", str(port), *rest]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            _wait_until_it_listens(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "prism ended at once"
        assert time.monotonic() < give_up_at, "prism does not listen"
        time.sleep(0.05)


@dataclass(slots=True)
class Served:
    """What went by: the status of each answer, and the rows of the listings."""

    statuses: list[int] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)


@contextmanager
def recording(target: str) -> Iterator[tuple[str, Served]]:
    """Hand GETs on to an address and keep the rows that it answers."""
    served, host = Served(), urlsplit(target).netloc

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the standard library's name
            connection = http.client.HTTPConnection(host, timeout=_PATIENCE_SECONDS)
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            connection.request("GET", self.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            served.statuses.append(answer.status)
            served.rows.extend(_rows_of(body) if answer.status == http.client.OK else ())
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.getheader("Content-Type") or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as it is called
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _rows_of(body: bytes) -> list[Any]:
    document = json.loads(body)
    rows = document.get("generations") if isinstance(document, dict) else None
    return rows if isinstance(rows, list) else []
