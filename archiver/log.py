"""Logs, on stderr: JSON off a terminal, readable on one, and never a secret (promise 8).

Events are dotted constants with keys (`run.finished`), so that they can be searched for;
docs/commands.md names them all. Where stderr is the journal, each line begins with its level.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, suppress
from typing import Any, TextIO, cast

import structlog

from archiver.redaction import hide_in_text

NOISY = ("httpx", "httpcore", "boto3", "botocore", "urllib3", "s3transfer", "apscheduler")
FIRST = ("timestamp", "level", "event", "run")
INDENT = "    "
SYSLOG_LEVELS = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""What systemd reads at the beginning of a line, as `<4>`: sd-daemon(3)."""

Event = MutableMapping[str, Any]


def configure(log_format: str, verbosity: int) -> None:
    """Set logging up for the process: `log_format` is auto, json or text; quiet is -1."""
    level = {-1: logging.WARNING, 0: logging.INFO}.get(verbosity, logging.DEBUG)
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    is_journal = writes_to_journal()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        redact,
        escape,
    ]
    if not (is_text and is_journal):  # the journal shows its own time beside each line
        shared.insert(0, structlog.processors.TimeStamper(fmt="iso", utc=True))
    renderer = _make_renderer(is_text=is_text, is_journal=is_journal)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Stderr())),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.INFO), force=True)
    logging.captureWarnings(True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def bound(**values: object) -> AbstractContextManager[None]:
    """Give every event of a block these keys, also the events of libraries.

    Threads have a context of their own: `actions.parallel.open_pool` hands it on.
    """
    return structlog.contextvars.bound_contextvars(**values)


def writes_to_journal() -> bool:
    """Whether stderr is the journal: systemd names its device and inode in $JOURNAL_STREAM."""
    told = os.environ.get("JOURNAL_STREAM")
    try:
        stream = os.fstat(sys.stderr.fileno()) if told else None
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return stream is not None and told == f"{stream.st_dev}:{stream.st_ino}"


def with_level(text: str, level: str) -> str:
    """Begin each line with its level, as the journal reads it."""
    prefix = f"<{SYSLOG_LEVELS[level]}>"
    return "\n".join(prefix + line for line in text.split("\n"))


def _make_renderer(*, is_text: bool, is_journal: bool) -> structlog.typing.Processor:
    has_colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    as_text = structlog.dev.ConsoleRenderer(
        colors=has_colours, exception_formatter=structlog.dev.plain_traceback
    )
    as_json = structlog.processors.JSONRenderer(ensure_ascii=False)

    def render(logger: object, method: str, event: Event) -> str:
        level = str(event["level"])
        # A line of a stranger's text never begins where a line of ours does.
        line = (
            as_text(logger, method, _in_words(event)).replace("\n", "\n" + INDENT)
            if is_text
            else str(as_json(logger, method, _in_order(event)))
        )
        return with_level(line, level) if is_journal else line

    return render


def _in_order(event: Event) -> Event:
    """Begin with what every event has, for the eye of who reads the lines as they are."""
    return {name: event[name] for name in FIRST if name in event} | dict(event)


def _in_words(event: Event) -> Event:
    """Write lists and tables as a person would, not as Python does."""
    return {name: _worded(value) for name, value in event.items()}


def _worded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_worded(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(str(_worded(item)) for item in value)
    return value


class _Stderr:
    """Standard error as it is now. A log that cannot be written, on a full disk, ends no run."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Take secrets out of all texts of an event, however deep: the one place where it is done."""
    return {hide_in_text(name): _changed(value, hide_in_text) for name, value in event.items()}


def escape(_logger: object, _method: str, event: Event) -> Event:
    """Show control characters of a stranger's text as they are written: no terminal obeys them."""
    return {_escaped(name): _changed(value, _escaped) for name, value in event.items()}


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    is_shown = character.isprintable() or character in "\n\t"
    return character if is_shown else ascii(character)[1:-1]


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Copy a value with every text in it changed; what is no plain data becomes text."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): _changed(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_changed(item, change) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return change(str(value))
