"""Local names that must not replace another, also on file systems that know no links."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.errors import DestinationUnavailable
from archiver.storage.base import put
from tests.conftest import require
from tests.storage.places import LocalPlace, fetch, make_data

KEY = "geminigen/studio/hist_abc123.png"
ASIDE_KEY = f".archiver/quarantine/{KEY}"
SCRIPT = """
import sys
from pathlib import Path
from archiver.errors import CopyExists
from archiver.storage.local import destination as local

place = local.open_destination("disk", local.Options(type="local", path=Path(sys.argv[1])))
place.prepare()
print(place.create("once.json", b"first", "application/json").value)
print(place.create("once.json", b"second", "application/json").value)
place.set_aside(sys.argv[2], sys.argv[3])
try:
    place.set_aside(sys.argv[2], sys.argv[3])
except CopyExists:
    print("refused")
"""


def test_setting_aside_copies_no_bytes(local_place: LocalPlace) -> None:
    """A second name costs no space, whatever the size of the file."""
    put(local_place.destination, KEY, [b"bad"], "image/png")

    local_place.destination.set_aside(KEY, ASIDE_KEY)

    first, second = ((local_place.root / key).stat() for key in (KEY, ASIDE_KEY))
    assert first.st_ino == second.st_ino


@pytest.mark.parametrize("error", ["EPERM", "EOPNOTSUPP", "EMLINK"])
def test_a_file_system_without_links_is_served_too(local_place: LocalPlace, error: str) -> None:
    """Where the kernel refuses every link, files are copied, and still nothing is replaced."""
    strace = shutil.which("strace")
    require("strace", strace, "strace is not installed")
    data = make_data(3_000_000)
    put(local_place.destination, KEY, [data], "video/mp4")
    inject = ["-e", "trace=link,linkat", "-e", f"inject=link,linkat:error={error}"]
    command = [strace or "strace", "-f", "-qq", "-o", os.devnull, *inject]
    command += [sys.executable, "-c", SCRIPT, str(local_place.root), KEY, ASIDE_KEY]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.split()) == (0, ["new", "exists", "refused"]), done.stderr
    assert fetch(local_place.destination, "once.json") == b"first"
    assert fetch(local_place.destination, ASIDE_KEY) == data
    assert fetch(local_place.destination, KEY) == data
    inodes = {(local_place.root / key).stat().st_ino for key in (KEY, ASIDE_KEY)}
    assert len(inodes) == 2
    assert local_place.count_leftovers() == 0


def test_a_link_is_not_set_aside_through(local_place: LocalPlace, tmp_path: Path) -> None:
    """A folder of the quarantine that is a link leads out of the archive, so it is refused."""
    put(local_place.destination, KEY, [b"bad"], "image/png")
    (tmp_path / "elsewhere").mkdir()
    (local_place.root / ".archiver").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DestinationUnavailable, match="link"):
        local_place.destination.set_aside(KEY, ASIDE_KEY)

    assert list((tmp_path / "elsewhere").iterdir()) == []
