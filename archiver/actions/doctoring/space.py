"""Looks at how full a disk is: a run on a full one archives nothing."""

from __future__ import annotations

import os
from pathlib import Path

from archiver.actions.doctoring.finding import About, Findings
from archiver.units import format_size

LEAST_SHARE = 0.05
LEAST_BYTES = 100 * 1000**2
_FIX = "free some space, or move to a larger disk"


def examine_space(about: About, free_bytes: int, total_bytes: int, waiting_bytes: int) -> Findings:
    """Compare what is left with the whole disk, and with what is waiting to be stored there.

    Some file systems over a network say 0 of 0: they do not know, and nothing is told of them.
    """
    if not total_bytes:
        return
    share = free_bytes / total_bytes
    told = f"{format_size(free_bytes)} of {format_size(total_bytes)} are free ({share:.0%})"
    if waiting_bytes > free_bytes:
        yield about.problem(
            "space", f"{told}, and {format_size(waiting_bytes)} are waiting to be stored", _FIX
        )
    elif share < LEAST_SHARE or free_bytes < LEAST_BYTES:
        yield about.warning("space", told, _FIX)
    else:
        yield about.ok("space", told)


def examine_names(about: About, free_files: int, total_files: int) -> Findings:
    """Tell when a file system runs out of inodes, as it can with space left."""
    if free_files < total_files * LEAST_SHARE:
        yield about.warning(
            "inodes",
            f"{free_files} more files can be made of {total_files} (df -i)",
            "remove small files that nobody needs, or move to a file system with more inodes",
        )


def examine_space_of(about: About, folder: Path) -> Findings:
    """Look at the disk of a folder."""
    found = os.statvfs(folder)
    size = found.f_frsize
    yield from examine_space(about, found.f_bavail * size, found.f_blocks * size, 0)
    if found.f_files:
        yield from examine_names(about, found.f_favail, found.f_files)
