"""Says which files are given back, where their copies are, and what they are called at the target.

In the archive's layout a name belongs to one file for good. In the others names are given anew
each time, the oldest generation first, so that a file that came later takes no name away; and
what is there already under a name, and is another file, keeps it: the new one gets a number.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from archiver import keys, sidecar
from archiver.index import Index, queries
from archiver.index.queries import Copy, Filters
from archiver.index.rows import Known
from archiver.model import Digest, Media

MAX_SHOWN_PROBLEMS = 200


class Layout(StrEnum):
    """How restored files are named."""

    ARCHIVE = "archive"
    FLAT = "flat"
    ORIGINAL = "original"


class Overwrite(StrEnum):
    """What happens to a file that is already at the target."""

    NEVER = "never"
    CHANGED = "changed"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """How files are given back. `prefer` names the destination to read from first.

    `thaw_days` asks for files in an archive tier, for so many days; None leaves them there.
    """

    layout: Layout = Layout.ARCHIVE
    overwrite: Overwrite = Overwrite.CHANGED
    with_sidecars: bool = False
    is_dry_run: bool = False
    prefer: str | None = None
    thaw_days: int | None = None
    concurrency: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One file to give back: what it must be, where copies are, where it goes.

    `is_there` tells that the target was seen to hold exactly this file already.
    """

    key: str
    digest: Digest
    media_type: str
    copies: tuple[str, ...]
    target_key: str
    created_at: datetime | None
    is_there: bool = False


@dataclass(slots=True)
class RestoreReport:
    """What was given back. `healed` names bad copies that another destination stood in for.

    `present` were there and whole; `kept` are other files that were there and stay. `frozen` lie
    in an archive tier. `wanted` and `wanted_bytes` are all that was asked for, `done_bytes` how
    far it is. `left_out` names sources that were given up; `is_refused` tells that one refused
    the credentials. `problems` holds the first lines of what `failed`.
    """

    files: int = 0
    size_bytes: int = 0
    present: int = 0
    present_bytes: int = 0
    kept: int = 0
    frozen: int = 0
    frozen_bytes: int = 0
    failed: int = 0
    generations: int = 0
    wanted: int = 0
    wanted_bytes: int = 0
    done_bytes: int = 0
    is_refused: bool = False
    healed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add_problem(self, line: str) -> None:
        """Count one file that could not be given back."""
        self.failed += 1
        if len(self.problems) < MAX_SHOWN_PROBLEMS:
            self.problems.append(line)


Look = Callable[[str, Digest], bool | None]
"""Tells whether the target holds this file under a key; None when there is nothing."""


def plan(
    index: Index,
    sources: Collection[str],
    filters: Filters,
    options: RestoreOptions,
    report: RestoreReport,
    look: Look = lambda _key, _digest: None,
) -> Iterator[Wanted]:
    """Name the files to give back, generation by generation; those without a copy are problems."""
    names = _Names(options.layout, look)
    for known in _in_order(index, filters, options.layout):
        report.generations += 1
        copies = queries.copies(index, known.number)
        for media in _chosen(known, filters):
            held = _order(copies, media.key, sources, options.prefer)
            if not held:
                report.add_problem(f"{media.path}: no destination at hand holds it")
                continue
            target_key, is_there = names.of(known, media)
            yield Wanted(
                key=media.path,
                digest=media.digest,
                media_type=media.media_type,
                copies=held,
                target_key=target_key,
                created_at=known.generation.created_at,
                is_there=is_there,
            )
        if options.with_sidecars:
            yield from _sidecars(known, copies, sources, options, names)


def _in_order(index: Index, filters: Filters, layout: Layout) -> Iterator[Known]:
    """The newest first, as everywhere; where names are given the oldest first."""
    if layout is Layout.ARCHIVE:
        yield from queries.find(index, filters)
        return
    for number in queries.numbers(index, filters):
        yield queries.load(index, number)


def _chosen(known: Known, filters: Filters) -> Iterator[Media]:
    for asset in known.assets:
        media = asset.media
        if media is None or (filters.roles and media.role not in filters.roles):
            continue
        if filters.kinds and not {media.kind, known.generation.kind} & set(filters.kinds):
            continue
        yield media


def _order(
    copies: list[Copy], asset_key: str, sources: Collection[str], prefer: str | None
) -> tuple[str, ...]:
    """Name who holds a file: the preferred one first, those known to be at fault last."""
    held = {
        copy.receipt.destination: copy.fault is not None
        for copy in copies
        if copy.asset_key == asset_key
    }
    found = (name for name in sources if name in held)
    return tuple(sorted(found, key=lambda name: (held[name], name != prefer)))


def _sidecars(
    known: Known,
    copies: list[Copy],
    sources: Collection[str],
    options: RestoreOptions,
    names: _Names,
) -> Iterator[Wanted]:
    """The sidecar, from the destinations that hold its newest text."""
    own = [copy for copy in copies if copy.is_sidecar and copy.receipt.destination in sources]
    if not own:
        return
    newest = max(own, key=lambda copy: copy.receipt.stored_at).receipt
    same = [copy for copy in own if copy.receipt.digest == newest.digest]
    target_key, is_there = names.free(newest.key, newest.digest)
    yield Wanted(
        key=newest.key,
        digest=newest.digest,
        media_type=sidecar.MEDIA_TYPE,
        copies=_order(same, same[0].asset_key, sources, options.prefer),
        target_key=target_key,
        created_at=known.generation.created_at,
        is_there=is_there,
    )


class _Names:
    """Chooses target names; two files never share one, and order decides who gets a number."""

    def __init__(self, layout: Layout, look: Look) -> None:
        self._layout = layout
        self._look = look
        self._taken: set[str] = set()

    def of(self, known: Known, media: Media) -> tuple[str, bool]:
        """Name one file at the target, and tell whether it is there already."""
        if self._layout is Layout.ORIGINAL and media.original_name:
            stem, _, _ = media.original_name.rpartition(".")
            suffix = posixpath.splitext(media.path)[1]
            name = keys.make_part(stem or media.original_name) + suffix
            return self.free(name, media.digest)
        return self.free(media.path, media.digest)

    def free(self, key: str, digest: Digest) -> tuple[str, bool]:
        """Return the name the layout gives to a key, numbered when another file has it."""
        if self._layout is Layout.ARCHIVE:
            return key, False
        stem, suffix = posixpath.splitext(posixpath.basename(key))
        name, number = f"{stem}{suffix}", 1
        while True:
            if keys.fold(name) not in self._taken:
                found = self._look(name, digest)
                if found is not False:
                    self._taken.add(keys.fold(name))
                    return name, found is True
            number += 1
            name = f"{stem} ({number}){suffix}"
