"""Lays the environment over the config: ARCHIVER__SECTION__KEY, and `…_FILE` for secrets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from archiver.config.lines import KeyPath
from archiver.config.problems import Problem

PREFIX = "ARCHIVER__"
FILE_SUFFIX = "_FILE"
_TOML_STARTS = ("[", "{", '"', "'")
_LISTS_OF_SECRETS = (("alerts", "apprise"), ("alerts", "webhook"))
"""A variable holds one address, or names one file: that is a list of one."""


def lay_over(
    document: dict[str, Any], environment: Mapping[str, str]
) -> tuple[dict[KeyPath, str], list[Problem]]:
    """Put what the environment says over what the file says.

    Returns the variable behind each key that was set, and what is wrong with the variables.
    """
    problems, given = [], dict[KeyPath, str]()
    for variable in sorted(environment):
        if not variable.startswith(PREFIX):
            continue
        name, value = variable, _parse(environment[variable])
        if variable.endswith(FILE_SUFFIX):
            name, value = variable.removesuffix(FILE_SUFFIX), {"file": environment[variable]}
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if path in _LISTS_OF_SECRETS and not isinstance(value, list):
            value = [value]
        if path in given:
            problems.append(Problem((), f"${given[path]} and ${variable} are both set; keep one"))
        elif not _set(document, path, value):
            problems.append(Problem((), f"${variable} leads through something that is no section"))
        given.setdefault(path, variable)
    return given, problems


def _parse(text: str) -> Any:
    """Read lists, tables and quoted text as TOML; the rest is plain text, also a key of digits."""
    if not text.startswith(_TOML_STARTS):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _set(document: dict[str, Any], path: KeyPath, value: Any) -> bool:
    for part in path[:-1]:
        inner = document.setdefault(part, {})
        if not isinstance(inner, dict):
            return False
        document = inner
    document[path[-1]] = value
    return True
