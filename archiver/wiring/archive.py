"""Opens what a config names: its state directory and lock, its index, its destinations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from archiver.actions.archive import Archive, Clock, utc_now
from archiver.config import Config
from archiver.errors import ConfigInvalid, DestinationUnavailable, LockHeld
from archiver.index import index_errors, open_index
from archiver.storage import DESTINATION_TYPES
from archiver.storage.base import Destination
from archiver.storage.breaker import Breaker

LOCK_NAME = "lock"
VERIFY_LOCK = "verify.lock"
DAEMON_LOCK = "daemon.lock"


@contextmanager
def run_lock(state_dir: Path, *, wait: bool, name: str = LOCK_NAME) -> Iterator[None]:
    """Hold a lock of a state directory: a kernel lock, gone with its process."""
    make_state_dir(state_dir)
    # Of the two that share it in a daemon, the one that goes last gives it back: any thread.
    lock = FileLock(
        state_dir / name, timeout=-1 if wait else 0, fallback_to_soft=False, thread_local=False
    )
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
        opened[name] = Breaker(_open_destination(name, options))
    return opened


def require_destination(config: Config, name: str) -> Destination:
    """Open one destination by its name in the config."""
    if name not in config.destinations:
        raise DestinationUnavailable(
            f"there is no destination {name!r}; the config has {', '.join(config.destinations)}"
        )
    return _open_destination(name, config.destinations[name])


def _open_destination(name: str, options: Any) -> Destination:
    module = import_module(f"{DESTINATION_TYPES[options.type]}.destination")
    opened: Destination = module.open_destination(name, options)
    return opened
