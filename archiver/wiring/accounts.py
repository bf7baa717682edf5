"""Opens the accounts of a config: their keys, their connections and their request budgets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType

from archiver.actions.archive import Account, Clock, Unusable, utc_now
from archiver.config import Config
from archiver.errors import ConfigInvalid, CredentialsRejected, Interrupted
from archiver.fetch.engine import Credentials
from archiver.index import Index, ledger
from archiver.providers import PROVIDERS
from archiver.providers.base import AccountOptions
from archiver.providers.http import HttpApi
from archiver.providers.pace import Pace


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that can be asked, and those that cannot for want of a key."""

    usable: dict[str, Account]
    unusable: dict[str, Unusable]


class Paces:
    """The request budgets of a process, by account: whoever asks at the same time shares them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Pace] = {}

    def of(self, account: str, make: Callable[[], Pace]) -> Pace:
        """Give the budget of an account, made by whoever comes first."""
        with self._lock:
            if account not in self._open:
                self._open[account] = make()
            return self._open[account]


@contextmanager
def open_accounts(
    config: Config,
    index: Index,
    names: Collection[str],
    stopping: threading.Event,
    clock: Clock = utc_now,
    paces: Paces | None = None,
) -> Iterator[Accounts]:
    """Open accounts, all of them when no names are given; closes their connections at the end.

    Their request budgets run by `clock`, and are those of `paces` where others ask as well.
    """
    unknown = sorted(set(names) - config.accounts.keys())
    if unknown:
        raise ConfigInvalid(
            f"there is no account {unknown[0]!r}; the config has {', '.join(config.accounts)}"
        )
    wanted = {name: options for name, options in config.accounts.items() if name in names}
    accounts, budgets = Accounts({}, {}), paces or Paces()
    with ExitStack() as stack:
        for name, options in (wanted or config.accounts).items():
            refuse_other_provider(index, name, options.provider)
            try:
                make = partial(_open_pace, name, options, index, stopping, clock)
                pace = budgets.of(name, make)
                accounts.usable[name] = _open_account(name, options, pace, stopping, stack)
            except ConfigInvalid as error:
                refusal = CredentialsRejected(str(error))
                accounts.unusable[name] = Unusable(provider=options.provider, error=refusal)
        yield accounts


def refuse_other_provider(index: Index, name: str, provider: str) -> None:
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
