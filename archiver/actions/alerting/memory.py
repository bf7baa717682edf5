"""The file `alerts.json` in the state directory: what is wrong, and who was told (promise 9).

It is no part of the index, so that it works while the index is missing. A file that is damaged
costs one repeated message; while it cannot be written, the process remembers instead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from archiver.actions.alerting.standing import Standing
from archiver.alerts.files import replace_file
from archiver.errors import LockHeld
from archiver.log import get_logger

FILE_NAME = "alerts.json"
LOCK_NAME = "alerts.lock"
DAMAGED_SUFFIX = ".damaged"
LOCK_WAIT_SECONDS = 5.0

_unsaved: dict[Path, Standing] = {}
_in_process = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    format: Literal["archiver.alerts/1"] = "archiver.alerts/1"
    standing: Standing


_DOCUMENT = TypeAdapter(_Document)


class Memory:
    """What is remembered in one state directory, which is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._saved = b""

    @contextmanager
    def held(self) -> Iterator[Standing]:
        """Hold it alone, over all processes, and load it; saves it at the end.

        Raises LockHeld when another evaluation does not end in time. Where files cannot be
        locked, only the threads of this process wait for each other.
        """
        if not _in_process.acquire(timeout=LOCK_WAIT_SECONDS):
            raise LockHeld("another evaluation is telling just now")
        try:
            with _locked(self._path.with_name(LOCK_NAME)):
                standing = self._load()
                yield standing
                self.save(standing)
        finally:
            _in_process.release()

    def save(self, standing: Standing) -> None:
        """Make it durable if it has changed; when that fails the process keeps it."""
        body = _DOCUMENT.dump_json(_Document(standing=standing), indent=1) + b"\n"
        if body == self._saved:
            return
        try:
            replace_file(self._path, body, 0o600)
        except OSError as error:
            if self._path not in _unsaved:
                get_logger().warning(
                    "alert.memory_unwritten", path=str(self._path), error=error.strerror
                )
            _unsaved[self._path] = standing
        else:
            self._saved = body
            _unsaved.pop(self._path, None)

    def _load(self) -> Standing:
        if self._path in _unsaved:
            return _unsaved[self._path]
        self._saved = b""
        try:
            self._saved = self._path.read_bytes()
            return _DOCUMENT.validate_json(self._saved).standing
        except FileNotFoundError:
            return Standing()
        except ValidationError:
            self._set_aside("it is damaged, or a newer archiver wrote it")
        except OSError as error:
            self._set_aside(f"it cannot be read: {error.strerror}")
        return Standing()

    def _set_aside(self, reason: str) -> None:
        kept_at = self._path.with_name(FILE_NAME + DAMAGED_SUFFIX)
        with suppress(OSError):  # then it is replaced, or the process remembers
            self._path.replace(kept_at)
        get_logger().warning(
            "alert.memory_damaged", path=str(self._path), error=reason, kept_at=str(kept_at)
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(path, timeout=LOCK_WAIT_SECONDS, fallback_to_soft=False)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LockHeld("another process is telling just now") from None
    except OSError:  # the directory cannot be written: saving says so
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # the kernel frees it when the process ends
            lock.release()
