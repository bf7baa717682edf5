"""Says where a sidecar that can be read says other than the index."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from archiver.index.rows import Known
from archiver.model import Generation, Media
from archiver.sidecar import Sidecar

_IDENTITY = ("provider", "account", "id")
_NOT_IN_SIDECAR = ("assets",)


def names_other_files(content: Sidecar, known: Known, held: Collection[str]) -> bool:
    """Tell whether a sidecar is of another generation, or names other files than the index.

    `held` are the keys of the assets of which its destination has a copy: it may lack others,
    which are still to be brought there.
    """
    if any(_differ(content.generation, known.generation, name) for name in _IDENTITY):
        return True
    listed = {media.key: _describe(media) for media in content.media}
    kept = {one.asset.key: _describe(one.media) for one in known.assets if one.media is not None}
    is_other = any(kept.get(key) != media for key, media in listed.items())
    return is_other or any(key in held and key not in listed for key in kept)


def says_other(content: Sidecar, known: Known, held: Collection[str]) -> bool:
    """Tell whether a sidecar differs from the index in anything that it says."""
    facts = [one.name for one in fields(Generation) if one.name not in _NOT_IN_SIDECAR]
    missing = tuple(one.missing for one in known.assets if one.missing is not None)
    return (
        names_other_files(content, known, held)
        or any(_differ(content.generation, known.generation, name) for name in facts)
        or sorted(content.missing, key=lambda one: one.key)
        != sorted(missing, key=lambda one: one.key)
        or content.archived_at != known.archived_at
    )


def _differ(one: Generation, other: Generation, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def _describe(media: Media) -> tuple[object, ...]:
    return media.path, media.digest, media.role
