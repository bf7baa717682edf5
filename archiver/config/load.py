"""Finds the config, lays the environment over it, and tells all that is wrong with it at once."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from archiver.config.judge import contradictions
from archiver.config.lines import KeyPath, find_lines
from archiver.config.overlay import lay_over
from archiver.config.paths import anchor
from archiver.config.problems import Problem, describe, find_empty
from archiver.config.schema import Config, config_model
from archiver.errors import ConfigInvalid

QUOTED = "', '"
"""Between the parts of a key, as tomllib tells it."""
_TOML_WORDS = {
    "Illegal character '\\n'": "A text is not closed with a quote",
    "Cannot overwrite a value": "A key stands there twice",
}


def find_config(given: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """Find the config file, in the documented order; raises ConfigInvalid when there is none."""
    env = os.environ if environment is None else environment
    candidates = config_places(given, env)
    if given is not None or env.get("ARCHIVER_CONFIG"):
        _require_file(candidates[0])
        return candidates[0]
    for path in candidates:
        if os.path.isfile(path):  # noqa: PTH113  # Path.is_file raises in a folder closed to us
            return path
    raise ConfigInvalid(
        "there is no config: name one with -c, or write one of these (`archiver init` does):",
        tuple(str(path) for path in candidates),
    )


def config_places(given: Path | None, environment: Mapping[str, str] | None = None) -> list[Path]:
    """Name where a config is looked for, in this order; where one was named, nowhere else."""
    env = os.environ if environment is None else environment
    named = given or env.get("ARCHIVER_CONFIG")
    return [Path(named)] if named else [folder / "config.toml" for folder in _folders(env)]


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
    except RecursionError:
        raise ConfigInvalid(f"{name} is no config: its lists go too deep") from None
    variables, problems = lay_over(document, environment)
    config, more = judge_document(document, folder)
    problems += more
    if problems or config is None:
        raise _invalid(name, problems, variables, text)
    return config


def judge_document(
    document: Mapping[str, Any], folder: Path | None = None
) -> tuple[Config | None, list[Problem]]:
    """Validate a config given as plain data; returns it if it can be made, and all its mistakes."""
    problems = find_empty(document)
    model = config_model()
    try:
        config = cast("Config", model.model_validate(document))
    except ValidationError as error:
        return None, [*problems, *describe(error, document, model)]
    problems += contradictions(config)
    if folder is not None:
        config, lost = anchor(config, folder.absolute())
        problems += lost
    return config, problems


def _in_words(error: tomllib.TOMLDecodeError) -> str:
    """Say what the reader of TOML found, without its words of Python."""
    text = re.sub(r"\('([^)]*)',?\)", lambda key: f"[{key[1].replace(QUOTED, '.')}]", str(error))
    for theirs, ours in _TOML_WORDS.items():
        text = text.replace(theirs, ours)
    return text


def _invalid(
    name: str, problems: list[Problem], variables: Mapping[KeyPath, str], text: str
) -> ConfigInvalid:
    """Put each mistake behind its place: a line of the file, or a variable."""
    places = {path: f"line {number}" for path, number in find_lines(text).items()}
    places |= {path: f"${variable}" for path, variable in variables.items()}
    many = "s" if len(problems) != 1 else ""
    return ConfigInvalid(
        f"{name} has {len(problems)} mistake{many}:",
        tuple(_with_place(problem, places) for problem in problems),
    )


def _with_place(problem: Problem, places: Mapping[KeyPath, str]) -> str:
    """Say "line 3: …"; what is missing is missing from the table that should hold it."""
    for size in range(len(problem.path), 0, -1):
        if problem.path[:size] in places:
            return f"{places[problem.path[:size]]}: {problem.text}"
    return problem.text
