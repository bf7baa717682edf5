"""Disks in a bad way: real mounts, where the machine lets a test make them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import require


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[None]:
    """Let nobody write below a folder, not even root: as a disk does that the kernel gave up."""
    made = os.geteuid() == 0 and _mount("--bind", folder, folder)
    require("mount", made, "this user may not mount anything")
    try:
        assert _mount("-o", "remount,ro,bind", folder)
        yield
    finally:
        _run("umount", folder)


@contextmanager
def tiny_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """Mount a disk of so many bytes on a folder that is still empty."""
    folder.mkdir()
    made = os.geteuid() == 0 and _mount("-t", "tmpfs", "-o", f"size={size_bytes}", "none", folder)
    require("mount", made, "this user may not mount anything")
    try:
        yield
    finally:
        _run("umount", folder)


def _mount(*arguments: str | Path) -> bool:
    return _run("mount", *arguments)


def _run(*command: str | Path) -> bool:
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
    return done.returncode == 0
