"""The config told back: with every default and without secrets, and as a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from archiver.config.schema import Config, config_model
from archiver.redaction import hide_in_text

HIDDEN = "(hidden)"
_SUBSECTIONS = (["alerts", "mail"],)


def as_document(config: Config) -> dict[str, Any]:
    """The config in effect as plain data; a secret in it shows only where it is kept."""
    document = config.model_dump(mode="json", exclude_none=True, by_alias=True)
    if config.schedule.cron is not None:
        del document["schedule"]["every"]  # one of the two counts, and a config may have only one
    return {name: _without_secrets(section) for name, section in document.items()}


def make_schema() -> dict[str, Any]:
    """The JSON Schema of the config file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **config_model().model_json_schema(),
    }


def as_toml(document: Mapping[str, Any]) -> str:
    """Write plain data as TOML, a table for each section."""
    return "\n".join(_table([], document)).strip() + "\n"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"value"}:
            return {"value": HIDDEN}
        return {name: _without_secrets(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return hide_in_text(value) if isinstance(value, str) else value


def _table(path: list[str], table: Mapping[str, Any]) -> list[str]:
    inner = {name: value for name, value in table.items() if _is_table([*path, name], value)}
    lines = [f"{name} = {write_value(value)}" for name, value in table.items() if name not in inner]
    if lines and path:
        lines = ["", f"[{'.'.join(path)}]", *lines]
    for name, value in inner.items():
        lines += _table([*path, name], value)
    return lines


def _is_table(path: list[str], value: Any) -> bool:
    """Whether it gets a header of its own; a secret's place and the like stay in one line."""
    is_inside = len(path) == 2 and path[0] in ("accounts", "destinations")
    return isinstance(value, Mapping) and (len(path) == 1 or is_inside or path in _SUBSECTIONS)


def write_value(value: Any) -> str:
    """Write one value as TOML, in one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name} = {write_value(item)}" for name, item in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return f"[{', '.join(write_value(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
