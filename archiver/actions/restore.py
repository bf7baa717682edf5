"""Gives files back: from the best destination that holds a good copy, proven byte by byte.

Every file is hashed while it is written and appears under its name only when it is right; a
copy that is bad or missing is replaced by one from another destination, and reported. What is
already whole at the target is not fetched again, so an interrupted restore just goes on.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from archiver import keys, sidecar
from archiver.actions.copying import copy_file, holds
from archiver.errors import DestinationError
from archiver.index import Index, queries
from archiver.index.queries import Copy, Filters
from archiver.index.rows import Known
from archiver.model import Digest, Media
from archiver.storage.base import Destination

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
    """How files are given back. `prefer` names the destination to read from first."""

    layout: Layout = Layout.ARCHIVE
    overwrite: Overwrite = Overwrite.CHANGED
    with_sidecars: bool = False
    is_dry_run: bool = False
    prefer: str | None = None
    concurrency: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One file to give back: what it must be, where copies are, where it goes."""

    key: str
    digest: Digest
    media_type: str
    copies: tuple[str, ...]
    target_key: str
    created_at: datetime | None


@dataclass(slots=True)
class RestoreReport:
    """What was given back. `healed` names bad copies that another destination stood in for."""

    files: int = 0
    size_bytes: int = 0
    present: int = 0
    failed: int = 0
    generations: int = 0
    healed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Done:
    """How one file ended."""

    wanted: Wanted
    is_written: bool
    bad_copies: tuple[str, ...] = ()
    error: str | None = None


def restore(
    index: Index,
    sources: Mapping[str, Destination],
    target: Destination,
    target_path: Path,
    filters: Filters,
    options: RestoreOptions,
    on_progress: Callable[[RestoreReport], None] = lambda _: None,
) -> RestoreReport:
    """Write what the filters choose into `target`, the local destination at `target_path`."""
    report = RestoreReport()
    wanted = plan(index, sources, filters, options, report)
    if options.is_dry_run:
        for one in wanted:
            report.files += 1
            report.size_bytes += one.digest.size_bytes
        return report
    with ThreadPoolExecutor(options.concurrency, "restore") as workers:
        running: set[Future[_Done]] = set()
        for one in wanted:
            if len(running) >= options.concurrency * 2:
                running = _collect(running, report, on_progress)
            running.add(workers.submit(_give_back, one, sources, target, target_path, options))
        while running:
            running = _collect(running, report, on_progress)
    return report


def plan(
    index: Index,
    sources: Mapping[str, Destination],
    filters: Filters,
    options: RestoreOptions,
    report: RestoreReport,
) -> Iterator[Wanted]:
    """Name the files to give back, generation by generation; those without a copy are problems."""
    names = _Names(options.layout)
    for known in queries.find(index, filters):
        report.generations += 1
        copies = queries.copies(index, known.number)
        for media in _chosen(known, filters):
            held = _order(copies, media.key, sources, options.prefer)
            if not held:
                _problem(report, f"{media.path}: no destination at hand holds it")
                continue
            yield Wanted(
                key=media.path,
                digest=media.digest,
                media_type=media.media_type,
                copies=held,
                target_key=names.of(known, media),
                created_at=known.generation.created_at,
            )
        if options.with_sidecars:
            yield from _sidecars(known, copies, sources, options, names)


def _chosen(known: Known, filters: Filters) -> Iterator[Media]:
    for asset in known.assets:
        media = asset.media
        if media is None or (filters.roles and media.role not in filters.roles):
            continue
        if filters.kinds and not {media.kind, known.generation.kind} & set(filters.kinds):
            continue
        yield media


def _order(
    copies: list[Copy], asset_key: str, sources: Mapping[str, Destination], prefer: str | None
) -> tuple[str, ...]:
    held = {copy.receipt.destination for copy in copies if copy.asset_key == asset_key}
    return tuple(
        sorted((name for name in sources if name in held), key=lambda name: name != prefer)
    )


