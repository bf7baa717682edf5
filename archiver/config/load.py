"""Finds the config, lays the environment over it, and tells all that is wrong with it at once."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from archiver.config.paths import anchor
from archiver.config.problems import describe, find_empty
from archiver.config.schema import Config, ScheduleSection, config_model
from archiver.errors import ConfigInvalid
from archiver.providers import PROVIDERS
from archiver.providers.base import Capabilities, Parameters, Provider
from archiver.units import format_duration

ENVIRONMENT_PREFIX = "ARCHIVER__"
FILE_SUFFIX = "_FILE"
_TOML_STARTS = ("[", "{", '"', "'")
QUOTED = "', '"
"""Between the parts of a key, as tomllib tells it."""
_TOML_WORDS = {
    "Illegal character '\\n'": "A text is not closed with a quote",
    "Cannot overwrite a value": "A key stands there twice",
}
_UNAVAILABLE = (
    "schedule.cron",
    "transfer.executor",
    "transfer.dask_scheduler",
    "alerts.ping_url",
    "alerts.apprise",
    "alerts.textfile",
)
"""Options of the format that nothing obeys yet: to accept them would be a false promise."""


def find_config(given: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """Find the config file, in the documented order; raises ConfigInvalid when there is none."""
    env = os.environ if environment is None else environment
    if given is not None or env.get("ARCHIVER_CONFIG"):
        path = given or Path(env["ARCHIVER_CONFIG"])
        _require_file(path)
        return path
    candidates = [folder / "config.toml" for folder in _folders(env)]
    for path in candidates:
        if os.path.isfile(path):  # noqa: PTH113  # Path.is_file raises in a folder closed to us
            return path
    raise ConfigInvalid(
        "there is no config: name one with -c, or write one of these:",
        tuple(str(path) for path in candidates),
    )


def _require_file(path: Path) -> None:
    """Raise ConfigInvalid, with what is there instead, unless a file has this name."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ConfigInvalid(f"there is no config at {path}") from None
    except OSError as error:
        raise ConfigInvalid(f"cannot read the config {path}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise ConfigInvalid(f"there is no config at {path}: it is a folder, name the file")


def _folders(env: Mapping[str, str]) -> list[Path]:
    """Name the folders that may hold a config; a user without a home has none there."""
    given, xdg, home = (
        env.get(name, "") for name in ("CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME", "HOME")
    )
    folders = [Path(given.partition(":")[0])] if given else []
    if xdg or home:
        folders.append((Path(xdg) if xdg else Path(home) / ".config") / "archiver")
    return [*folders, Path("/etc/archiver")]


def load_config(given: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """Find, read and validate the config; raises ConfigInvalid with every mistake in it."""
    env = os.environ if environment is None else environment
    path = find_config(given, env)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigInvalid(f"cannot read the config {path}: {reason}") from None
    return parse_config(text, env, name=str(path), folder=path.parent)


def parse_config(
    text: str,
    environment: Mapping[str, str],
    name: str = "config",
    folder: Path | None = None,
) -> Config:
    """Validate a config given as TOML text. Relative paths are taken from `folder`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{name} is not valid TOML: {_in_words(error)}") from None
    problems = [*_overlay(document, environment), *find_empty(document)]
    model = config_model()
    try:
        config = cast("Config", model.model_validate(document))
    except ValidationError as error:
        problems += describe(error, document, model)
        raise ConfigInvalid(_title(name, problems), tuple(problems)) from None
    problems += _contradictions(config)
    if problems:
        raise ConfigInvalid(_title(name, problems), tuple(problems))
    if folder is None:
        return config
    anchored, problems = anchor(config, folder.absolute())
    if problems:
        raise ConfigInvalid(_title(name, problems), tuple(problems))
    return anchored


def _in_words(error: tomllib.TOMLDecodeError) -> str:
    """Say what the reader of TOML found, without its words of Python."""
    text = re.sub(r"\('([^)]*)',?\)", lambda key: f"[{key[1].replace(QUOTED, '.')}]", str(error))
    for theirs, ours in _TOML_WORDS.items():
        text = text.replace(theirs, ours)
    return text


def _title(name: str, problems: list[str]) -> str:
    return f"{name} has {len(problems)} mistake{'s' if len(problems) != 1 else ''}:"


def _overlay(document: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Put ARCHIVER__SECTION__KEY over what the file says; `…_FILE` names a file with a secret."""
    problems, given = [], dict[str, str]()
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        name, value = variable, _parse(environment[variable])
        if variable.endswith(FILE_SUFFIX):
            name, value = variable.removesuffix(FILE_SUFFIX), {"file": environment[variable]}
        if name in given:
            problems.append(f"${given[name]} and ${variable} are both set; keep one")
        elif not _set(document, name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"), value):
            problems.append(f"${variable} leads through something that is no section")
        given[name] = variable
    return problems


def _parse(text: str) -> Any:
    """Read lists, tables and quoted text as TOML; the rest is plain text, also a key of digits."""
    if not text.startswith(_TOML_STARTS):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _set(document: dict[str, Any], path: list[str], value: Any) -> bool:
    for part in path[:-1]:
        inner = document.setdefault(part, {})
        if not isinstance(inner, dict):
            return False
        document = inner
    document[path[-1]] = value
    return True


def _contradictions(config: Config) -> list[str]:
    """Find mistakes that only show when several options are held together."""
    problems = _not_available(config)
    if isinstance(config.archive.require, tuple):
        problems += [
            f"archive.require names {name!r}, which is no destination"
            for name in config.archive.require
            if name not in config.destinations
        ]
    if "cron" in config.schedule.model_fields_set and "every" in config.schedule.model_fields_set:
        problems.append("schedule.every and schedule.cron are both set; keep one")
    if config.transfer.executor == "dask" and not config.transfer.dask_scheduler:
        problems.append('transfer.executor = "dask" needs transfer.dask_scheduler')
    return problems + _too_slow(config)


def _not_available(config: Config) -> list[str]:
    problems = []
    for place in _UNAVAILABLE:
        section, _, name = place.partition(".")
        options: BaseModel = getattr(config, section)
        if getattr(options, name) != type(options).model_fields[name].default:
            problems.append(f"{place} is not available in this version: leave it out")
    return problems


def _too_slow(config: Config) -> list[str]:
    """A poll interval that cannot meet a retention is refused before it loses anything."""
    problems = []
    for name, (provider, every) in config.poll_intervals.items():
        own, retention = config.accounts[name].retention, _retention(config, name)
        if every <= timedelta(0):
            problems.append(f"accounts.{name} is asked every 0s; every should be longer")
        elif retention is not None and every * 2 > retention:
            source = (
                "" if own is not None else f" (as {provider} says; retention would overrule it)"
            )
            problems.append(
                f"accounts.{name}: files stay {format_duration(retention)}{source} but it is asked "
                f"every {format_duration(every)}; two runs must fit into the retention"
            )
        elif retention is not None and _looks_away(config.schedule, retention):
            problems.append(
                f"accounts.{name}: files stay {format_duration(retention)}, but what surfaces late "
                f"in the list is only seen within schedule.look_back "
                f"({format_duration(config.schedule.look_back)}) or by a sweep "
                f"({format_duration(config.schedule.sweep_every)}); look_back must reach as "
                "far as the retention, or two sweeps fit into it"
            )
    return problems


def _looks_away(schedule: ScheduleSection, retention: timedelta) -> bool:
    """Whether something could come and go between the look-back and the next sweep."""
    return schedule.look_back < retention < schedule.sweep_every * 2


def _retention(config: Config, name: str) -> timedelta | None:
    """How long files stay: the user's word, else what the provider says of such an account."""
    own = config.accounts[name].retention
    return capabilities_of(config, name).retention if own is None else own


def capabilities_of(config: Config, name: str) -> Capabilities:
    """Tell what the provider of an account can do for it; nothing is connected to."""
    options = config.accounts[name]
    module: Any = import_module(PROVIDERS[options.provider])
    found: Provider = module.open_provider(name, options, _NoApi())
    return found.capabilities


def hourly_budget(config: Config, name: str) -> int:
    """How many requests an hour an account may make in the long run; 0 means no limit."""
    options, limits = config.accounts[name], capabilities_of(config, name)
    an_hour, a_day = options.requests_per_hour, options.requests_per_day
    an_hour = limits.requests_per_hour if an_hour is None else an_hour
    a_day = limits.requests_per_day if a_day is None else a_day
    return min((one for one in (an_hour, a_day // 24) if one), default=0)


class _NoApi:
    """The `Api` of a provider that is opened only to tell its capabilities; never asked."""

    def get_json(self, path: str, parameters: Parameters | None = None) -> object:
        """Never called: to open a provider connects nowhere."""
        raise AssertionError(f"opening a provider asked for {path}")

    def get_text(self, path: str, parameters: Parameters | None = None) -> str:
        """Never called."""
        raise AssertionError(f"opening a provider asked for {path}")
