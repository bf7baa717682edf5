"""How results look: tables that a person likes to read, JSON that a script can rely on."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import click

from archiver.units import format_duration, format_time

GAP = "  "


def print_json(document: object) -> None:
    """Print one JSON document, indented."""
    click.echo(json.dumps(plain(document), ensure_ascii=False, indent=2))


def print_json_line(document: object) -> None:
    """Print one line of JSON Lines."""
    click.echo(json.dumps(plain(document), ensure_ascii=False))


def print_csv(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print CSV with a head line (RFC 4180)."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for row in rows:
        values = (plain(row.get(column)) for column in columns)
        writer.writerow(["" if value is None else value for value in values])


def plain(value: Any) -> Any:
    """Turn the words of the model into what JSON has."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def print_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()
) -> None:
    """Print aligned columns, those named by `right` to the right; lines fit the terminal."""
    body = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(head, *body, strict=True)]
    for number, row in enumerate([list(head), *body]):
        cells = [
            pad(cell, size, name in right)
            for cell, size, name in zip(row, widths, head, strict=True)
        ]
        line = _cut(GAP.join(cells).rstrip())
        click.echo(click.style(line, bold=True) if number == 0 and is_terminal() else line)


def is_terminal() -> bool:
    """Whether stdout is watched by a person."""
    return sys.stdout.isatty()


def width(text: str) -> int:
    """Count the columns a text takes on a terminal: wide characters (CJK) take two."""
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def pad(text: str, size: int, to_right: bool = False) -> str:
    """Fill a text up to a number of columns."""
    space = " " * max(0, size - width(text))
    return space + text if to_right else text + space


def shorten(text: str, size: int) -> str:
    """Cut a text to a number of columns, with an ellipsis where something is missing."""
    if width(text) <= size:
        return text
    while text and width(text) >= size:
        text = text[:-1]
    return text + "…"


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    return "".join(character for character in words if character.isprintable())


def _cut(line: str) -> str:
    return shorten(line, shutil.get_terminal_size().columns) if is_terminal() else line


def relative(moment: datetime | None, now: datetime) -> str:
    """Say how far away a moment is: "in 3d4h", "2h ago"."""
    if moment is None:
        return "-"
    if abs(moment - now) < timedelta(seconds=1):
        return "now"
    text = format_duration(moment - now)
    return f"in {text}" if moment > now else f"{text} ago"
