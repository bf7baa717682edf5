"""The composition root: makes an archive, accounts and an engine from the config.

The only place where adapters are chosen and joined; everything else is handed what it needs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType

from filelock import FileLock, Timeout

from archiver.actions.archive import Account, Archive, Clock, Unusable, utc_now
from archiver.actions.listing.walk import WalkOptions
from archiver.actions.run import RunOptions
from archiver.config import Config
from archiver.errors import (
    ConfigInvalid,
    CredentialsRejected,
    DestinationUnavailable,
    Interrupted,
    LockHeld,
)
from archiver.fetch.engine import Credentials, Limits, MediaEngine
from archiver.index import Index, index_errors, ledger, open_index
from archiver.providers import PROVIDERS
from archiver.providers.base import AccountOptions
from archiver.providers.pace import Pace
from archiver.storage import DESTINATION_TYPES
from archiver.storage.base import Destination
from archiver.storage.breaker import Breaker

LOCK_NAME = "lock"


@contextmanager
def run_lock(state_dir: Path, *, wait: bool, name: str = LOCK_NAME) -> Iterator[None]:
    """Hold a lock of a state directory: a kernel lock, gone with its process."""
    make_state_dir(state_dir)
    lock = FileLock(state_dir / name, timeout=-1 if wait else 0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise LockHeld(
            f"another run holds {state_dir / name}; --wait-lock would wait for it"
        ) from None
    except OSError as error:
        raise ConfigInvalid(
            f"{state_dir / name} cannot be locked: {error.strerror}; "
            "set archive.state_dir to a place that this user can write"
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):  # the kernel frees it when the process ends
            lock.release()


def make_state_dir(state_dir: Path) -> None:
    """Create the state directory, for its owner only."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigInvalid(
            f"the state directory {state_dir} cannot be made: {error.strerror}; "
            "set archive.state_dir to a place that this user can write"
        ) from None


@contextmanager
def open_archive(
    config: Config, *, create_index: bool = False, clock: Clock = utc_now
) -> Iterator[Archive]:
    """Open the index and all destinations of a config; closes them at the end."""
    with index_errors(config.archive.state_dir), ExitStack() as stack:
        if create_index:
            make_state_dir(config.archive.state_dir)
        index = open_index(config.archive.state_dir, create=create_index)
        stack.callback(index.close)
        destinations = open_destinations(config)
        for destination in destinations.values():
            stack.callback(destination.close)
        yield Archive(
            index=index,
            destinations=destinations,
            names=frozenset(destinations),
            required=config.required_destinations,
            layout=config.archive.layout,
            roles=frozenset(config.transfer.roles),
            writes_xmp=config.archive.xmp,
            clock=clock,
        )


def open_destinations(config: Config) -> dict[str, Destination]:
    """Open the destinations of a config; nothing is connected to yet."""
    opened: dict[str, Destination] = {}
    for name, options in config.destinations.items():
        module = import_module(DESTINATION_TYPES[options.type])
        opened[name] = Breaker(module.open_destination(name, options))
    return opened


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that can be asked, and those that cannot for want of a key."""

    usable: dict[str, Account]
    unusable: dict[str, Unusable]


@contextmanager
def open_accounts(
    config: Config,
    index: Index,
    names: Collection[str],
    stopping: threading.Event,
    clock: Clock = utc_now,
) -> Iterator[Accounts]:
    """Open accounts, all of them when no names are given; closes their connections at the end.

    Their request budgets run by `clock`.
    """
    unknown = sorted(set(names) - config.accounts.keys())
    if unknown:
        raise ConfigInvalid(
            f"there is no account {unknown[0]!r}; the config has {', '.join(config.accounts)}"
        )
    wanted = {name: options for name, options in config.accounts.items() if name in names}
    accounts = Accounts({}, {})
    with ExitStack() as stack:
        for name, options in (wanted or config.accounts).items():
            _refuse_other_provider(index, name, options.provider)
            try:
                pace = _open_pace(name, options, index, stopping, clock)
                accounts.usable[name] = _open_account(name, options, pace, stopping, stack)
            except ConfigInvalid as error:
                refusal = CredentialsRejected(str(error))
                accounts.unusable[name] = Unusable(provider=options.provider, error=refusal)
        yield accounts


def _refuse_other_provider(index: Index, name: str, provider: str) -> None:
    """A generation's identity is its account and the provider's id: providers must not mix."""
    known = ledger.provider_of(index, name)
    if known is not None and known != provider:
        raise ConfigInvalid(
            f'accounts.{name}: provider = "{provider}", but this archive knows {name} as an '
            f'account at {known}: set provider = "{known}" again, and give the new account '
            "another name"
        )


def _open_pace(
    name: str, options: AccountOptions, index: Index, stopping: threading.Event, clock: Clock
) -> Pace:
    """Go on with the request budget where the last run left it."""
    record = ledger.load_account(index, name, options.provider)
    return Pace(
        0,
        0,
        record.requests_spent_at,
        clock=lambda: clock().timestamp(),
        sleep=_make_sleep(stopping),
        paused_until=record.paused_until,
    )


def _open_account(
    name: str, options: AccountOptions, pace: Pace, stopping: threading.Event, stack: ExitStack
) -> Account:
    from archiver.providers.http import HttpApi

    module: ModuleType = import_module(PROVIDERS[options.provider])
    key = options.api_key.read()
    sleep = _make_sleep(stopping)
    api = HttpApi(options.base_url, key, module.CONNECTION, pace, sleep=sleep)
    stack.callback(api.close)
    provider = module.open_provider(name, options, api)
    limits = provider.capabilities
    pace.limit(
        _first(options.requests_per_minute, limits.requests_per_minute),
        _first(options.requests_per_hour, limits.requests_per_hour),
        _first(options.requests_per_day, limits.requests_per_day),
    )
    return Account(
        name=name,
        provider=provider,
        pace=pace,
        credentials=Credentials(
            origin=options.base_url, headers=module.CONNECTION.authentication(key)
        ),
        retention=options.retention,
        kinds=None if options.kinds is None else frozenset(options.kinds),
        since=options.since,
    )


def _first(given: int | None, default: int) -> int:
    return default if given is None else given


def _make_sleep(stopping: threading.Event) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if stopping.wait(seconds):
            raise Interrupted("stopped while waiting to ask a provider")

    return sleep


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


def require_destination(config: Config, name: str) -> Destination:
    """Open one destination by its name in the config."""
    if name not in config.destinations:
        raise DestinationUnavailable(
            f"there is no destination {name!r}; the config has {', '.join(config.destinations)}"
        )
    options = config.destinations[name]
    opened: Destination = import_module(DESTINATION_TYPES[options.type]).open_destination(
        name, options
    )
    return opened
