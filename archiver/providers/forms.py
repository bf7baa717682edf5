"""A form with files: checked before anything is sent, read from disk while it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from archiver.errors import ProviderError

Form = list[tuple[str, tuple[str | None, bytes | IO[bytes]]]]
"""The parts in their order: name, and file name (None for a field) with content."""
FILES_PART = "files"


def open_form(fields: Mapping[str, str], files: Sequence[Path], stack: ExitStack) -> Form:
    """Make the parts of a form; `stack` closes the files. Raises ProviderError for a bad one.

    Of a file's path only its last part is sent.
    """
    parts: Form = [(name, (None, _encode(name, value))) for name, value in fields.items()]
    for path in files:
        name = path.name.encode("utf-8", "replace").decode()
        parts.append((FILES_PART, (name, stack.enter_context(_open(path)))))
    return parts


def _encode(name: str, value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ProviderError(f"{name} holds bytes that are no text: nothing was sent") from None


def _open(path: Path) -> IO[bytes]:
    try:
        if not path.is_file():  # opening a pipe would wait for its other end
            raise FileNotFoundError(0, "no such file")
        return path.open("rb")
    except OSError as error:
        raise ProviderError(
            f"cannot read the reference {path}: {error.strerror}; nothing was sent"
        ) from None
