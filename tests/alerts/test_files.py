"""Small files are replaced whole (promise 2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archiver.alerts.files import replace_file


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    """Whatever the umask says; nothing else is left in the folder."""
    path = tmp_path / "archiver.prom"
    before = os.umask(0o077)
    try:
        replace_file(path, b"one", 0o644)
        replace_file(path, b"two", 0o644)
    finally:
        os.umask(before)

    assert b"two" == path.read_bytes()
    assert 0o644 == path.stat().st_mode & 0o777
    assert [path] == list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tiny_disk: Path) -> None:
    """Neither half of the new one nor a leftover is there."""
    path = tiny_disk / "archiver.prom"
    replace_file(path, b"one", 0o644)

    with pytest.raises(OSError, match="No space"):
        replace_file(path, bytes(1 << 20), 0o644)

    assert b"one" == path.read_bytes()
    assert [path] == list(tiny_disk.iterdir())
