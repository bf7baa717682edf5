"""What the code says events to. Light: structlog is loaded by the first event that is shown.

A quiet run with nothing to say never loads it, and neither does a progress line on a terminal.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

NOISY = ("httpx", "httpcore", "boto3", "botocore", "urllib3", "s3transfer", "apscheduler")
bound_keys: ContextVar[Mapping[str, object]] = ContextVar("bound_keys")
"""What every event of this context has besides its own keys."""


def configure(log_format: str, verbosity: int) -> None:
    """Set logging up for the process: `log_format` is auto, json or text; quiet is -1."""
    level = {-1: logging.WARNING, 0: logging.INFO}.get(verbosity, logging.DEBUG)
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler = Handler(is_text=is_text, lowest=level)
    logging.basicConfig(handlers=[handler], level=max(level, logging.INFO), force=True)
    logging.captureWarnings(True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def bound(**values: object) -> Iterator[None]:
    """Give every event of a block these keys, also the events of libraries.

    Threads have a context of their own: `inherit` hands it on.
    """
    token = bound_keys.set({**bound_keys.get({}), **values})
    try:
        yield
    finally:
        bound_keys.reset(token)


def inherit() -> Callable[[], object]:
    """Return what a new thread calls first, so that its events have what is bound here."""
    return partial(bound_keys.set, bound_keys.get({}))


def get_logger() -> Logger:
    """Return what events are said to."""
    return Logger()


@dataclass(frozen=True, slots=True)
class Logger:
    """Says events as the logger of structlog does, each with these `keys`."""

    keys: Mapping[str, object] = field(default_factory=dict)

    def bind(self, **keys: object) -> Logger:
        """Return a logger whose events have these keys, too."""
        return Logger({**self.keys, **keys})

    def debug(self, event: str, **keys: object) -> None:
        """Say what only somebody who looks for a mistake wants to know."""
        self.log(logging.DEBUG, event, **keys)

    def info(self, event: str, **keys: object) -> None:
        """Say what went as it should."""
        self.log(logging.INFO, event, **keys)

    def warning(self, event: str, **keys: object) -> None:
        """Say what somebody should look at."""
        self.log(logging.WARNING, event, **keys)

    def error(self, event: str, **keys: object) -> None:
        """Say what somebody has to mend."""
        self.log(logging.ERROR, event, **keys)

    def exception(self, event: str, **keys: object) -> None:
        """Say that something broke, with the traceback of the error that is being handled."""
        self.log(logging.ERROR, event, exc_info=True, **keys)

    def log(self, level: int, event: str, **keys: object) -> None:
        """Say an event, unless its level is below what is shown."""
        handler = _current_handler()
        if handler is not None:
            if level < handler.lowest:
                return
            handler.get_ready()
        import structlog

        structlog.get_logger(**self.keys).log(level, event, **keys)


class Stderr:
    """Standard error as it is now. A log that cannot be written, on a full disk, ends no run."""

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Likewise."""
        with suppress(OSError):
            sys.stderr.flush()


class Handler(logging.StreamHandler[Stderr]):
    """Writes what libraries say, and holds how the whole process speaks.

    `lowest` is the lowest level of an event of ours that is shown.
    """

    def __init__(self, *, is_text: bool, lowest: int) -> None:
        super().__init__(Stderr())
        self.lowest = lowest
        self._is_text = is_text
        self._is_ready = False

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record as if it were an event of ours."""
        self.get_ready()
        return super().handle(record)

    def get_ready(self) -> None:
        """Load structlog, and have it speak likewise. Done twice by two threads it is no harm."""
        if not self._is_ready:
            from archiver.log.events import set_up

            self.formatter = set_up(is_text=self._is_text, lowest=self.lowest, stream=self.stream)
            self._is_ready = True


def _current_handler() -> Handler | None:
    return next((one for one in logging.getLogger().handlers if isinstance(one, Handler)), None)
