"""Judges between the index and a sidecar that says something else: which of the two is newer?

An index can be older than the archive: a backup of the state directory was put back. So a sidecar
that can be read is never replaced by a text that knows less. One that names more files, which are
there, is taken over; where only its words differ, the sidecars of the destinations vote.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from enum import Enum

from archiver import keys, sidecar
from archiver.actions.adopting import ReadSidecar, read_sidecar, take_over
from archiver.actions.capturing.commit import Progress, make_document
from archiver.actions.copying import holds, prove
from archiver.actions.repairing.finding import Means, Outcome, Repaired, look_again, tell
from archiver.actions.verifying.sidecar import names_other_files, says_other
from archiver.errors import CopyDamaged, CopyExists, CopyMissing, DestinationError, SidecarTooNew
from archiver.index import adopted, faults, queries
from archiver.index.captured import SIDECAR
from archiver.index.faults import Placed
from archiver.index.queries import Copy
from archiver.index.rows import Known
from archiver.model import Fault, Media, Status
from archiver.storage.base import read_whole


class _Vote(Enum):
    BELIEVED = "all other sidecars say the same"
    OUTVOTED = "more say what the index says"
    TIED = "nothing tells who is right"


def is_of(known: Known, content: sidecar.Sidecar) -> bool:
    """Tell whether a sidecar is this generation's."""
    ours, theirs = known.generation, content.generation
    return (ours.account, ours.id) == (theirs.account, theirs.id)


def take_in(means: Means, known: Known, copy: Copy) -> Repaired | None:
    """Correct the index by a sidecar that proves to be newer, or accept one that says the same.

    Returns None when it is neither: `heal_sidecar` then replaces or refuses it.
    """
    name = copy.receipt.destination
    try:
        there = read_sidecar(means.source(name), copy.receipt.key)
    except (CopyMissing, CopyDamaged):
        return None
    if not is_of(known, there.content) or _is_one_bit_off(means, known, copy, there):
        return None
    more, kept = names_more(known, there), _kept(known)
    listed = {media.key for media in there.content.media}
    if any(_differs(kept[one.key], one) for one in there.content.media if one.key in kept):
        return None  # `learn` decides by what is stored
    if more or _is_unfinished_only_here(known, there):
        return _take_over(means, known, copy, there, more)
    if kept.keys() - listed:
        return None  # it knows less
    if says_other(there.content, known, set()):
        if _vote(means, known, there, name) is not _Vote.BELIEVED:
            return None
        content = there.content
        adopted.take_words(
            means.archive.index, known.number, content.generation, content.archived_at
        )
    elif not _is_accepted(means, known, copy, there):
        return None
    _record(means, known, copy, there, queries.copies(means.archive.index, known.number))
    message = "the sidecars of all destinations say so: the index follows them"
    return tell(known, copy, Outcome.TAKEN_OVER, message=message)


def _is_accepted(means: Means, known: Known, copy: Copy, there: ReadSidecar) -> bool:
    """Whether a text that only is not the recorded one can stay: it is another's recorded one."""
    if copy.fault in (Fault.DISAGREES, Fault.FOREIGN):
        return True
    return any(
        one.is_sidecar and one.fault is None and one.receipt.digest == there.digest
        for one in queries.copies(means.archive.index, known.number)
    )


def why_kept(means: Means, known: Known, copy: Copy) -> str | None:
    """Say why the sidecar that is there may not be replaced by what the index says, if so."""
    name = copy.receipt.destination
    try:
        there = read_sidecar(means.source(name), copy.receipt.key)
    except SidecarTooNew as error:
        return f"{error}; it was left alone"
    except (CopyMissing, CopyDamaged):
        return None
    if not is_of(known, there.content) or _is_one_bit_off(means, known, copy, there):
        return None
    more = names_more(known, there)
    if more:
        return (
            f"it names {', '.join(one.path for one in more)}, which the index does not know and "
            "which cannot be proven: it was left alone, as the index may be older than the archive"
        )
    if _is_unfinished_only_here(known, there):
        return "the index knows this generation only as unfinished, so the sidecar was left alone"
    if names_other_files(there.content, known, _kept(known)):
        return None
    if not says_other(there.content, known, set()):
        return None
    if _vote(means, known, there, name) is _Vote.OUTVOTED:
        return None
    return (
        "it names the same files and says something else about them, and nothing tells whether "
        "it or the index is newer: it was left alone. If it is right, make the index anew from "
        "the destinations (move the state directory away, `archiver rebuild`); if the index is, "
        "move this file away and `archiver verify`"
    )


def told_otherwise(means: Means, known: Known, copy: Copy) -> str | None:
    """Name a destination whose sidecar is not the one that the index recorded there, and differs.

    Then the index may be the older one, and its words are written nowhere for the time being.
    """
    for other in queries.copies(means.archive.index, known.number):
        name = other.receipt.destination
        is_same_place = name == copy.receipt.destination
        if not other.is_sidecar or is_same_place or name not in means.archive.destinations:
            continue
        try:
            there = read_sidecar(means.source(name), other.receipt.key)
            is_rot = _is_one_bit_off(means, known, other, there)
        except DestinationError:
            continue  # what cannot be read says nothing
        is_recorded = there.digest == other.receipt.digest
        if is_rot or is_recorded or not is_of(known, there.content):
            continue
        is_about_ours = not names_other_files(there.content, known, _kept(known))
        if names_more(known, there) or (is_about_ours and says_other(there.content, known, set())):
            return name
    return None


