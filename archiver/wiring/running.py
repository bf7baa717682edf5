"""Makes what one run needs besides archive and accounts: the media engine and the options."""

from __future__ import annotations

import threading
from datetime import datetime

from archiver.actions.listing.walk import WalkOptions
from archiver.actions.run import RunOptions
from archiver.config import Config
from archiver.fetch.engine import Limits, MediaEngine


def open_engine(config: Config, stopping: threading.Event) -> MediaEngine:
    """Make the media engine of a config."""
    transfer = config.transfer
    per_transfer = -(-transfer.bandwidth // transfer.concurrency)
    limits = Limits(
        max_file_bytes=transfer.max_file_size,
        bytes_per_second=per_transfer,
        per_host=transfer.per_host,
        allow_private_hosts=transfer.allow_private_hosts,
    )
    return MediaEngine(limits, stopping)


def run_options(
    config: Config,
    *,
    is_sweep: bool = False,
    since: datetime | None = None,
    limit: int | None = None,
    retries_now: bool = False,
    accepts_shrunk: bool = False,
) -> RunOptions:
    """Make the options of one run."""
    return RunOptions(
        walk=WalkOptions(
            look_back=config.schedule.look_back,
            sweep_every=config.schedule.sweep_every,
            is_sweep=is_sweep,
            since=since,
            accepts_shrunk=accepts_shrunk,
        ),
        concurrency=config.transfer.concurrency,
        limit=limit,
        retries_now=retries_now,
        every={name: every for name, (_, every) in config.poll_intervals.items()},
    )
