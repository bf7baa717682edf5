"""How results look: tables that a person likes to read, JSON that a script can rely on."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import click

from archiver.units import format_duration, format_time

GAP = "  "
SILENT = {"-", "0"}
"""Cells that tell nothing: a column of them is the first to go."""
ELASTIC_COLUMNS = 16
"""A column that may be shortened keeps so much of its text."""
_CONTROLS = {
    code: f"\\u{code:04x}"
    for codes in (range(0x7F, 0xA0), range(0x2028, 0x202F), range(0x2066, 0x206A))
    for code in codes
}
"""What terminals may obey and JSON may hold as it is; below U+0020 JSON itself escapes."""


def print_json(document: object) -> None:
    """Print one JSON document, indented."""
    click.echo(json.dumps(plain(document), ensure_ascii=False, indent=2).translate(_CONTROLS))


def print_json_line(document: object) -> None:
    """Print one line of JSON Lines."""
    click.echo(json.dumps(plain(document), ensure_ascii=False).translate(_CONTROLS))


def print_csv(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print CSV with a head line (RFC 4180)."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for row in rows:
        values = ["" if row.get(name) is None else str(plain(row[name])) for name in columns]
        writer.writerow([visible(value) for value in values] if is_terminal() else values)


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
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    elastic: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print aligned columns, those named by `right` to the right, so that lines fit a terminal.

    Where there is no room the `spare` columns are left out, first those that say nothing, then in
    the order given; the `elastic` ones are shortened. All others are whole, whatever the width.
    """
    body = [[_one_line(cell) for cell in row] for row in rows]
    columns = dict(zip(head, map(list, zip(*body, strict=True)), strict=True)) if body else {}
    sizes = {name: max(map(width, (name, *columns.get(name, ())))) for name in head}
    if is_terminal():
        room = shutil.get_terminal_size().columns
        _leave_out(sizes, columns, room, elastic, spare)
        _squeeze(sizes, room, elastic)
    _print_lines(columns, sizes, right)


def _leave_out(
    sizes: dict[str, int],
    columns: Mapping[str, Sequence[str]],
    room: int,
    elastic: Sequence[str],
    spare: Sequence[str],
) -> None:
    """Take away columns until the rest fits, were the elastic ones as short as they may be."""
    silent = [name for name in spare if set(columns.get(name, ())) <= SILENT]
    for name in (*silent, *(name for name in spare if name not in silent)):
        least = {
            other: min(size, ELASTIC_COLUMNS) if other in elastic else size
            for other, size in sizes.items()
        }
        if _line_size(least) <= room:
            return
        sizes.pop(name, None)


def _squeeze(sizes: dict[str, int], room: int, elastic: Sequence[str]) -> None:
    """Shorten the elastic columns, in the order given, until a line fits."""
    for name in elastic:
        excess = _line_size(sizes) - room
        if name in sizes and excess > 0:
            sizes[name] = max(min(sizes[name], ELASTIC_COLUMNS), sizes[name] - excess)


def _line_size(sizes: Mapping[str, int]) -> int:
    return sum(sizes.values()) + len(GAP) * (len(sizes) - 1)


def _print_lines(
    columns: Mapping[str, Sequence[str]], sizes: Mapping[str, int], right: Sequence[str]
) -> None:
    """Print the head and the rows. What still finds no room goes on in the next line."""
    bodies = zip(*(columns[name] for name in sizes), strict=True) if columns else ()
    for number, row in enumerate([tuple(sizes), *bodies]):
        cells = [
            pad(shorten(cell, size), size, name in right)
            for cell, (name, size) in zip(row, sizes.items(), strict=True)
        ]
        line = GAP.join(cells).rstrip()
        click.echo(heading(line) if number == 0 else line)


def heading(text: str) -> str:
    """Make a heading stand out for a person; $NO_COLOR is honoured (no-color.org)."""
    return click.style(text, bold=True) if is_terminal() and not is_plain_wanted() else text


def is_plain_wanted() -> bool:
    """Whether $NO_COLOR asks for text without ornament."""
    return bool(os.environ.get("NO_COLOR"))


def counted(number: int, word: str, words: str | None = None) -> str:
    """Say "1 file" or "3 files"; `words` is the plural where it is no mere "s"."""
    return f"{number} {word if number == 1 else words or word + 's'}"


def without_name(name: str, reason: object) -> str:
    """Take a destination's name off the front of what it says, for a line that names it already."""
    return str(reason).removeprefix(f"{name}: ")


def warn(line: str, *, err: bool = False) -> None:
    """Print one line that needs attention; what strangers wrote in it obeys no terminal."""
    click.echo(f"! {visible(line)}", err=err)


def warn_each(lines: Iterable[str]) -> None:
    """Print each line once on stderr: a disk that is away says the same of every file."""
    for line, times in Counter(lines).items():
        warn(f"{line} ({times} times)" if times > 1 else line, err=True)


def visible(text: str, *, indent: int = 0) -> str:
    """Keep what can be seen of a stranger's text, and its lines, the later ones indented.

    Escape sequences would let a prompt write over the screen or set its title.
    """
    if text.isprintable():
        return text
    lines = ("".join(map(_visible_character, line)) for line in text.splitlines())
    return ("\n" + " " * indent).join(lines)


def _visible_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ""


def is_terminal() -> bool:
    """Whether stdout is watched by a person."""
    return sys.stdout.isatty()


def width(text: str) -> int:
    """Count the columns a text takes on a terminal: wide characters (CJK) take two."""
    if text.isascii():
        return len(text)
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
    columns = kept = 0
    for position, character in enumerate(text, start=1):
        columns += width(character)
        if columns > size:
            break
        if columns < size:
            kept = position
    return text[:kept] + "…"


def _one_line(text: str) -> str:
    return visible(" ".join(text.split()))


def relative(moment: datetime | None, now: datetime) -> str:
    """Say how far away a moment is: "in 3d4h", "2h ago"."""
    if moment is None:
        return "-"
    if abs(moment - now) < timedelta(seconds=1):
        return "now"
    text = format_duration(moment - now)
    return f"in {text}" if moment > now else f"{text} ago"
