"""Tells the file system of a folder, from the kernel's table of mounts (proc(5), mountinfo)."""

from __future__ import annotations

import re
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_NETWORK = (
    *("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "lustre", "ncpfs"),
    *("nfs", "nfs4", "ocfs2", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"),
)
_LOCAL_FUSE = ("fuse.fuse-overlayfs", "fuse.bcachefs", "fuse.ntfs-3g", "fuse.mergerfs")


def file_system_of(folder: Path, table: str | None = None) -> str | None:
    """Name the type of the file system that holds a folder; None where no table tells."""
    if table is None:
        try:
            table = _TABLE.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    here, best = folder.resolve(), ("", "")
    for line in table.splitlines():
        mount, _, about = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) > 4 and about:  # the fifth is the mount point
            point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
            # The last of several mounts on one point is the one that is seen.
            if here.is_relative_to(point) and len(point) >= len(best[0]):
                best = (point, about.split(" ")[0])
    return best[1] or None


def is_shared(file_system: str) -> bool:
    """Tell whether other machines may see it too, so that SQLite's locks cannot be trusted."""
    is_fuse = file_system.startswith("fuse.") and file_system not in _LOCAL_FUSE
    return file_system in _NETWORK or is_fuse
