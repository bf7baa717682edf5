"""The shapes of docs/commands.md, as they are read from the page and compared with real output."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TYPES: dict[str, Callable[[Any], bool]] = {
    "any": lambda _value: True,
    "bool": lambda value: isinstance(value, bool),
    "bytes": lambda value: type(value) is int and value >= 0,
    "count": lambda value: type(value) is int and value >= 0,
    "number": lambda value: type(value) in (int, float),
    "seconds": lambda value: type(value) in (int, float) and value >= 0,
    "text": lambda value: isinstance(value, str),
    "time": lambda value: isinstance(value, str) and TIME.fullmatch(value) is not None,
}
LEAF = re.compile(rf"({'|'.join(TYPES)})( or null)?(: .+)?")


def read_shapes(page: str) -> dict[str, list[Any]]:
    """The shapes of each heading in the part about JSON: one, or several of JSON Lines."""
    part = page.partition("\n## JSON\n")[2].partition("\n## ")[0]
    sections = re.split(r"^### (.+)$", part, flags=re.MULTILINE)[1:]
    return {
        heading: [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }


def differences(shape: Any, value: Any, met: set[str], place: str = "") -> Iterator[str]:
    """Say where a value is not what the shape says; `met` takes the objects that were seen."""
    if isinstance(shape, str):
        yield from _leaf_differences(shape, value, place)
    elif isinstance(shape, list):
        for entry in value if isinstance(value, list) else ():
            yield from differences(shape[0], entry, met, f"{place}[]")
        if not isinstance(value, list):
            yield f"{place} is no list"
    elif not isinstance(value, dict):
        yield f"{place} is no object"
    elif _is_map(shape):
        [(name, inner)] = shape.items()
        for entry in value.values():
            yield from differences(inner, entry, met, f"{place}.{name}")
    else:
        yield from _object_differences(shape, value, met, place)


def objects(shape: Any, place: str = "") -> Iterator[str]:
    """The places of all objects in a shape, which tests have to meet."""
    if isinstance(shape, list):
        yield from objects(shape[0], f"{place}[]")
    elif isinstance(shape, dict):
        if not _is_map(shape):
            yield place
        for name, inner in shape.items():
            yield from objects(inner, f"{place}.{name.rstrip('?')}")


def _is_map(shape: dict[str, Any]) -> bool:
    return all(name.startswith("<") for name in shape)


def _leaf_differences(shape: str, value: Any, place: str) -> Iterator[str]:
    found = LEAF.fullmatch(shape)
    assert found, f"{place}: {shape!r} is no shape"
    if value is None:
        if not found[2] and found[1] != "any":
            yield f"{place} is null, and the page does not say when"
    elif not TYPES[found[1]](value):
        yield f"{place} is {value!r}, not {found[1]}"


def _object_differences(
    shape: dict[str, Any], value: dict[str, Any], met: set[str], place: str
) -> Iterator[str]:
    met.add(place)
    names = {name.rstrip("?") for name in shape}
    yield from (f"{place}.{name} is not on the page" for name in value.keys() - names)
    yield from (f"{place}.{name} is on the page only" for name in names - value.keys())
    for name, inner in shape.items():
        key = name.rstrip("?")
        if key in value and not (value[key] is None and name.endswith("?")):
            yield from differences(inner, value[key], met, f"{place}.{key}")
