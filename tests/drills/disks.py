"""Disks that can be cut off, filled and taken away: loop images and small tmpfs mounts.

Whatever is mounted here is unmounted at the end of its `with`, also after a failure.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import require

IMAGE_MEGABYTES = 96
_PATIENCE_SECONDS = 10
_TOOLS = ("mkfs.ext4", "mount", "umount", "cp")


def make_image(path: Path) -> Path:
    """Make a file that holds an empty ext4."""
    with path.open("wb") as file:
        file.truncate(IMAGE_MEGABYTES << 20)
    # Tables written now and not in the background: the disk is still when the program is.
    lazy = "lazy_itable_init=0,lazy_journal_init=0"
    _do("mkfs.ext4", "-q", "-F", "-E", lazy, str(path))
    return path


@contextmanager
def mounted(source: Path | str, target: Path, *options: str, kind: str = "ext4") -> Iterator[Path]:
    """Mount for the time of a `with`."""
    target.mkdir(parents=True, exist_ok=True)
    _do("mount", "-t", kind, "-o", ",".join(options) or "rw", str(source), str(target))
    try:
        yield target
    finally:
        unmount(target)


@contextmanager
def image_mounted(image: Path, target: Path) -> Iterator[Path]:
    """Mount an image; it writes its journal by itself only every 30 seconds."""
    with mounted(image, target, "loop", "commit=30"):
        yield target


@contextmanager
def small_disk(target: Path, *options: str) -> Iterator[Path]:
    """Mount a tmpfs, with a size or a number of files that it can hold."""
    with mounted("tmpfs", target, *options, kind="tmpfs"):
        yield target


def change_disk(target: Path, *options: str) -> None:
    """Mount again with other options: a larger size, read-only, writable."""
    _do("mount", "-o", ",".join(("remount", *options)), str(target))


def require_loop_mount(folder: Path) -> None:
    """Skip where images cannot be mounted: that needs root, e2fsprogs and loop devices."""
    require("loop-mount", _can_mount_image(folder), "an ext4 image cannot be mounted here")


def require_mount(folder: Path) -> None:
    """Skip where nothing can be mounted."""
    require("mount", _can_mount_tmpfs(folder), "a tmpfs cannot be mounted here")


def cut_power(image: Path, copy: Path, process: subprocess.Popen[bytes]) -> None:
    """Copy an image as its disk would be if the power went now.

    The process is held for that, so that all blocks are of the same moment. What it had only
    given to the page cache is not in the copy.
    """
    with _held(process):
        _do("cp", "--sparse=always", str(image), str(copy))


@contextmanager
def _held(process: subprocess.Popen[bytes]) -> Iterator[None]:
    if process.poll() is not None:
        yield
        return
    process.send_signal(signal.SIGSTOP)
    try:
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while not _is_still(process.pid) and process.poll() is None:
            assert time.monotonic() < give_up_at, "the process cannot be held"
            time.sleep(0.001)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)


def _is_still(pid: int) -> bool:
    """Tell whether every thread is stopped: none is inside an fsync or a write."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            state = (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            if state not in "Tt":
                return False
    return True


def _can_mount_image(folder: Path) -> bool:
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in _TOOLS):
        return False
    try:
        with image_mounted(make_image(folder / "trial.img"), folder / "trial"):
            return True
    except subprocess.CalledProcessError:
        return False


def _can_mount_tmpfs(folder: Path) -> bool:
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("mount", "umount")):
        return False
    try:
        with small_disk(folder / "trial", "size=64k"):
            return True
    except subprocess.CalledProcessError:
        return False


def unmount(target: Path, *, is_used: bool = False) -> None:
    """Unmount; only where it may be in use are files left open forgiven."""
    try:
        _do("umount", *(("--lazy",) if is_used else ()), str(target))
    except subprocess.CalledProcessError:
        _do("umount", "--lazy", str(target))
        pytest.fail(f"something still used {target}: a file was left open")


def _do(*command: str) -> None:
    tool = shutil.which(command[0]) or command[0]
    subprocess.run([tool, *command[1:]], check=True, capture_output=True, text=True)
