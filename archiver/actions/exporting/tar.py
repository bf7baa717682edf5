"""A bag as one tar stream (pax format): to a file that appears when it is whole, or to a pipe.

A tar member cannot be taken back, and its header says its length beforehand. So each file is
brought to disk first, proven there, and only then sent: a copy that turns out bad is replaced
by a good one before the stream sees a byte of it, and each byte is read from its destination
once. Checking first and reading again would cost a bucket's traffic twice and prove less.
The price is disk: as many files as are fetched at a time, beside the tar file, or in $TMPDIR
for a pipe. Tag files come last, when the manifest is known; a stream that broke off lacks them.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from archiver.actions.exporting.part import NAME, open_part, open_room, publish
from archiver.actions.exporting.tags import PAYLOAD_FOLDER
from archiver.actions.restore import Wanted
from archiver.errors import ArchiverError, CopyDamaged
from archiver.storage.base import READ_BYTES
from archiver.storage.local.files import os_errors

WORKERS = 4
_FILE_MODE = 0o644
_SUFFIX = ".tar"
_TAR_NAME = f"bag{_SUFFIX}"
_INBOX_FOLDER = "inbox"


def make_bag_name(target: Path) -> str:
    """Name the directory inside a tar file after it; raises ArchiverError when that names none.

    Of ".tar" nothing is left, and of "...tar" the parent: its files would go anywhere but there.
    """
    name = target.name.removesuffix(_SUFFIX)
    if not name.strip("."):
        raise ArchiverError(f"{target} names no bag: give the file a name before {_SUFFIX}")
    return name


@contextmanager
def open_tar_file(target: Path, name: str) -> Iterator[TarBag]:
    """Open a bag called `name` whose tar file appears at `target` when the block ends well."""
    with open_part(target, "tar") as part:
        try:
            shutil.rmtree(part / _INBOX_FOLDER, ignore_errors=True)  # of a killed one
            with os_errors(NAME, str(target)), (part / _TAR_NAME).open("wb") as stream:
                bag = TarBag(stream, name, part / _INBOX_FOLDER)
                yield bag
                bag.finish()
                os.fsync(stream.fileno())
            publish(part / _TAR_NAME, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def open_tar_stream(stream: IO[bytes], name: str) -> Iterator[TarBag]:
    """Open a bag called `name` that is sent down a stream; the stream stays open."""
    with TemporaryDirectory(prefix="archiver-export-") as folder:
        bag = TarBag(stream, name, Path(folder))
        yield bag
        bag.finish()
        stream.flush()


class TarBag:
    """Sends files from its inbox, then forgets them.

    `tarfile` makes the headers only: its own stream would write on when it is collected.
    """

    workers = WORKERS

    def __init__(self, stream: IO[bytes], name: str, inbox: Path) -> None:
        self.inbox = open_room(inbox)
        self._folder = inbox
        self._name = name
        self._opened_at = datetime.now(UTC)
        self._stream = stream
        self._sent_bytes = 0

    def take_over(self, wanted: Wanted) -> bool:
        """See `Bag`: a stream is always begun anew."""
        return False

    def add(self, wanted: Wanted) -> None:
        """See `Bag`."""
        path = self._folder / wanted.target_key
        with path.open("rb") as body:
            name = f"{PAYLOAD_FOLDER}/{wanted.target_key}"
            self._send(name, wanted.digest.size_bytes, body, wanted.created_at)
        path.unlink()

    def add_tag(self, name: str, size_bytes: int, body: IO[bytes]) -> None:
        """See `Bag`."""
        self._send(name, size_bytes, body, None)

    def finish(self) -> None:
        """Write the end of the archive: two empty blocks, and the last record filled up."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._write(bytes(-self._sent_bytes % tarfile.RECORDSIZE))

    def _send(self, name: str, size_bytes: int, body: IO[bytes], at: datetime | None) -> None:
        member = tarfile.TarInfo(f"{self._name}/{name}")
        member.size = size_bytes
        member.mode = _FILE_MODE
        member.mtime = int((at or self._opened_at).timestamp())
        self._write(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
        end = self._sent_bytes + size_bytes
        while chunk := body.read(READ_BYTES):
            self._write(chunk)
        if self._sent_bytes != end:
            raise CopyDamaged(f"{NAME}: {name} was changed by someone else while it was sent")
        self._write(bytes(-self._sent_bytes % tarfile.BLOCKSIZE))

    def _write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:  # standard output takes less than all of it when Python does not buffer (-u)
            rest = rest[self._stream.write(rest) :]
        self._sent_bytes += len(chunk)
