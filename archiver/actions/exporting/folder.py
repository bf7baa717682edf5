"""A bag as a directory. What an interrupted export brought is taken over by the next one.

It grows in `.NAME.archiver-bag-part`: tag files, `data/`, and `left/` with the files of an
earlier try. Each of those is hashed again before it moves to `data/`, and what nobody asks for
any more is removed with `left/`, so nothing can be in the payload that is not in the manifest.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from archiver.actions.copying import holds
from archiver.actions.exporting.part import NAME, open_part, open_room, publish
from archiver.actions.exporting.tags import PAYLOAD_FOLDER
from archiver.actions.restore import Wanted
from archiver.keys import TEMPORARY_PREFIX
from archiver.storage.base import READ_BYTES, put
from archiver.storage.local.destination import FOLDER_MODE
from archiver.storage.local.files import os_errors

LEFT_FOLDER = "left"
WORKERS = 16


@contextmanager
def open_folder_bag(target: Path) -> Iterator[FolderBag]:
    """Open a bag that appears at `target` when the block ends well."""
    with open_part(target, "bag") as part:
        with os_errors(NAME, str(part)):
            _set_aside(part / PAYLOAD_FOLDER, part / LEFT_FOLDER)
            for unfinished in part.glob(f"{TEMPORARY_PREFIX}*"):
                unfinished.unlink()
        yield FolderBag(part)
        shutil.rmtree(part / LEFT_FOLDER)
        publish(part, target)


class FolderBag:
    """Writes straight into the payload's folder."""

    workers = WORKERS

    def __init__(self, part: Path) -> None:
        self._payload = part / PAYLOAD_FOLDER
        self._left_folder = part / LEFT_FOLDER
        self._tags = open_room(part)
        self._left = open_room(self._left_folder)
        self.inbox = open_room(self._payload)

    def take_over(self, wanted: Wanted) -> bool:
        """See `Bag`; a file that was left and is not right is no use."""
        if not holds(self._left, wanted.target_key, wanted.digest):
            return False
        with os_errors(NAME, wanted.target_key):
            _move(self._left_folder / wanted.target_key, self._payload / wanted.target_key)
        return True

    def add(self, wanted: Wanted) -> None:
        """See `Bag`: the file is in its place already."""
        if wanted.created_at is not None:
            seconds = wanted.created_at.timestamp()
            os.utime(self._payload / wanted.target_key, (seconds, seconds))

    def add_tag(self, name: str, size_bytes: int, body: IO[bytes]) -> None:
        """See `Bag`."""
        put(self._tags, name, iter(lambda: body.read(READ_BYTES), b""), "text/plain")


def _set_aside(payload: Path, left: Path) -> None:
    """Move what an interrupted export brought out of the payload."""
    for folder, _, names in os.walk(payload):
        for name in names:
            if not name.startswith(TEMPORARY_PREFIX):
                path = Path(folder, name)
                _move(path, left / path.relative_to(payload))
    if payload.exists():
        shutil.rmtree(payload)


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    path.replace(target)