def _sidecars(
    known: Known,
    copies: list[Copy],
    sources: Mapping[str, Destination],
    options: RestoreOptions,
    names: _Names,
) -> Iterator[Wanted]:
    """The sidecar, from the destinations that hold its newest text."""
    own = [copy for copy in copies if copy.is_sidecar and copy.receipt.destination in sources]
    if not own:
        return
    newest = max(own, key=lambda copy: copy.receipt.stored_at).receipt
    same = [copy for copy in own if copy.receipt.digest == newest.digest]
    yield Wanted(
        key=newest.key,
        digest=newest.digest,
        media_type=sidecar.MEDIA_TYPE,
        copies=_order(same, same[0].asset_key, sources, options.prefer),
        target_key=names.free(newest.key),
        created_at=known.generation.created_at,
    )


class _Names:
    """Chooses target names; two files never share one, and order decides who gets a number."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._taken: set[str] = set()

    def of(self, known: Known, media: Media) -> str:
        """Name one file at the target."""
        if self._layout is Layout.ORIGINAL and media.original_name:
            stem, _, _ = media.original_name.rpartition(".")
            suffix = posixpath.splitext(media.path)[1]
            return self.free(keys.make_part(stem or media.original_name) + suffix)
        return self.free(media.path)

    def free(self, key: str) -> str:
        """Return the name the layout gives to a key, numbered when it is taken."""
        if self._layout is Layout.ARCHIVE:
            return key
        stem, suffix = posixpath.splitext(posixpath.basename(key))
        name, number = f"{stem}{suffix}", 1
        while keys.fold(name) in self._taken:
            number += 1
            name = f"{stem} ({number}){suffix}"
        self._taken.add(keys.fold(name))
        return name


def _give_back(
    wanted: Wanted,
    sources: Mapping[str, Destination],
    target: Destination,
    target_path: Path,
    options: RestoreOptions,
) -> _Done:
    """Write one file from the first copy that proves to be right."""
    bad: list[str] = []
    try:
        if _is_left_alone(wanted, target, options.overwrite):
            return _Done(wanted, is_written=False)
        for name in wanted.copies:
            try:
                copy_file(
                    sources[name],
                    target,
                    wanted.key,
                    wanted.digest,
                    wanted.media_type,
                    wanted.target_key,
                )
            except DestinationError as error:
                bad.append(str(error))
                continue
            _set_time(target_path / wanted.target_key, wanted.created_at)
            return _Done(wanted, is_written=True, bad_copies=tuple(bad))
    except DestinationError as error:
        bad.append(str(error))
    return _Done(wanted, is_written=False, error="; ".join(bad))


def _is_left_alone(wanted: Wanted, target: Destination, overwrite: Overwrite) -> bool:
    if overwrite is Overwrite.ALWAYS:
        return False
    if overwrite is Overwrite.NEVER:
        return target.stat(wanted.target_key) is not None
    return holds(target, wanted.target_key, wanted.digest)


def _set_time(path: Path, moment: datetime | None) -> None:
    if moment is not None:
        os.utime(path, (moment.timestamp(), moment.timestamp()))


def _collect(
    running: set[Future[_Done]],
    report: RestoreReport,
    on_progress: Callable[[RestoreReport], None],
) -> set[Future[_Done]]:
    ended, left = wait(running, return_when=FIRST_COMPLETED)
    for future in ended:
        _count(future.result(), report)
    on_progress(report)
    return set(left)


def _count(done: _Done, report: RestoreReport) -> None:
    if done.error is not None:
        _problem(report, f"{done.wanted.key}: {done.error}")
    elif done.is_written:
        report.files += 1
        report.size_bytes += done.wanted.digest.size_bytes
        if done.bad_copies and len(report.healed) < MAX_SHOWN_PROBLEMS:
            report.healed += done.bad_copies
    else:
        report.present += 1


def _problem(report: RestoreReport, line: str) -> None:
    report.failed += 1
    if len(report.problems) < MAX_SHOWN_PROBLEMS:
        report.problems.append(line)
