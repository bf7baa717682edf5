"""Logs, on stderr: JSON off a terminal, readable on one, and never a secret (promise 8).

Events are dotted constants with keys (`run.finished`), so that they can be searched for.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from archiver.redaction import hide_in_text

NOISY = ("httpx", "httpcore", "boto3", "botocore", "urllib3", "s3transfer", "apscheduler")


def configure(log_format: str, verbosity: int) -> None:
    """Set logging up for the process: `log_format` is auto, json or text; quiet is -1."""
    level = {-1: logging.WARNING, 0: logging.INFO}.get(verbosity, logging.DEBUG)
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    has_colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=has_colours)
        if is_text
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
        escape,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
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
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Stderr:
    """Standard error as it is now. A log that cannot be written, on a full disk, ends no run."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Take secrets out of all texts of an event, however deep: the one place where it is done."""
    return {hide_in_text(name): _changed(value, hide_in_text) for name, value in event.items()}


def escape(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
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
