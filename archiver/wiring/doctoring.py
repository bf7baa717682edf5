"""Makes what `doctor` looks at from the config; nothing of the archive is opened for writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from archiver.actions.backlog import Backlog
from archiver.actions.doctor import Subject
from archiver.actions.doctoring.account import Asked, examine_account
from archiver.actions.doctoring.alerts import (
    examine_alerts,
    examine_messenger,
    examine_textfile,
)
from archiver.actions.doctoring.clock import Clocks, examine_clock
from archiver.actions.doctoring.config import examine_config, examine_extras
from archiver.actions.doctoring.destination import Tried, examine_destination
from archiver.actions.doctoring.finding import About, Findings
from archiver.actions.doctoring.index import examine_index, examine_library
from archiver.actions.doctoring.listen import examine_listen, examine_webhooks
from archiver.actions.doctoring.state import examine_state
from archiver.alerts.base import Messenger
from archiver.config import Config
from archiver.config.alerts import AlertsSection
from archiver.config.judge import capabilities_of, hourly_budget
from archiver.errors import ArchiverError, RateLimited
from archiver.index import Index, index_as_it_is, ledger
from archiver.index.ledger import AccountRecord
from archiver.providers import PROVIDERS
from archiver.providers.base import Provider
from archiver.providers.http import HttpApi
from archiver.providers.pace import Pace
from archiver.secrets import SecretSource
from archiver.storage import DESTINATION_TYPES
from archiver.storage.trial import TRIAL_PREFIX
from archiver.wiring.watching import open_messengers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the index knows and the examination needs; nothing, where it cannot be read."""

    accounts: Mapping[str, AccountRecord]
    archives: Mapping[str, str]
    waiting_bytes: int


def make_subjects(
    config: Config, path: Path, *, sends_test: bool = False
) -> tuple[list[Subject], list[Subject]]:
    """Say what is to be looked at, and what after that; `path` is the config file's.

    With `sends_test` every messenger of the config sends a test message.
    """
    known, clocks = _read_index(config), Clocks()
    secrets = dict(_secrets(config, ""))
    state_dir = config.archive.state_dir
    subjects = [
        Subject("config", partial(_examine_config, config=config, path=path, secrets=secrets)),
        Subject("state directory", partial(examine_state, folder=state_dir)),
        Subject("index", partial(_examine_index, state_dir=state_dir)),
        *(_account(config, name, known, clocks) for name in config.accounts),
        *(_destination(config, name, known, clocks) for name in config.destinations),
    ]
    subjects.append(
        Subject("alerts", partial(_examine_alerts, alerts=config.alerts, secrets=secrets))
    )
    if sends_test:
        subjects += [_messenger(one) for one in open_messengers(config.alerts)]
    if config.daemon.listen:
        subjects.append(Subject("daemon", partial(examine_listen, address=config.daemon.listen)))
    if listen := config.webhooks.listen:
        examine = partial(examine_webhooks, address=listen, accounts=config.accounts)
        subjects.append(Subject("webhooks", examine))
    return subjects, [Subject("clock", partial(examine_clock, clocks=clocks))]


def _account(config: Config, name: str, known: _Known, clocks: Clocks) -> Subject:
    asked = _asked(config, name, known.accounts.get(name))
    return Subject(f"account {name}", partial(examine_account, asked=asked, clocks=clocks))


def _destination(config: Config, name: str, known: _Known, clocks: Clocks) -> Subject:
    options = config.destinations[name]
    module = import_module(f"{DESTINATION_TYPES[options.type]}.trial")
    tried = Tried(
        name=name,
        trial=module.open_trial(name, options),
        secrets=dict(_secrets(options, f"destinations.{name}")),
        archives=known.archives,
        waiting_bytes=known.waiting_bytes,
    )
    return Subject(
        f"destination {name}",
        partial(examine_destination, tried=tried, clocks=clocks),
        f"; what is left there ({TRIAL_PREFIX}…) is removed by a later doctor",
    )


def _messenger(messenger: Messenger) -> Subject:
    return Subject(f"alerts {messenger.name}", partial(examine_messenger, messenger=messenger))


