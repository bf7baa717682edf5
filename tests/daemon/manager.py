"""A service manager for tests: starts the real daemon, hears what it notifies, sends it signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 40.0


def until(happened: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something to happen; it is an error when it does not."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"did not happen within {seconds:.0f} s: {what}"
        time.sleep(0.05)


class Daemon:
    """One `archiver daemon` as a process, with a NOTIFY_SOCKET of its own."""

    def __init__(self, config: Path, folder: Path, environment: Mapping[str, str] = {}) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.notified: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = folder / f"notify-{time.monotonic_ns()}"
        self._socket.bind(str(path))
        self.log_path = path.with_suffix(".log")
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "archiver", "-c", str(config), "daemon"],
                env={**os.environ, "NOTIFY_SOCKET": str(path), **environment},
                stderr=log,
                stdout=log,
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        while message := self._socket.recv(65536).decode():
            self.notified += message.splitlines()

    @property
    def log(self) -> str:
        """All that it has written so far."""
        return self.log_path.read_text(encoding="utf-8")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of its log."""
        lines = [line for line in self.log.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    def has_logged(self, event: str, many: int = 1) -> bool:
        """Tell whether an event was logged so many times."""
        return [one["event"] for one in self.events].count(event) >= many

    def wait_for(self, event: str, many: int = 1) -> None:
        """Wait until an event was logged so many times."""
        until(lambda: self.has_logged(event, many) or not self.is_running, f"{many} {event}")
        assert self.has_logged(event, many), self.log

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and give the exit code when it has ended."""
        if self.is_running:
            self.send(number)
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """Kill it as a power cut would, if it is still there; free what the test held."""
        if self.is_running:
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)
        if self._listener.is_alive():
            self._socket.shutdown(socket.SHUT_RDWR)
            self._listener.join(5)
        self._socket.close()


def free_port() -> int:
    """Find a port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> tuple[int, str]:
    """Ask the daemon over HTTP: status and body; (0, "") where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""
