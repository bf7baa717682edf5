"""Turns pydantic's findings into lines that name the place, the mistake and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from archiver.units import write_size

_MAY_BE_EMPTY = ("listen", "prefix")
_NEVER_EMPTY_LISTS = ("require", "roles", "kinds", "command", "to")
SIZES_FROM = 1 << 20
"""A bound so large is one of bytes."""
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}
_FORMS = {
    "bucket": "is no name of a bucket: letters, digits, dots and dashes, 3 to 63 of them",
    "region": "is no name of a region, such as us-east-1",
    "storage_class": 'should be a word in capitals such as "STANDARD_IA"',
}
_SOURCE = (
    'should be { env = "…" }, { file = "…" }, { credential = "…" } or { command = ["…"] }, '
    "the place where the secret is kept"
)
_KINDS = {
    "int": "should be a whole number",
    "bool": "should be true or false",
    "string": "should be a text in quotes",
    "path": "should be a path in quotes",
    "tuple": 'should be a list such as ["…", "…"]',
    "model": "should be a table with options of its own",
    "dict": "should be a table with options of its own",
}
"""What each kind of option takes, by the first word of pydantic's name for the mistake."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: the key that it is about, and what is said of it."""

    path: tuple[str, ...]
    text: str


def describe(
    error: ValidationError, document: Mapping[str, Any], model: type[BaseModel]
) -> list[Problem]:
    """Say each mistake in a line: "accounts.a.api_kye is not known; did you mean api_key?".

    What is empty was told by `find_empty`; what it is besides is no second mistake.
    """
    empty = {path for path, _ in _empty_places(document)}
    found = [(_place(details, document), details) for details in error.errors(include_url=False)]
    return [
        Problem(tuple(place), _line(place, details, model))
        for place, details in found
        if tuple(place) not in empty
    ]


def find_empty(document: Mapping[str, Any]) -> list[Problem]:
    """Name every option that is set to nothing: it would silently mean something else."""
    return [
        Problem(path, f"{'.'.join(path)} is {what}: give it a value, or leave it out")
        for path, what in _empty_places(document)
    ]


def _empty_places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        return [
            place for name, one in value.items() for place in _empty_places(one, (*path, str(name)))
        ]
    name = path[-1] if path else ""
    if isinstance(value, str) and not value.strip() and name not in _MAY_BE_EMPTY:
        return [(path, "empty")]
    if isinstance(value, list) and not value and name in _NEVER_EMPTY_LISTS:
        return [(path, "an empty list")]
    return []


def _line(place: list[str], details: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx") or {}
    is_entry = bool(place) and place[-1].isdigit()
    path = ".".join(place[:-1] if is_entry else place) or "the config"
    if kind == "extra_forbidden":
        return f"{path} is not known{_nearest(place[-1], _siblings(details['loc'], model))}"
    if kind == "missing":
        return f"{path} is missing"
    if kind in ("union_tag_invalid", "literal_error", "enum"):
        return _choice(f"{path}:" if is_entry else path, details)
    if kind == "union_tag_not_found":
        return f"{path}.{str(context.get('discriminator')).strip(chr(39))} is missing"
    if kind == "value_error":
        is_about_several = bool(place) and details["loc"][-1] not in (place[-1], "[key]")
        return f"{path}{':' * is_about_several} {context.get('error', details['msg'])}"
    return f"{path} {_expected(kind, context, place)}"


def _choice(path: str, details: ErrorDetails) -> str:
    """Say which words there are, and the nearest one."""
    context = details.get("ctx") or {}
    expected = str(context.get("expected_tags") or context.get("expected"))
    discriminator = str(context.get("discriminator", "")).strip("'")
    given = str(context.get("tag", details["input"]))
    words = [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]
    named = f"{path}.{discriminator}" if discriminator else path
    equals = "" if named.endswith(":") else " ="
    return f"{named}{equals} {given!r} is not one of {', '.join(words)}{_nearest(given, words)}"


def _expected(kind: str, context: Mapping[str, Any], place: list[str]) -> str:
    """Say what should stand there, in the words of somebody who writes a config."""
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        bound = context[key]
        return f"should be {word} {write_size(bound) if bound >= SIZES_FROM else bound}"
    if kind == "string_pattern_mismatch":
        return _FORMS.get(place[-1], "has a form that is not allowed")
    if kind == "model_type" and context.get("class_name") == "SecretSource":
        return _SOURCE
    if kind in ("dict_type", "too_short") and len(place) == 1:
        return f"needs a table such as [{place[0]}.NAME], at least one"
    return _KINDS.get(kind.partition("_")[0], f"cannot be used: {kind.replace('_', ' ')}")


def _place(details: ErrorDetails, document: Mapping[str, Any]) -> list[str]:
    """Drop the steps that pydantic adds for unions and for names: they stand in no file."""
    place: list[str] = []
    here: Any = document
    steps = [step for step in details["loc"] if step != "[key]"]
    for position, step in enumerate(steps):
        is_missing = position == len(steps) - 1 and details["type"] == "missing"
        if isinstance(here, Mapping) and step not in here and not is_missing:
            continue
        if not isinstance(here, Mapping | list) and not isinstance(step, int):
            continue
        place.append(str(step))
        here = here.get(step) if isinstance(here, Mapping) else None
    return place


def _siblings(location: Iterable[str | int], model: Any) -> list[str]:
    """The keys that are known where an unknown one stands."""
    for step in list(location)[:-1]:
        model = _child(model, str(step))
    models = [choice for choice in _flatten(model) if hasattr(choice, "model_fields")]
    fields = models[0].model_fields if models else {}
    return [field.alias or name for name, field in fields.items()]


def _child(model: Any, step: str) -> Any:
    fields = getattr(model, "model_fields", None)
    if fields is not None:
        return fields[step].annotation if step in fields else None
    if getattr(model, "__origin__", None) is dict:
        return get_args(model)[1]
    options = [choice for choice in _flatten(model) if hasattr(choice, "model_fields")]
    matching = [choice for choice in options if _tag(choice) == step]
    found = (matching or options or [None])[0]
    return found if matching or found is None else _child(found, step)


def _flatten(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [leaf for part in inner for leaf in _flatten(part)] if inner else [annotation]


def _tag(model: type[BaseModel]) -> str | None:
    for name in ("provider", "type"):
        if name in model.model_fields:
            values = get_args(model.model_fields[name].annotation)
            return str(values[0]) if values else None
    return None


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
