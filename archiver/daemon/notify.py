"""Tells systemd how the daemon is: the protocol of sd_notify(3), one datagram a message.

Without $NOTIFY_SOCKET (a container, a terminal) nothing is sent. A message that cannot be sent
never ends anything: the watchdog of systemd draws the conclusion.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from archiver.log import get_logger


class Notifier:
    """Sends states to the service manager. Thread-safe."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._lock = threading.Lock()
        self._fed_at = -float("inf")
        self._feed_seconds = _feed_seconds(environment)

    def ready(self) -> None:
        """The daemon is up, or has taken over a new config."""
        self.send("READY=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self.send(f"STATUS={text.replace(chr(10), ' ')}")

    def reloading(self) -> None:
        """A new config is being read; `ready` says when that is done."""
        self.send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, seconds: float) -> None:
        """The daemon ends; what is in flight may take so long."""
        self.send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def feed_watchdog(self) -> None:
        """Show life. May be called as often as one likes: few messages are sent."""
        if self._feed_seconds is None or time.monotonic() - self._fed_at < self._feed_seconds:
            return
        self._fed_at = time.monotonic()
        self.send("WATCHDOG=1")

    def send(self, message: str) -> None:
        """Send one message to the service manager, if there is one."""
        if not self._address:
            return
        with self._lock, suppress(OSError):
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
                    end.settimeout(5)
                    end.sendto(message.encode(), self._address)
            except OSError as error:
                get_logger().warning("systemd.unreachable", error=str(error))


def _feed_seconds(environment: Mapping[str, str]) -> float | None:
    """A quarter of the watchdog's patience; None where no watchdog watches this process."""
    usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1_000_000 / 4
