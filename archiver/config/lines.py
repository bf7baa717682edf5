"""Finds the lines of a TOML file where its keys stand: what a person looks for after a mistake."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

KeyPath = tuple[str, ...]


def find_lines(text: str) -> dict[KeyPath, int]:
    """Tell the line of each table and key, from 1; the text must be valid TOML as a whole.

    Each statement is read by tomllib alone, so that texts and lists over many lines mislead nobody.
    """
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement, content in _statements(text):
        if statement.startswith("["):
            table = max(_paths(content, ()), key=len)
            places = [table[:size] for size in range(1, len(table) + 1)]
        else:
            places = list(_paths(content, table))
        for place in places:
            found.setdefault(place, number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield each statement with the line that it begins in and what it says."""
    begun, statement = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line + "\n"
        try:
            content = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # it goes on in the next line
        yield begun, statement.lstrip(), content
        begun, statement = number + 1, ""


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _paths(inner, (*path, name))