def _examine_config(
    about: About, config: Config, path: Path, secrets: Mapping[str, SecretSource]
) -> Findings:
    accounts, destinations = ", ".join(config.accounts), ", ".join(config.destinations)
    yield about.ok("valid", f"{path}: accounts {accounts}; destinations {destinations}")
    yield from examine_config(about, path, secrets)
    needed = {"alerts.apprise": "apprise"} if config.alerts.apprise else {}
    if config.transfer.executor == "dask":
        needed["transfer.executor"] = "dask"
    yield from examine_extras(about, needed)


def _examine_alerts(
    about: About, alerts: AlertsSection, secrets: Mapping[str, SecretSource]
) -> Findings:
    yield from examine_alerts(
        about, {option: one for option, one in secrets.items() if option.startswith("alerts.")}
    )
    if alerts.textfile is not None:
        yield from examine_textfile(about, alerts.textfile)


def _examine_index(about: About, state_dir: Path) -> Findings:
    yield from examine_library(about)
    yield from examine_index(about, state_dir)


def _secrets(value: Any, place: str) -> Iterator[tuple[str, SecretSource]]:
    """Find every secret that a config names, with the option that names it."""
    if isinstance(value, SecretSource):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name), f"{place}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _secrets(one, f"{place}.{name}")
    elif isinstance(value, tuple):
        for number, one in enumerate(value, start=1):
            yield from _secrets(one, f"{place}[{number}]")


def _read_index(config: Config) -> _Known:
    """Read what is known. What is wrong with the index is found when it is looked at itself."""
    try:
        with index_as_it_is(config.archive.state_dir) as index:
            if not index.is_behind():
                return _known(config, index)
    except ArchiverError:  # also where there is none
        pass
    return _Known(accounts={}, archives={}, waiting_bytes=0)


def _known(config: Config, index: Index) -> _Known:
    archives = {name: ledger.archive_id(index, name) for name in config.destinations}
    return _Known(
        accounts={
            name: ledger.load_account(index, name, options.provider)
            for name, options in config.accounts.items()
        },
        archives={name: identity for name, identity in archives.items() if identity is not None},
        waiting_bytes=sum(_waiting_bytes(index, name) for name in config.accounts),
    )


def _waiting_bytes(index: Index, account: str) -> int:
    backlog = Backlog()
    for one in ledger.waiting(index, account):
        backlog.add(one)
    return backlog.estimate_bytes(index, account)


def _asked(config: Config, name: str, record: AccountRecord | None) -> Asked:
    options, limits = config.accounts[name], capabilities_of(config, name)
    return Asked(
        name=name,
        host=urlsplit(options.base_url).netloc,
        key=options.api_key,
        every=config.poll_intervals[name][1],
        retention=options.retention or limits.retention,
        per_hour=hourly_budget(config, name),
        connect=partial(_connect, config, name, record),
    )


@contextmanager
def _connect(
    config: Config, name: str, record: AccountRecord | None
) -> Iterator[tuple[Provider, HttpApi]]:
    """Connect to an account as a run would, but ask once, and let nothing wait or be counted."""
    options, limits = config.accounts[name], capabilities_of(config, name)
    module: Any = import_module(PROVIDERS[options.provider])

    def first(given: int | None, default: int) -> int:
        return default if given is None else given

    pace = Pace(
        first(options.requests_per_minute, limits.requests_per_minute),
        first(options.requests_per_hour, limits.requests_per_hour),
        record.requests_spent_at if record else (),
        sleep=_refuse_to_wait,
        paused_until=record.paused_until if record else 0.0,
        per_day=first(options.requests_per_day, limits.requests_per_day),
    )
    key = options.api_key.read()
    api = HttpApi(options.base_url, key, module.CONNECTION, pace, attempts=1)
    try:
        yield module.open_provider(name, options, api), api
    finally:
        api.close()


def _refuse_to_wait(seconds: float) -> None:
    raise RateLimited(
        f"the request budget is used up for {seconds:.0f} more seconds",
        retry_after_seconds=seconds,
    )
