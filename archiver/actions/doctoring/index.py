"""Looks at SQLite and at the index, without changing it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from archiver.actions.doctoring.finding import About, Findings
from archiver.errors import ArchiverError
from archiver.index import index_as_it_is, index_path
from archiver.units import format_size

Version = tuple[int, ...]
FIXED_IN: Version = (3, 51, 3)
FIXED_IN_BRANCH: dict[Version, int] = {(3, 44): 6, (3, 50): 7}
"""The WAL-reset bug, in 3.7.0 to 3.51.2 but for two repaired branches.

Source: https://sqlite.org/wal.html#walresetbug (March 2026).
"""


def examine_library(about: About, version: Version = sqlite3.sqlite_version_info) -> Findings:
    """Tell which SQLite is used, and what is known of it."""
    name = ".".join(str(part) for part in version)
    if version >= FIXED_IN or version[2] >= FIXED_IN_BRANCH.get(version[:2], 1000):
        yield about.ok("SQLite", name)
        return
    yield about.warning(
        "SQLite",
        f"{name} has the WAL-reset bug: in rare cases it damages the index, never the archive "
        "(https://sqlite.org/wal.html#walresetbug)",
        "update the system's SQLite to 3.51.3 or newer, 3.50.7 or 3.44.6 when it offers one; a "
        "damaged index is made anew with `archiver rebuild`",
    )


def examine_index(about: About, state_dir: Path) -> Findings:
    """Read every page of the index, and tell whether its schema is known."""
    path = index_path(state_dir)
    try:
        size = format_size(path.stat().st_size)
    except FileNotFoundError:
        yield about.ok("file", f"none yet at {path}: the first run makes it, or `archiver rebuild`")
        return
    try:
        with index_as_it_is(state_dir) as index:
            index.check()
            behind = ", its schema is brought up to date by the next run"
            told = behind if index.is_behind() else ""
    except ArchiverError as error:
        message, parenthesis, advice = str(error).partition("): ")  # as `index_errors` says it
        yield about.problem("file", message + parenthesis.rstrip(": "), advice)
        return
    yield about.ok("file", f"{path} is whole ({size}{told})")
