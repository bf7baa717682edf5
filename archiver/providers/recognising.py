"""Which provider a body may come from, by its shape alone: for `ingest` without an account."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

from archiver.providers import PROVIDERS


def recognise(body: Mapping[str, object]) -> tuple[str, ...]:
    """Name the providers whose shape a body has: none, one, or several that look alike."""
    return tuple(name for name in PROVIDERS if _module(name).recognises(body))


def _module(name: str) -> ModuleType:
    return import_module(PROVIDERS[name])
