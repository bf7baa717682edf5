"""Logs, on stderr: JSON off a terminal, readable on one, and never a secret (promise 8).

Events are dotted constants with keys (`run.finished`), so that they can be searched for;
docs/commands.md names them all. `logger` is what the code speaks to; `events` makes lines of what
was said, with structlog, which is loaded when there is something to say: it takes 0.1 s.
"""

from archiver.log.journal import with_level, writes_to_journal
from archiver.log.logger import NOISY, bound, configure, get_logger, inherit

__all__ = [
    "NOISY",
    "bound",
    "configure",
    "get_logger",
    "inherit",
    "with_level",
    "writes_to_journal",
]
