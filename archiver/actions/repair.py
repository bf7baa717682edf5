"""Heals what `verify` found: media, sidecars, and what the index did not know (promise 7).

Every fault is looked at again before anything is written. A death at any moment leaves the fault
recorded and no good copy harmed: `repairing/media.py` says why. The media of a generation come
before its sidecar, as in every write order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from archiver.actions.capturing.commit import Progress, conclude, record_one
from archiver.actions.parallel import in_parallel
from archiver.actions.repairing.finding import INDEX, Means, Outcome, Repaired, tell
from archiver.actions.repairing.judging import guarded, take_in
from archiver.actions.repairing.media import heal_media
from archiver.actions.repairing.sidecar import heal_sidecar, learn
from archiver.actions.repairing.strays import refuse_stray, settle_stray
from archiver.errors import DestinationError
from archiver.index import faults, queries
from archiver.index.queries import Copy, Filters
from archiver.index.rows import Known
from archiver.model import Digest, Fault

REFUSED = Outcome.REFUSED


def repair(
    means: Means, filters: Filters, concurrency: int, *, with_strays: bool
) -> Iterator[Repaired]:
    """Heal what is known to be wrong; yields each finding with its end, as it comes."""
    index = means.archive.index
    suspects = faults.at_fault(index, filters, means.scope)
    for taken in in_parallel(partial(_take_in, means), suspects, concurrency, "repair"):
        yield from taken
    if with_strays:
        for stray in faults.strays(index, means.scope):
            if faults.is_stray(index, stray):  # no sidecar has just accounted for it
                try:
                    yield settle_stray(means, stray)
                except DestinationError as error:
                    yield refuse_stray(stray, error)
    numbers = faults.at_fault(index, filters, means.scope)
    for ends in in_parallel(partial(_heal_one, means), numbers, concurrency, "repair"):
        yield from ends


def _take_in(means: Means, number: int) -> list[Repaired]:
    """First of all let the index learn from newer sidecars: it may come from an old backup."""
    ends: list[Repaired] = []
    for copy in _at_fault(means, number):
        if not copy.is_sidecar:
            continue
        try:
            taken = take_in(means, queries.load(means.archive.index, number), copy)
        except DestinationError:
            continue  # what is in the way is said when the sidecar's turn comes
        ends += [taken] if taken is not None else []
    return ends


def _heal_one(means: Means, number: int) -> list[Repaired]:
    """Heal one generation; what healing finds wrong with further copies is healed as well."""
    before = _digests(queries.load(means.archive.index, number))
    ends, done = _learn(means, number), set[tuple[str, str]]()
    while True:
        known = queries.load(means.archive.index, number)
        left = [one for one in _at_fault(means, number) if _place(one) not in done]
        if not left:
            if _digests(known) != before and all(one.outcome is not REFUSED for one in ends):
                archive = means.writable.without(guarded(means, known))
                # Every sidecar names the new files.
                record_one(archive, conclude(archive, known, Progress()))
            return ends
        copy = min(left, key=lambda one: (one.is_sidecar, *_place(one)))
        done.add(_place(copy))
        heal = heal_sidecar if copy.is_sidecar else heal_media
        try:
            ends.append(heal(means, known, copy))
        except DestinationError as error:
            ends.append(tell(known, copy, REFUSED, message=str(error)))


def _learn(means: Means, number: int) -> list[Repaired]:
    """First correct the index where a sidecar is proven right: it says what is to be healed."""
    ends: list[Repaired] = []
    for copy in _at_fault(means, number):
        if not copy.is_sidecar:
            continue
        try:
            learned = learn(means, queries.load(means.archive.index, number), copy)
            if learned is not None:  # and what it names besides
                take_in(means, queries.load(means.archive.index, number), copy)
        except DestinationError:
            continue  # what is in the way is said when the sidecar's turn comes
        ends += [learned] if learned is not None else []
    return ends


def _at_fault(means: Means, number: int) -> list[Copy]:
    return [
        copy
        for copy in queries.copies(means.archive.index, number)
        if copy.fault is not None and copy.receipt.destination in means.scope
    ]


def _digests(known: Known) -> list[Digest]:
    return [one.media.digest for one in known.assets if one.media is not None]


def _place(copy: Copy) -> tuple[str, str]:
    return copy.asset_key, copy.receipt.destination


def plan(means: Means, filters: Filters, *, with_strays: bool) -> Iterator[Repaired]:
    """Say what would heal each finding, as far as the index tells; nothing is read or written."""
    index = means.archive.index
    if with_strays:
        for stray in faults.strays(index, means.scope):
            yield Repaired(
                destination=stray.destination,
                path=stray.path,
                fault=Fault.FOREIGN,
                outcome=Outcome.PLANNED,
                message="would be taken over if it proves to be of the archive, else left alone",
            )
    for number in faults.at_fault(index, filters, means.scope):
        known = queries.load(index, number)
        for copy in _at_fault(means, number):
            yield _plan_one(means, known, copy)


def _plan_one(means: Means, known: Known, copy: Copy) -> Repaired:
    name = copy.receipt.destination
    if name in means.unusable:
        message = f"{name} cannot be used now: {means.unusable[name]}"
        return tell(known, copy, REFUSED, message=message)
    if copy.is_sidecar:
        return tell(known, copy, Outcome.PLANNED, source=INDEX)
    others = [
        one.receipt.destination
        for one in queries.copies(means.archive.index, known.number)
        if one.asset_key == copy.asset_key and one.fault is None
    ]
    usable = [one for one in others if one in means.archive.destinations]
    if usable:
        return tell(known, copy, Outcome.PLANNED, source=usable[0])
    if known.deadline_at is None or known.deadline_at > means.now:
        return tell(known, copy, Outcome.PLANNED, source=known.generation.provider)
    message = "no copy is known to be good, and its provider keeps it no more"
    return tell(known, copy, REFUSED, message=message)
