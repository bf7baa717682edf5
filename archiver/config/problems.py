"""Turns pydantic's findings into lines that name the place, the mistake and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def describe(
    error: ValidationError, document: Mapping[str, Any], model: type[BaseModel]
) -> list[str]:
    """Say each mistake in a line: "accounts.a.api_kye is not known; did you mean api_key?"."""
    return [_line(details, document, model) for details in error.errors(include_url=False)]


def _line(details: ErrorDetails, document: Mapping[str, Any], model: type[BaseModel]) -> str:
    place = _place(details["loc"], document)
    path = ".".join(place) or "the config"
    kind, context = details["type"], details.get("ctx") or {}
    if kind == "extra_forbidden":
        return f"{path} is not known{_nearest(place[-1], _siblings(details['loc'], model))}"
    if kind == "missing":
        return f"{path} is missing"
    if kind in ("union_tag_invalid", "literal_error", "enum"):
        expected = str(context.get("expected_tags") or context.get("expected"))
        discriminator = str(context.get("discriminator", "")).strip("'")
        given = str(context.get("tag", details["input"]))
        words = [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]
        named = f"{path}.{discriminator}" if discriminator else path
        return f"{named} = {given!r} is not one of {', '.join(words)}{_nearest(given, words)}"
    if kind == "union_tag_not_found":
        return f"{path}.{str(context.get('discriminator')).strip(chr(39))} is missing"
    if kind == "value_error":
        return f"{path} {context.get('error', details['msg'])}"
    return f"{path}: {details['msg'][0].lower()}{details['msg'][1:]}"


def _place(location: Iterable[str | int], document: Mapping[str, Any]) -> list[str]:
    """Drop the steps that pydantic adds for unions and for names: they stand in no file."""
    place: list[str] = []
    here: Any = document
    steps = [step for step in location if step != "[key]"]
    for position, step in enumerate(steps):
        is_last = position == len(steps) - 1
        if isinstance(here, Mapping) and step not in here and not is_last:
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
    return list(model.model_fields) if hasattr(model, "model_fields") else []


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
