"""Proves that what was stored is still there, byte for byte, and finds what is not (promise 7).

Every verify lists each destination, a thousand names a request, and so finds at once what is
missing, has another size, or is foreign. Then it reads what is due.

**The rotation.** Of each destination the copies are read whose proof is oldest, by their bytes:
the share `every / cycle` of all bytes, and in any case every copy whose proof would be older
than `cycle` before the next verify. So each copy is read at least once in `cycle`, whatever is
stored meanwhile, and the work of all verifies is about the same. What is known to be wrong is
read first, and every time, until it is healed. The order is in the index: a verify that was
stopped, or whose budget ran out, goes on where it was.

**Beside a run.** A verify may take hours and a run must not wait for it, so it does not take the
run's lock, only one that keeps a second verify out. What a run may just be writing is looked at
again together with its row before it is called wrong, and what is still under way is left for
the next verify: what is younger than an hour (`census.YOUNG`) and the sidecar of a generation
that waits for its next try, a file without a receipt of such a generation, or a file with a name
of the archive. Such a generation may wait for days, until a destination is back: what it has
stored elsewhere is proven meanwhile like everything else.

**What is known.** What an earlier verify found wrong and this one did not read again is still
wrong. It is reported as known, and nothing counts as verified of which a due copy was not read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta

from archiver.actions.archive import Archive
from archiver.actions.marker import check_marker
from archiver.actions.parallel import in_parallel
from archiver.actions.verifying.judging import Judge
from archiver.actions.verifying.listing import SKEW, compare_listing
from archiver.actions.verifying.reading import Look, Source
from archiver.errors import DestinationError
from archiver.index import jobs, ledger, proofs, standing
from archiver.index.proofs import Held
from archiver.model import Fault

JOB = "verify"
"""Its name among the jobs of the index."""
BATCH = 256
SAVE_SECONDS = 5.0
LONGEST_CYCLE = timedelta(days=36525)
"""No time of the index is older than that; longer ones would leave the calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What is read: what is due in a rotation of `cycle` made every `every`, all, or nothing.

    No read begins after `budget`.
    """

    every: timedelta
    cycle: timedelta
    is_all: bool = False
    is_quick: bool = False
    budget: timedelta | None = None
    concurrency: int = 16


@dataclass(slots=True)
class VerifyReport:
    """What a verify did. `unusable` names destinations that could not be looked at, and why.

    `frozen` copies lie in an archive tier; `under_way` ones are just being written. `overdue`
    ones were not read within the cycle, because the budget was too small. Of all `faults` so many
    are `known` from an earlier verify, and were not read again by this one.
    """

    listed: int = 0
    due: int = 0
    due_bytes: int = 0
    read: int = 0
    read_bytes: int = 0
    frozen: int = 0
    under_way: int = 0
    unread: int = 0
    overdue: int = 0
    known: int = 0
    foreign: int = 0
    faults: dict[Fault, int] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    @property
    def obstacle(self) -> str | None:
        """What kept it from looking at all that was due, in words."""
        away = [f"{name} could not be looked at: {why}" for name, why in self.unusable.items()]
        late = [f"{self.overdue} due copies were not read within the cycle"] if self.overdue else []
        return "; ".join(away + late) or None

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong, as far as was looked, and nothing is known to be."""
        return not (self.faults or self.foreign or self.unusable or self.overdue)


def verify(
    archive: Archive,
    names: Collection[str],
    options: VerifyOptions,
    stopping: threading.Event,
    on_progress: Callable[[VerifyReport], None] = lambda _: None,
) -> VerifyReport:
    """Look at these destinations, and write what is proven and what is wrong into the index.

    `verify_findings.findings` then names what is wrong, as long as the index stays open.
    """
    if options.is_quick:
        return _look(archive, names, options, stopping, on_progress)
    jobs.remember_try(archive.index, JOB, archive.clock())
    with jobs.breaking_off_noted(archive.index, JOB, archive.clock):
        report = _look(archive, names, options, stopping, on_progress)
    jobs.remember_end(archive.index, JOB, archive.clock(), report.obstacle)
    return report


