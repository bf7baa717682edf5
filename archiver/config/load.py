"""Finds the config, lays the environment over it, and tells all that is wrong with it at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from archiver.config.problems import describe
from archiver.config.schema import Config, config_model
from archiver.errors import ConfigInvalid

ENVIRONMENT_PREFIX = "ARCHIVER__"
FILE_SUFFIX = "_FILE"


def find_config(given: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """Find the config file, in the documented order; raises ConfigInvalid when there is none."""
    env = os.environ if environment is None else environment
    if given is not None or env.get("ARCHIVER_CONFIG"):
        path = given or Path(env["ARCHIVER_CONFIG"])
        if not path.is_file():
            raise ConfigInvalid(f"there is no config at {path}")
        return path
    home = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    folders = [Path("/etc/archiver"), home / "archiver"]
    if env.get("CONFIGURATION_DIRECTORY"):
        folders.append(Path(env["CONFIGURATION_DIRECTORY"].partition(":")[0]))
    candidates = [folder / "config.toml" for folder in reversed(folders)]
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigInvalid("there is no config; looked for", tuple(str(path) for path in candidates))


def load_config(given: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """Find, read and validate the config; raises ConfigInvalid with every mistake in it."""
    env = os.environ if environment is None else environment
    path = find_config(given, env)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"cannot read the config {path}: {error}") from None
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
        raise ConfigInvalid(f"{name} is not valid TOML: {error}") from None
    problems = _overlay(document, environment)
    model = config_model()
    try:
        config = cast("Config", model.model_validate(document))
    except ValidationError as error:
        problems += describe(error, document, model)
        raise ConfigInvalid(_title(name, problems), tuple(problems)) from None
    problems += _contradictions(config)
    if problems:
        raise ConfigInvalid(_title(name, problems), tuple(problems))
    return config if folder is None else _anchor(config, folder.absolute())


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
    """Read an environment value as TOML would, and as plain text when it is none."""
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
    problems = []
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


def _too_slow(config: Config) -> list[str]:
    """A poll interval that cannot meet a retention is refused before it loses anything."""
    problems = []
    for name, account in config.accounts.items():
        every = account.every or config.schedule.every
        if account.retention is not None and every * 2 > account.retention:
            problems.append(
                f"accounts.{name}: files stay {account.retention} but it is asked every {every}; "
                "two runs must fit into the retention"
            )
    return problems


def _anchor(config: Config, folder: Path) -> Config:
    """Take relative paths from the config's own folder, wherever the command was started."""
    archive = config.archive.model_copy(
        update={"state_dir": folder / config.archive.state_dir.expanduser()}
    )
    destinations = {
        name: _anchored(options, folder) for name, options in config.destinations.items()
    }
    return config.model_copy(update={"archive": archive, "destinations": destinations})


def _anchored(options: BaseModel, folder: Path) -> BaseModel:
    path = getattr(options, "path", None)
    if not isinstance(path, Path):
        return options
    return options.model_copy(update={"path": folder / path.expanduser()})
