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
the next verify: a sidecar of a generation that waits for its next try, a file without a receipt
of such a generation, and a young file with a name of the archive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta

from archiver.actions.archive import Archive
from archiver.actions.marker import check_marker
from archiver.actions.parallel import in_parallel
from archiver.actions.verifying.listing import compare_listing
from archiver.actions.verifying.reading import Look, Source
from archiver.actions.verifying.sidecar import names_other_files, says_other
from archiver.errors import DestinationError
from archiver.index import ledger, proofs, queries, standing
from archiver.index.proofs import Held, Proof
from archiver.model import Digest, Fault

Contents = Mapping[str, set[tuple[int, str]]]
"""By SHA-256 the copies that have this content, as generation number and asset key."""
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
    ones were not read within the cycle, because the budget was too small.
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
    foreign: int = 0
    faults: dict[Fault, int] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong, as far as was looked."""
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
        _Reading(archive, sources, options, report, on_progress).go()
        for name, source in sources.items():
            if source.away is not None:
                report.unusable[name] = str(source.away)
            else:
                standing.remember_verify(archive.index, name, started_at)
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
    """Reads what is due on some threads; judges and writes the results in this one."""

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
        self._started_at = archive.clock()
        self._looks: list[Look] = []
        self._saved_at = time.monotonic()

    def go(self) -> None:
        """Read all that is due, or as much as the budget allows."""
        options, report, index = self._options, self._report, self._archive.index
        share = 1.0 if options.is_all else min(1.0, options.every / options.cycle)
        cycle = min(options.cycle, LONGEST_CYCLE)
        too_old = self._started_at + options.every - cycle
        report.due, report.due_bytes = proofs.choose_due(index, self._sources, share, too_old)
        try:
            with closing(self._results()) as looks:
                for look in looks:
                    self._take(look)
        finally:
            self._save()  # also when it was stopped: the next verify goes on from there
        begun = report.due - report.unread
        report.overdue = proofs.count_overdue(index, begun, self._started_at - cycle)

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
            self._report.read_bytes += look.proof.found.size_bytes if look.proof.found else 0
        if len(self._looks) >= BATCH or time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save()
        self._on_progress(self._report)

    def _save(self) -> None:
        """Judge what was read, and write it; what looks wrong is first looked up again."""
        looks, self._looks = self._looks, []
        self._saved_at = time.monotonic()
        right, wrong = list[Proof](), list[Look]()
        for look in looks:
            if look.proof is not None and self._is_right(look):
                right.append(look.proof)
            elif (again := self._look_again(look)) is not None:
                wrong.append(again)
        found = {one.proof.found for one in wrong if one.proof is not None}
        contents = proofs.known_contents(
            self._archive.index, {digest.sha256 for digest in found if digest is not None}
        )
        judged = (self._judge(look, contents) for look in wrong)
        proofs.record(self._archive.index, [*right, *(one for one in judged if one is not None)])

    def _is_right(self, look: Look) -> bool:
        """Whether the bytes are the expected ones and, for a sidecar, what they say is known."""
        if look.proof is None or look.proof.fault is not None:
            return False
        if not look.held.is_sidecar or not look.held.is_settled:
            return True
        if look.content is None:
            return False
        known = queries.load(self._archive.index, look.held.number)
        return not names_other_files(look.content, known, self._held_with(look.held))

    def _held_with(self, held: Held) -> set[str]:
        """Name the assets of the same generation that the same destination has."""
        return {
            copy.asset_key
            for copy in queries.copies(self._archive.index, held.number)
            if copy.receipt.destination == held.destination
        }

    def _look_again(self, look: Look) -> Look | None:
        """Look at a copy anew that was replaced since it was read; None when it is gone."""
        again = proofs.load_again(self._archive.index, look.held)
        if again is None:
            return None
        if (again.digest, again.stored_at) != (look.held.digest, look.held.stored_at):
            return self._sources[again.destination].look(again)
        return Look(again, look.proof and replace(look.proof, held=again), look.content)

    def _judge(self, look: Look, contents: Contents) -> Proof | None:
        """Name what is wrong with a copy; None when nothing can be said of it now."""
        proof = look.proof
        if proof is None or proof.found is None or self._is_right(look):
            return proof
        if self._is_under_way(look):
            self._report.under_way += 1
            return None
        return replace(proof, fault=self._name(look, proof.found, contents))

    def _is_under_way(self, look: Look) -> bool:
        """Whether this is the new sidecar of a generation whose row still has to follow."""
        if look.content is None or look.held.is_settled:
            return False
        generation = look.content.generation
        return (generation.account, generation.id) == (look.held.account, look.held.generation_id)

    def _name(self, look: Look, found: Digest, contents: Contents) -> Fault:
        """Name what is wrong with a copy that could be read whole."""
        held = look.held
        is_other = found != held.digest
        if is_other and contents.get(found.sha256, set()) - {(held.number, held.asset_key)}:
            return Fault.SWAPPED
        if look.content is not None:
            known = queries.load(self._archive.index, held.number)
            if says_other(look.content, known, self._held_with(held)):
                return Fault.DISAGREES
        is_short = found.size_bytes < held.digest.size_bytes
        return Fault.TRUNCATED if is_short else Fault.DAMAGED
