"""Takes the relative paths of a config from its own folder, wherever a command was started."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from archiver.config.problems import Problem
from archiver.config.schema import Config


def anchor(config: Config, folder: Path) -> tuple[Config, list[Problem]]:
    """Make all paths of a config absolute; also returns a line for each that leads nowhere."""
    problems: list[Problem] = []
    return cast("Config", _anchored(config, folder, "", problems)), problems


def _anchored(value: Any, folder: Path, place: str, problems: list[Problem]) -> Any:
    """Copy a value with all paths in it made absolute; one that leads nowhere is a problem."""
    if isinstance(value, Path):
        return _absolute(value, folder, place, problems)
    if isinstance(value, BaseModel):
        inner = {name: getattr(value, name) for name in type(value).model_fields}
        made = _anchored(inner, folder, place, problems)
        changed = {name: new for name, new in made.items() if new != inner[name]}
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, dict):
        return {
            name: _anchored(one, folder, f"{place}.{name}".lstrip("."), problems)
            for name, one in value.items()
        }
    if isinstance(value, tuple):
        return tuple(_anchored(one, folder, place, problems) for one in value)
    return value


def _absolute(path: Path, folder: Path, place: str, problems: list[Problem]) -> Path:
    try:
        if "\0" in str(path):
            raise RuntimeError("no path holds a NUL character")
        return folder / path.expanduser()
    except RuntimeError as error:  # what pathlib raises for "~nobody"
        text = f"{place} = {str(path)!r} is no path: {error}"
        problems.append(Problem(tuple(place.split(".")), text))
        return path
