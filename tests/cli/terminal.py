"""A terminal of a chosen width, for what a person sees."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


_LAUNCH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'archiver', *sys.argv[1:]])"
)
"""Makes the terminal the process's own, as a shell would: hidden answers are read from there."""


@dataclass(frozen=True, slots=True)
class Talk:
    """How a conversation on a terminal ended."""

    exit_code: int
    screen: str


def talk(
    arguments: Sequence[str], answers: Sequence[tuple[str, str]], environment: Mapping[str, str]
) -> Talk:
    """Run a command line on a terminal of its own; type each answer when its question is there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    os.close(theirs)
    screen, unread = "", ""
    for question, answer in answers:
        while question not in unread:
            block = _read_block(ours)
            assert block, f"no question {question!r} came:\n{screen}"
            screen, unread = screen + block, unread + block
        unread = unread.partition(question)[2]
        os.write(ours, f"{answer}\n".encode())
    while block := _read_block(ours):
        screen += block
    os.close(ours)
    return Talk(process.wait(), screen)


def _read_block(terminal: int) -> str:
    """Read what came; nothing at all when the other side is closed."""
    try:
        return os.read(terminal, 65536).decode().replace("\r\n", "\n")
    except OSError:  # how Linux says it
        return ""