def _look(
    archive: Archive,
    names: Collection[str],
    options: VerifyOptions,
    stopping: threading.Event,
    on_progress: Callable[[VerifyReport], None],
) -> VerifyReport:
    report, started_at = VerifyReport(), archive.clock()
    proofs.begin(archive.index)
    sources: dict[str, Source] = {}
    for name in sorted(names):
        try:
            source = open_source(archive, name, stopping)
            if source is None:
                continue
            report.listed += compare_listing(archive, source)
        except DestinationError as error:
            report.unusable[name] = str(error)
            continue
        sources[name] = source
        on_progress(report)
    if not options.is_quick:
        reading = _Reading(archive, sources, options, report, on_progress)
        reading.go()
        for name, source in sources.items():
            if source.away is not None:
                report.unusable[name] = str(source.away)
            elif name in reading.finished:
                standing.remember_verify(archive.index, name, started_at)
    report.known = proofs.note_known(archive.index, names)
    report.faults = proofs.count_noted(archive.index)
    report.foreign = sum(
        standing.standing(archive.index, name).strays for name in sources.keys() - report.unusable
    )
    return report


def open_source(archive: Archive, name: str, stopping: threading.Event) -> Source | None:
    """Open a destination for reading; None when nothing was ever stored there.

    Raises DestinationError when the archive that should be there is not.
    """
    if ledger.archive_id(archive.index, name) is None:
        return None
    destination = archive.destinations[name]
    identity = check_marker(archive.index, destination).identity
    return Source(destination, identity, archive.clock, stopping)


class _Reading:
    """Reads what is due on some threads; has the results judged, and writes them, in this one."""

    def __init__(
        self,
        archive: Archive,
        sources: dict[str, Source],
        options: VerifyOptions,
        report: VerifyReport,
        on_progress: Callable[[VerifyReport], None],
    ) -> None:
        self._archive = archive
        self._sources = sources
        self._options = options
        self._report = report
        self._on_progress = on_progress
        self.finished: frozenset[str] = frozenset()
        self._read_at: set[str] = set()
        self._started_at = archive.clock()
        self._judge = Judge(archive.index, sources)
        self._looks: list[Look] = []
        self._saved_at = time.monotonic()

    def go(self) -> None:
        """Read all that is due, or as much as the budget allows.

        Then `finished` names the destinations of which something was read, and all that was due.
        """
        options, report, index = self._options, self._report, self._archive.index
        share = 1.0 if options.is_all else min(1.0, options.every / options.cycle)
        cycle = min(options.cycle, LONGEST_CYCLE)
        too_old = self._started_at + options.every - cycle
        report.due, report.due_bytes = proofs.choose_due(
            index, self._sources, share, too_old, self._started_at + SKEW
        )
        try:
            with closing(self._results()) as looks:
                for look in looks:
                    self._take(look)
        finally:
            self._save()  # also when it was stopped: the next verify goes on from there
        begun = report.due - report.unread
        report.overdue = proofs.count_overdue(index, begun, self._started_at - cycle)
        self.finished = frozenset(self._read_at - proofs.unread_at(index, begun))

    def _results(self) -> Generator[Look]:
        yield from in_parallel(
            lambda held: self._sources[held.destination].look(held),
            self._affordable(),
            self._options.concurrency,
            "verify",
        )

    def _affordable(self) -> Iterator[Held]:
        """Name what is due until the budget is spent."""
        budget = self._options.budget
        for begun, held in enumerate(proofs.due(self._archive.index)):
            if budget is not None and self._archive.clock() - self._started_at >= budget:
                self._report.unread = self._report.due - begun
                return
            yield held

    def _take(self, look: Look) -> None:
        self._report.frozen += look.is_frozen
        if look.proof is not None:
            self._looks.append(look)
            self._report.read += 1
            self._read_at.add(look.held.destination)
            self._report.read_bytes += look.proof.found.size_bytes if look.proof.found else 0
        if len(self._looks) >= BATCH or time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save()
        self._on_progress(self._report)

    def _save(self) -> None:
        """Judge what was read, and write it."""
        looks, self._looks = self._looks, []
        self._saved_at = time.monotonic()
        proofs.record(self._archive.index, self._judge.judge(looks))
        self._report.under_way = self._judge.under_way
