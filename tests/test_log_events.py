"""The table of log events in docs/commands.md is the code's: each event, its level, its keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)+")
BOUND = {"account", "id", "exception"}
"""What may be bound to the logger before, or comes with the error."""
ROW = re.compile(r"^\| `([a-z_.]+)` \| ([a-z, ]+) \| (.*?) \|", re.MULTILINE)


def calls() -> Iterator[tuple[str, str, set[str], bool]]:
    """Every event that the code logs: its name, its level, the keys that stand in the call.

    The last word tells whether further keys are put together elsewhere (`**numbers`).
    """
    for path in sorted((ROOT / "archiver").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            level = node.func.attr
            texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if level in LEVELS and texts and EVENT.fullmatch(str(texts[0])):
                keys = {one.arg for one in node.keywords if one.arg}
                has_more = any(one.arg is None for one in node.keywords)
                yield str(texts[0]), level, keys, has_more


FOUND = tuple(calls())


def documented() -> dict[str, tuple[str, set[str]]]:
    """The table: level and keys of each event."""
    return {
        name: (level, set(re.findall(r"`([a-z_]+)`", keys)))
        for name, level, keys in ROW.findall(PAGE.partition("## Log events")[2])
    }


def test_every_event_is_in_the_table_and_the_other_way_round() -> None:
    """Who filters logs finds all names on one page."""
    assert {name for name, *_ in FOUND} == documented().keys()


def test_every_event_has_the_level_of_the_table() -> None:
    """An alarm that filters by level does not fall silent."""
    for name, level, *_ in FOUND:
        if level != "log":  # else it depends on how things went, and the table names all
            assert {"exception": "error"}.get(level, level) == documented()[name][0], name


def test_every_event_has_the_keys_of_the_table() -> None:
    """A key that is added or renamed shows up where people look for it."""
    for name, told in ((name, keys) for name, (_, keys) in documented().items()):
        found = [(keys, has_more) for event, _, keys, has_more in FOUND if event == name]
        keys = set().union(*(one for one, _ in found))
        assert keys <= told, name
        if not any(has_more for _, has_more in found):
            assert told - keys <= BOUND, name
