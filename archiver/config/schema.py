"""Every section and option of the config, with its default and its one-line description.

The one source for validation, `config schema`, `config show` and the tests that hold
config.example.toml to the truth. Options of providers and destinations stand in their own
modules; here they are put together from the two tables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, create_model

from archiver import keys
from archiver.config.alerts import AlertsSection
from archiver.config.cron import check_cron, longest_gap
from archiver.config.section import MAX_PORT, Section
from archiver.model import Role
from archiver.options import Duration, Rate, Size
from archiver.providers import PROVIDERS
from archiver.providers.base import AccountOptions
from archiver.storage import DESTINATION_TYPES

_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,39}$")


def _check_name(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(
            "is no name: use lower-case letters a-z, digits, - and _ only, 40 at most, "
            "and begin with a letter or a digit"
        )
    return name


Name = Annotated[str, AfterValidator(_check_name)]


def _check_require(given: object) -> object:
    if given in ("all", "any"):
        return given
    if isinstance(given, list | tuple) and all(isinstance(name, str) for name in given):
        return given
    raise ValueError('should be "all", "any" or a list of destinations such as ["vault"]')


Require = Annotated[Literal["all", "any"] | tuple[str, ...], BeforeValidator(_check_require)]


def _check_listen(address: str) -> str:
    """Return HOST:PORT, or "" for none; raises ValueError."""
    host, _, port = address.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    is_host = bool(host) and (is_bracketed or not re.search(r"[:/\s]", host))
    if address and not (is_host and port.isdecimal() and 0 < int(port) <= MAX_PORT):
        raise ValueError('should be HOST:PORT such as "127.0.0.1:8786", or "" for none')
    return address


def default_state_dir() -> Path:
    """$STATE_DIRECTORY (systemd), else the XDG state directory."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "archiver"


class ArchiveSection(Section):
    """Where the index lives and how files are named."""

    state_dir: Path = Field(default_factory=default_state_dir, description="index, lock, spool")
    layout: Annotated[str, AfterValidator(keys.check_layout)] = Field(
        keys.DEFAULT_LAYOUT, description="stem of a generation's files at every destination"
    )
    require: Require = Field(
        "all", description="which destinations must hold a file before it counts as captured"
    )
    xmp: bool = Field(False, description="also write <file>.xmp for photo tools, from then on")


class ScheduleSection(Section):
    """How often things happen."""

    every: Duration = Field("15m", description="time between runs", validate_default=True)
    cron: Annotated[str, AfterValidator(check_cron)] | None = Field(
        None, description="five cron fields instead of `every`, in local time"
    )
    jitter: Duration = Field("30s", description="random delay of each run", validate_default=True)
    sweep_every: Duration = Field(
        "24h", description="walk the whole history this often", validate_default=True
    )
    look_back: Duration = Field(
        "48h", description="read on this far into what is known", validate_default=True
    )
    verify_every: Duration = Field("7d", description="time between verifies", validate_default=True)
    verify_cycle: Duration = Field(
        "90d", description="each copy is read again within this time", validate_default=True
    )
    drill_every: Duration = Field(
        "30d", description="time between restore drills of each destination", validate_default=True
    )


class TransferSection(Section):
    """What a download may cost, and which files are kept."""

    concurrency: int = Field(16, ge=1, le=256, description="downloads at a time")
    per_host: int = Field(8, ge=1, le=256, description="downloads at a time from one host")
    bandwidth: Rate = Field(
        "0", description="bytes a second in all; 0: no limit", validate_default=True
    )
    max_file_size: Size = Field("20GB", description="refuse larger files", validate_default=True)
    allow_private_hosts: bool = Field(False, description="follow links into private networks")
    roles: tuple[Role, ...] = Field(
        (Role.OUTPUT, Role.THUMBNAIL, Role.LAST_FRAME, Role.SEGMENT, Role.SPEECH),
        description="which assets to keep",
    )
    executor: Literal["local", "dask"] = Field("local", description='or "dask" (extra)')
    dask_scheduler: str | None = Field(None, description='"tls://…", for executor = "dask"')


class DaemonSection(Section):
    """How the daemon can be watched and stopped."""

    listen: Annotated[str, AfterValidator(_check_listen)] = Field(
        "127.0.0.1:8786", description='health and metrics; "" for none'
    )
    drain: Duration = Field("60s", description="how long a stop waits", validate_default=True)


class WebhooksSection(Section):
    """Where providers may say that something is ready."""

    listen: Annotated[str, AfterValidator(_check_listen)] = Field(
        "", description='where webhooks are taken, such as "127.0.0.1:8787"; "" for nowhere'
    )
    max_body: Size = Field("1MB", description="refuse larger ones", validate_default=True)
    per_minute: int = Field(
        3000, ge=1, description="refuse more of one account, or of strangers, in a minute"
    )


class Config(Section):
    """The whole config. Make it with `config_model()`, which knows all adapters."""

    archive: ArchiveSection = Field(default_factory=ArchiveSection)
    schedule: ScheduleSection = Field(default_factory=ScheduleSection)
    transfer: TransferSection = Field(default_factory=TransferSection)
    accounts: dict[str, AccountOptions] = Field(default_factory=dict)
    destinations: dict[str, Any] = Field(default_factory=dict)
    daemon: DaemonSection = Field(default_factory=DaemonSection)
    webhooks: WebhooksSection = Field(default_factory=WebhooksSection)
    alerts: AlertsSection = Field(default_factory=AlertsSection)

    @property
    def poll_intervals(self) -> dict[str, tuple[str, timedelta]]:
        """Each account's provider, and how long it is not asked at most."""
        usual = longest_gap(self.schedule.cron) if self.schedule.cron else self.schedule.every
        return {
            name: (options.provider, options.every or usual)
            for name, options in self.accounts.items()
        }

    @property
    def required_destinations(self) -> frozenset[str]:
        """Names of the destinations that must hold a file; empty means any one of them."""
        require = self.archive.require
        if require == "any":
            return frozenset()
        return frozenset(self.destinations if require == "all" else require)


@cache
def config_model() -> type[BaseModel]:
    """Build the whole model: the fixed sections, and the options of all adapters."""
    stores = [f"{package}.options" for package in DESTINATION_TYPES.values()]
    fields: dict[str, Any] = {
        "accounts": (_named(PROVIDERS.values(), "provider"), Field(min_length=1)),
        "destinations": (_named(stores, "type"), Field(min_length=1)),
    }
    return create_model("Config", __base__=Config, **fields)


def _named(modules: Iterable[str], discriminator: str) -> Any:
    """The type of a section with one table a name, each with the options of its adapter."""
    options = tuple(import_module(module).Options for module in modules)
    one: Any = Annotated[Union[options], Field(discriminator=discriminator)]  # noqa: UP007  # made at run time
    return dict[Name, one]