def guarded(means: Means, known: Known) -> frozenset[str]:
    """Name the destinations whose sidecar of this generation may not be written now."""
    found = set()
    for copy in queries.copies(means.archive.index, known.number):
        name = copy.receipt.destination
        if copy.is_sidecar and copy.fault is not None and name in means.archive.destinations:
            try:
                is_kept = why_kept(means, known, copy) is not None
            except DestinationError:
                is_kept = True
            found |= {name} if is_kept else set()
    return frozenset(found)


def _kept(known: Known) -> dict[str, Media]:
    return {one.asset.key: one.media for one in known.assets if one.media is not None}


def names_more(known: Known, there: ReadSidecar) -> list[Media]:
    """Name the files of a sidecar that the index has not."""
    kept = _kept(known)
    return [media for media in there.content.media if media.key not in kept]


def _differs(ours: Media, theirs: Media) -> bool:
    return (ours.path, ours.digest) != (theirs.path, theirs.digest)


def _is_unfinished_only_here(known: Known, there: ReadSidecar) -> bool:
    """Whether the index is behind: it saw the generation last while it was being made."""
    told = there.content.generation.status
    return known.generation.status is Status.IN_PROGRESS and told is not Status.IN_PROGRESS


def _take_over(
    means: Means, known: Known, copy: Copy, there: ReadSidecar, more: list[Media]
) -> Repaired | None:
    """Make known what a sidecar names and the index does not, when all of it is really there."""
    index, name = means.archive.index, copy.receipt.destination
    source = means.source(name)
    if not all(holds(source, one.path, one.digest) for one in more):
        return None
    before = queries.copies(index, known.number)
    try:
        take_over(index, name, there, means.now)
    except (CopyDamaged, ValueError, OverflowError, sqlite3.IntegrityError):
        return None  # it contradicts its place, or another sidecar: nothing is proven by it
    _record(means, known, copy, there, before)
    message = "the sidecar was newer than the index, which now knows what it says"
    return tell(known, copy, Outcome.TAKEN_OVER, message=message)


def _record(means: Means, known: Known, copy: Copy, there: ReadSidecar, before: list[Copy]) -> None:
    """Write the copies of a sidecar and its files: what was known as good stays as it was."""
    index, name = means.archive.index, copy.receipt.destination
    source = means.source(name)
    good = {
        (one.asset_key, one.receipt.key, one.receipt.digest): one
        for one in before
        if one.receipt.destination == name and one.fault is None
    }
    wanted = [(one.key, one.path, one.digest) for one in there.content.media]
    placed = []
    for asset_key, path, digest in (*wanted, (SIDECAR, there.key, there.digest)):
        one = good.get((asset_key, path, digest))
        if one is not None:
            placed.append(Placed(asset_key=asset_key, receipt=one.receipt, proven_at=one.proven_at))
            continue
        try:
            receipt = prove(source, path, digest)
        except (CopyExists, CopyDamaged):
            receipt = None
        if receipt is not None:
            placed.append(Placed(asset_key=asset_key, receipt=receipt, proven_at=means.now))
        elif (fault := look_again(source, path, digest).fault) is not None:
            faults.record_fault(index, known.number, asset_key, name, fault)
    faults.record_placed(index, known.number, placed)


def _is_one_bit_off(means: Means, known: Known, copy: Copy, there: ReadSidecar) -> bool:
    """Whether this is the recorded text with one bit turned over: rot, and no newer word.

    A provider's fact is told twice, once in its raw record, so a new one changes more than that.
    """
    if there.digest.size_bytes != copy.receipt.digest.size_bytes:
        return False
    recorded = make_document(known, Progress(), known.archived_at or means.now)
    found = read_whole(means.source(copy.receipt.destination), there.key, sidecar.MAX_BYTES)
    pairs = zip(recorded, found, strict=False)
    return len(recorded) == len(found) and sum((a ^ b).bit_count() for a, b in pairs) == 1


def _vote(means: Means, known: Known, there: ReadSidecar, name: str) -> _Vote:
    """Count what the sidecars of the other destinations say: as this one, or as the index."""
    others = list(_others(means, known, name))
    like_this = sum(one == there.content for one in others)
    like_index = sum(not says_other(one, known, set()) for one in others)
    if others and like_this == len(others):
        return _Vote.BELIEVED
    return _Vote.OUTVOTED if like_index > like_this else _Vote.TIED


def _others(means: Means, known: Known, name: str) -> Iterator[sidecar.Sidecar]:
    key = keys.make_sidecar_key(known.stem)
    for other, destination in means.archive.destinations.items():
        if other == name:
            continue
        try:
            read = read_sidecar(destination, key)
        except DestinationError:
            continue  # what cannot be read has no vote
        if is_of(known, read.content):
            yield read.content
