"""A terminal of a chosen width, for what a person sees."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.stories.house import House


def on_terminal(
    house: House,
    *arguments: str,
    columns: int = 80,
    shows_messages: bool = False,
    **environment: str,
) -> str:
    """Run a command line in a process of its own; return what stands on the screen.

    That is its stdout, and with `shows_messages` stderr as well.
    """
    house.write_config()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "archiver", "-c", str(house.config_path), *arguments],
        stdout=theirs,
        stderr=theirs if shows_messages else subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": str(columns), **environment},
    )
    os.close(theirs)
    seen = b""
    try:
        while block := os.read(ours, 65536):
            seen += block
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    assert process.wait() in (0, 3)
    return seen.decode().replace("\r\n", "\n")
