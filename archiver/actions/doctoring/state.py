"""Looks at the state directory: the place of the index, the locks and the spool."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from archiver.actions.doctoring.finding import About, Findings
from archiver.actions.doctoring.mounts import file_system_of, is_shared
from archiver.actions.doctoring.space import examine_space_of
from archiver.secrets import describe_access, name_user


def examine_state(about: About, folder: Path) -> Findings:
    """Tell whether this user can write there, on what kind of disk, and how full it is."""
    if not folder.exists():
        yield from _examine_future(about, folder)
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield about.problem(
            "writable",
            f"{folder} cannot be written: {error.strerror} ({describe_access(folder)})",
            "let the user that runs archiver write there, or set archive.state_dir to another "
            "place",
        )
        return
    yield about.ok("writable", f"{folder} can be written")
    yield from _examine_owner(about, folder)
    yield from _examine_file_system(about, folder)
    yield from examine_space_of(about, folder)


def _examine_future(about: About, folder: Path) -> Findings:
    """Tell whether the first run will be able to make it."""
    parent = next(place for place in folder.parents if place.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        yield about.problem(
            "writable",
            f"{folder} does not exist and cannot be made in {parent} ({describe_access(parent)})",
            "make it for the user that runs archiver, or set archive.state_dir to another place",
        )
        return
    yield about.ok("writable", f"{folder} does not exist yet: the first run makes it")
    yield from _examine_file_system(about, parent)
    yield from examine_space_of(about, parent)


def _examine_owner(about: About, folder: Path) -> Findings:
    """What root can do says nothing of another user."""
    owner = folder.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        name = name_user(owner)
        yield about.warning(
            "user",
            f"this is root, but {folder} belongs to {name}: what root can read and write says "
            "little",
            f"sudo -u {name} archiver doctor",
        )


def _examine_file_system(about: About, folder: Path) -> Findings:
    kind = file_system_of(folder)
    if kind is not None and is_shared(kind):
        yield about.warning(
            "file system",
            f"{folder} is on {kind}: SQLite may lose the index on a file system that is shared",
            "set archive.state_dir to a local disk (https://sqlite.org/wal.html, section 1)",
        )
