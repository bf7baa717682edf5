"""Durations, sizes and rates as options of a config: read, checked and written as people do.

Apart from `archiver.units`, so that a command line can show its help without pydantic.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from archiver.units import format_duration, parse_duration, parse_rate, parse_size, write_size


class _AsWritten(timedelta):
    """A duration that remembers how a person wrote it: 24h is told as 24h, not as 1d."""

    text: str


def _read_as_written(given: object) -> timedelta:
    if isinstance(given, timedelta):
        return given
    duration = _AsWritten(seconds=parse_duration(given).total_seconds())
    duration.text = str(given).strip()
    return duration


def _write_exactly(value: timedelta) -> str:
    """Write a duration so that reading it gives the same one (format_duration rounds)."""
    if isinstance(value, _AsWritten) and hasattr(value, "text"):
        return value.text
    seconds = value.total_seconds()
    if seconds != int(seconds):
        return f"{seconds:f}s"
    whole = timedelta(seconds=int(seconds))
    text = format_duration(whole)
    return text if parse_duration(text) == whole else f"{int(seconds)}s"


def _write_rate(bytes_per_second: int) -> str:
    return f"{write_size(bytes_per_second)}/s" if bytes_per_second else "0"


def _as_text(schema_format: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "integer"], "description": schema_format})


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_as_written),
    PlainSerializer(_write_exactly),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?[smhdw])+$"}),
]
Size = Annotated[
    int, BeforeValidator(parse_size), PlainSerializer(write_size), _as_text("a size such as 20GB")
]
Rate = Annotated[
    int,
    BeforeValidator(parse_rate),
    PlainSerializer(_write_rate),
    _as_text("bytes a second: 20MB/s"),
]
