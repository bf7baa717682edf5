"""Judges a config whose options are each right by themselves: whether they can work together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from archiver.config.problems import Problem
from archiver.config.schema import Config, ScheduleSection
from archiver.providers import PROVIDERS
from archiver.providers.base import Capabilities, Parameters, Provider
from archiver.units import format_duration

_UNAVAILABLE = ("transfer.executor", "transfer.dask_scheduler")
"""Options of the format that nothing obeys yet: to accept them would be a false promise."""


def contradictions(config: Config) -> list[Problem]:
    """Find mistakes that only show when several options are held together."""
    return [
        *_not_available(config),
        *_not_together(config),
        *_not_provable(config),
        *_not_installed(config),
        *_too_slow(config),
    ]


def _not_available(config: Config) -> Iterator[Problem]:
    for place in _UNAVAILABLE:
        section, _, name = place.partition(".")
        options: BaseModel = getattr(config, section)
        if getattr(options, name) != type(options).model_fields[name].default:
            yield _problem(place, f"{place} is not available in this version: leave it out")


def _not_together(config: Config) -> Iterator[Problem]:
    if isinstance(config.archive.require, tuple):
        for name in config.archive.require:
            if name not in config.destinations:
                where = "archive.require"
                yield _problem(where, f"{where} names {name!r}, which is no destination")
    if {"cron", "every"} <= config.schedule.model_fields_set:
        words = "schedule.every and schedule.cron are both set; keep one"
        yield _problem("schedule.cron", words)


def _not_provable(config: Config) -> Iterator[Problem]:
    """Whoever listens for webhooks has to know a genuine one from any other."""
    if not config.webhooks.listen:
        return
    for options in config.accounts.values():
        proofs = (name for name in type(options).model_fields if name.startswith("webhook_"))
        if any(getattr(options, name) is not None for name in proofs):
            return
    yield _problem(
        "webhooks.listen",
        "webhooks.listen is set, but no account says how its webhooks are proven: give one a "
        "webhook_token, or what its provider signs with",
    )


def _not_installed(config: Config) -> Iterator[Problem]:
    if config.alerts.apprise and find_spec("apprise") is None:
        yield _problem(
            "alerts.apprise",
            "alerts.apprise needs a package that is not installed: pip install 'archiver[apprise]'",
        )


def _too_slow(config: Config) -> Iterator[Problem]:
    """A poll interval that cannot meet a retention is refused before it loses anything."""
    for name in config.accounts:
        words = _why_too_slow(config, name)
        if words:
            yield Problem(("accounts", name), f"accounts.{name}{words}")


def _why_too_slow(config: Config, name: str) -> str:
    """Say why an account is asked too seldom; nothing if it is not."""
    provider, every = config.poll_intervals[name]
    own, retention = config.accounts[name].retention, _retention(config, name)
    if every <= timedelta(0):
        return " is asked every 0s; every should be longer"
    if retention is None:
        return ""
    if every * 2 > retention:
        source = "" if own is not None else f" (as {provider} says; retention would overrule it)"
        is_cron = config.schedule.cron and config.accounts[name].every is None
        pause = " (the longest pause of schedule.cron)" if is_cron else ""
        return (
            f": files stay {format_duration(retention)}{source} but it is asked "
            f"every {format_duration(every)}{pause}; two runs must fit into the retention"
        )
    if _looks_away(config.schedule, retention):
        return (
            f": files stay {format_duration(retention)}, but what surfaces late "
            f"in the list is only seen within schedule.look_back "
            f"({format_duration(config.schedule.look_back)}) or by a sweep "
            f"({format_duration(config.schedule.sweep_every)}); look_back must reach as "
            "far as the retention, or two sweeps fit into it"
        )
    return ""


def _looks_away(schedule: ScheduleSection, retention: timedelta) -> bool:
    """Whether something could come and go between the look-back and the next sweep."""
    return schedule.look_back < retention < schedule.sweep_every * 2


def _retention(config: Config, name: str) -> timedelta | None:
    """How long files stay: the user's word, else what the provider says of such an account."""
    own = config.accounts[name].retention
    return capabilities_of(config, name).retention if own is None else own


def capabilities_of(config: Config, name: str) -> Capabilities:
    """Tell what the provider of an account can do for it; nothing is connected to."""
    return _open_unasked(config, name).capabilities


def can_make(config: Config, name: str) -> bool:
    """Tell whether the provider of an account can be asked to make things; needs no key."""
    return _open_unasked(config, name).maker is not None


def _open_unasked(config: Config, name: str) -> Provider:
    options = config.accounts[name]
    module: Any = import_module(PROVIDERS[options.provider])
    opened: Provider = module.open_provider(name, options, _NoApi())
    return opened


def hourly_budget(config: Config, name: str) -> int:
    """How many requests an hour an account may make in the long run; 0 means no limit."""
    options, limits = config.accounts[name], capabilities_of(config, name)
    an_hour, a_day = options.requests_per_hour, options.requests_per_day
    an_hour = limits.requests_per_hour if an_hour is None else an_hour
    a_day = limits.requests_per_day if a_day is None else a_day
    return min((one for one in (an_hour, a_day // 24) if one), default=0)


def _problem(place: str, text: str) -> Problem:
    return Problem(tuple(place.split(".")), text)


class _NoApi:
    """The `Api` of a provider that is opened only to tell its capabilities; never asked."""

    def get_json(self, path: str, parameters: Parameters | None = None) -> object:
        """Never called: to open a provider connects nowhere."""
        raise AssertionError(f"opening a provider asked for {path}")

    def get_text(self, path: str, parameters: Parameters | None = None) -> str:
        """Never called."""
        raise AssertionError(f"opening a provider asked for {path}")

    def post_form(self, path: str, fields: Mapping[str, str], files: Sequence[Path]) -> object:
        """Never called."""
        raise AssertionError(f"opening a provider posted to {path}")
