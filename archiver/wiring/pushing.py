"""Opens what a command needs that brings single generations home, beside runs and the daemon."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from archiver.actions.archive import Account, Archive
from archiver.actions.capturing.commit import CaptureReport
from archiver.actions.pushing.desk import Desk
from archiver.config import Config
from archiver.errors import ArchiverError
from archiver.wiring.archive import run_lock
from archiver.wiring.running import open_engine


@contextmanager
def open_desk(
    config: Config,
    archive: Archive,
    accounts: Mapping[str, Account],
    stopping: threading.Event,
    on_captured: Callable[[CaptureReport], None],
) -> Iterator[Desk]:
    """Open a desk for these accounts; what they have spent is written down at the end."""
    lock = partial(run_lock, config.archive.state_dir, wait=False)
    desk = Desk(archive, accounts, open_engine(config, stopping), lock, on_captured)
    try:
        yield desk
    except BaseException:
        with suppress(ArchiverError, sqlite3.Error):  # what ended it says more than this would
            desk.save_budgets(now=True)
        raise
    desk.save_budgets(now=True)


def places(config: Config) -> dict[str, str]:
    """Say where the files of each destination lie: a folder, or an s3:// address."""
    return {name: f"{options.place.rstrip('/')}/" for name, options in config.destinations.items()}
