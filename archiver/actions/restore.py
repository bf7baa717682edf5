"""Gives files back: from the best destination that holds a good copy, proven byte by byte.

Every file is hashed while it is written and appears under its name only when it is right; a
copy that is bad or missing is replaced by one from another destination, and reported. What is
already whole at the target is not fetched again, so an interrupted restore just goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from archiver.actions.restoring.file import Done, End, Work, give_back, judge, look
from archiver.actions.restoring.plan import (
    Layout,
    Overwrite,
    RestoreOptions,
    RestoreReport,
    Wanted,
    plan,
)
from archiver.actions.restoring.sources import Sources
from archiver.errors import DestinationForbidden, DestinationUnavailable
from archiver.index import Index, queries
from archiver.index.queries import Filters
from archiver.model import Digest
from archiver.storage.base import Destination
from archiver.units import format_size

__all__ = [
    "Layout",
    "Overwrite",
    "RestoreOptions",
    "RestoreReport",
    "Wanted",
    "plan",
    "restore",
]

MAX_SHOWN_HEALED = 200
TICK_SECONDS = 0.2


def restore(
    index: Index,
    sources: Mapping[str, Destination],
    target: Destination,
    target_path: Path,
    filters: Filters,
    options: RestoreOptions,
    on_progress: Callable[[RestoreReport], None] = lambda _: None,
) -> RestoreReport:
    """Write what the filters choose into `target`, the local destination at `target_path`.

    Raises DestinationUnavailable when the target's disk is full or failing, or when no source can
    be read any more. What was restored so far stays, and the next restore goes on from there.
    """
    report = RestoreReport()
    report.wanted, report.wanted_bytes = queries.weigh(index, filters)
    if options.is_dry_run:
        return _rehearse(index, sources, target, filters, options, report)
    see = _see_nothing if options.overwrite is Overwrite.ALWAYS else partial(look, target)
    work = Work(Sources(sources), target, target_path, options)
    with ThreadPoolExecutor(options.concurrency, "restore") as workers:
        ended: SimpleQueue[Future[Done]] = SimpleQueue()
        running = 0
        try:
            for one in plan(index, sources, filters, options, report, see):
                workers.submit(give_back, one, work).add_done_callback(ended.put)
                running += 1
                while running >= options.concurrency * 2:
                    running -= _collect(ended, work, report, on_progress)
            while running:
                running -= _collect(ended, work, report, on_progress)
        except DestinationUnavailable as error:
            raise _with_standing(error, report) from error
        finally:
            workers.shutdown(wait=False, cancel_futures=True)
    _conclude(work, report)
    return report


def _with_standing(error: DestinationUnavailable, report: RestoreReport) -> DestinationUnavailable:
    """Add to an error that ends a restore how far it came; its class stays."""
    done = report.files + report.present
    return type(error)(
        f"{error}; {done} of {report.wanted} files are restored, and the same command goes on"
    )


def _conclude(work: Work, report: RestoreReport) -> None:
    """Say what holds for the whole restore, each in one line."""
    report.left_out += [f"{name} was left out: {one}" for name, one in work.sources.out.items()]
    if report.failed > len(report.problems):
        report.problems.append(f"and {report.failed - len(report.problems)} more")
    if report.frozen:
        what = f"{report.frozen} files ({format_size(report.frozen_bytes)}) lie in an archive tier"
        is_asked = work.options.thaw_days is not None
        report.problems.append(
            f"{what}: they were asked for; run the same again in some hours"
            if is_asked
            else f"{what}: --request-thaw asks the store for them, which it may charge for"
        )


def _rehearse(
    index: Index,
    sources: Mapping[str, Destination],
    target: Destination,
    filters: Filters,
    options: RestoreOptions,
    report: RestoreReport,
) -> RestoreReport:
    """Count what a restore would do; what is there is judged by its size alone."""

    def see(key: str, digest: Digest) -> bool | None:
        stored = None if options.overwrite is Overwrite.ALWAYS else target.stat(key)
        return None if stored is None else stored.size_bytes == digest.size_bytes

    is_named = options.layout is not Layout.ARCHIVE
    for one in plan(index, sources, filters, options, report, see):
        found = (one.is_there or None) if is_named else see(one.target_key, one.digest)
        _count(Done(one, judge(found, options.overwrite) or End.WRITTEN), report)
    return report


def _see_nothing(_key: str, _digest: Digest) -> bool | None:
    return None


def _collect(
    ended: SimpleQueue[Future[Done]],
    work: Work,
    report: RestoreReport,
    on_progress: Callable[[RestoreReport], None],
) -> int:
    """Count the next file that ends, if any does soon; tells how far all is in any case."""
    try:
        future = ended.get(timeout=TICK_SECONDS)
    except Empty:
        future = None
    if future is not None:
        _count(future.result(), report)
    report.done_bytes = work.done_bytes
    on_progress(report)
    refusal = work.sources.last_refusal
    if refusal is not None:
        raise refusal
    return int(future is not None)


def _count(done: Done, report: RestoreReport) -> None:
    size_bytes = done.wanted.digest.size_bytes
    if done.end is End.FAILED:
        reasons = "; ".join(map(str, done.errors))
        report.add_problem(f"{done.wanted.key}: {reasons}")
        report.is_refused |= any(isinstance(one, DestinationForbidden) for one in done.errors)
    elif done.end is End.FROZEN:
        report.frozen += 1
        report.frozen_bytes += size_bytes
    elif done.end is End.KEPT:
        report.kept += 1
    elif done.end is End.PRESENT:
        report.present += 1
        report.present_bytes += size_bytes
    else:
        report.files += 1
        report.size_bytes += size_bytes
        if done.errors and len(report.healed) < MAX_SHOWN_HEALED:
            report.healed += map(str, done.errors)
