"""Where stderr is systemd's journal, each line begins with its level: sd-daemon(3)."""

from __future__ import annotations

import os
import sys

SYSLOG_LEVELS = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""What systemd reads at the beginning of a line, as `<4>`."""


def writes_to_journal() -> bool:
    """Whether stderr is the journal: systemd names its device and inode in $JOURNAL_STREAM."""
    told = os.environ.get("JOURNAL_STREAM")
    try:
        stream = os.fstat(sys.stderr.fileno()) if told else None
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return stream is not None and told == f"{stream.st_dev}:{stream.st_ino}"


def with_level(text: str, level: str) -> str:
    """Begin each line with its level, as the journal reads it."""
    prefix = f"<{SYSLOG_LEVELS[level]}>"
    return "\n".join(prefix + line for line in text.split("\n"))
