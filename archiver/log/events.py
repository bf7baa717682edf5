"""Makes lines of events, with structlog: as JSON or for people, redacted, in a fixed order."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

from archiver.log.journal import with_level, writes_to_journal
from archiver.log.logger import Stderr, bound_keys
from archiver.redaction import hide_in_text

FIRST = ("timestamp", "level", "event", "run")
INDENT = "    "

Event = MutableMapping[str, Any]


def set_up(*, is_text: bool, lowest: int, stream: Stderr) -> logging.Formatter:
    """Have structlog write events from this level on; returns the same for libraries' records."""
    is_journal = writes_to_journal()
    shared: list[structlog.typing.Processor] = [
        add_bound,
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
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, stream)),
        cache_logger_on_first_use=False,
    )
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=shared,
    )


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


def add_bound(_logger: object, _method: str, event: Event) -> Event:
    """Add what is bound where the event is said."""
    return {**bound_keys.get({}), **event}


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
