"""Makes one run on an open archive, and what it needs besides: the media engine, the options."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime

from archiver.actions.archive import Archive
from archiver.actions.listing.walk import WalkOptions
from archiver.actions.pushing.claims import Claims
from archiver.actions.run import Observer, RunOptions, RunSummary, run
from archiver.config import Config
from archiver.fetch.engine import Limits, MediaEngine
from archiver.wiring.accounts import Paces, open_accounts


def pass_over(
    config: Config,
    archive: Archive,
    options: RunOptions,
    accounts: Collection[str],
    observer: Observer,
    stopping: threading.Event,
    paces: Paces | None = None,
) -> RunSummary:
    """Make one run over these accounts, over all of them when none is named."""
    with open_accounts(config, archive.index, accounts, stopping, paces=paces) as opened:
        engine = open_engine(config, stopping)
        return run(archive, opened.usable, opened.unusable, engine, options, observer)


def open_engine(config: Config, stopping: threading.Event) -> MediaEngine:
    """Make the media engine of a config."""
    return MediaEngine(make_limits(config), stopping)


def make_limits(config: Config) -> Limits:
    """Make the limits of a run: all that the config allows."""
    return _make_limits(config, config.transfer.concurrency, config.transfer.bandwidth)


def make_hint_limits(config: Config) -> Limits:
    """Make the limits of what is captured beside a pass: a quarter more, and two transfers."""
    transfer = config.transfer
    return _make_limits(config, max(2, transfer.concurrency // 4), -(-transfer.bandwidth // 4))


def _make_limits(config: Config, concurrency: int, bytes_per_second: int) -> Limits:
    """Share a bandwidth out; rounded up, as 0 is no limit."""
    transfer = config.transfer
    return Limits(
        max_file_bytes=transfer.max_file_size,
        bytes_per_second=-(-bytes_per_second // concurrency),
        concurrency=concurrency,
        per_host=transfer.per_host,
        allow_private_hosts=transfer.allow_private_hosts,
    )


def run_options(
    config: Config,
    *,
    is_sweep: bool = False,
    since: datetime | None = None,
    limit: int | None = None,
    retries_now: bool = False,
    accepts_shrunk: bool = False,
    may_go_on: Callable[[], bool] = lambda: True,
    claims: Claims | None = None,
) -> RunOptions:
    """Make the options of one run."""
    return RunOptions(
        walk=WalkOptions(
            look_back=config.schedule.look_back,
            sweep_every=config.schedule.sweep_every,
            is_sweep=is_sweep,
            since=since,
            accepts_shrunk=accepts_shrunk,
            may_go_on=may_go_on,
        ),
        concurrency=config.transfer.concurrency,
        limit=limit,
        retries_now=retries_now,
        every={name: every for name, (_, every) in config.poll_intervals.items()},
        may_go_on=may_go_on,
        claims=claims or Claims(),
    )
