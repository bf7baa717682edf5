"""What all parts of the daemon share: the config of the moment, and whether it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from archiver.config import Config
from archiver.daemon.notify import Notifier


@dataclass(slots=True, kw_only=True)
class Life:
    """`draining` is set when nothing new may begin, `stopping` when what is in flight is given up.

    `config` is replaced as a whole when a new one was read; who works with the old one ends so.
    """

    config: Config
    read_config: Callable[[], Config]
    stopping: threading.Event
    draining: threading.Event = field(default_factory=threading.Event)
    notifier: Notifier = field(default_factory=Notifier)

    @property
    def is_over(self) -> bool:
        """Whether the daemon was told to end."""
        return self.draining.is_set()

    def wait(self, seconds: float) -> None:
        """Let time pass, or less when the daemon is told to end."""
        self.draining.wait(seconds)
