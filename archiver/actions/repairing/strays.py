"""Looks at files that no copy accounts for: what proves to be of the archive is taken over.

A sidecar of a generation that the index does not know makes it known; a file that is what the
index expects under its name becomes a copy. Whatever else lies there is a stranger's: it is named
and left alone.
"""

from __future__ import annotations

import sqlite3

from archiver import keys
from archiver.actions.adopting import ReadSidecar, read_sidecar, take_over
from archiver.actions.copying import prove
from archiver.actions.repairing.finding import Means, Outcome, Repaired, look_again
from archiver.actions.repairing.judging import take_in
from archiver.actions.repairing.media import heal_media
from archiver.actions.repairing.sidecar import heal_sidecar, is_about
from archiver.errors import CopyDamaged, CopyExists, CopyMissing, DestinationError, SidecarTooNew
from archiver.index import faults, queries
from archiver.index.captured import SIDECAR
from archiver.index.faults import Placed, Stray
from archiver.index.queries import Copy
from archiver.index.rows import Known
from archiver.model import Digest, Fault, Receipt
from archiver.storage.base import Destination

STRANGER = "it is no file of this archive"


def settle_stray(means: Means, stray: Stray) -> Repaired:
    """Take a file over, or leave it alone; raises DestinationError when it cannot be looked at."""
    index, target = means.archive.index, means.source(stray.destination)
    if target.stat(stray.path) is None:
        faults.forget_stray(index, stray)
        return _tell(stray, Outcome.CLEARED, "it is gone")
    if not stray.path.endswith(keys.SIDECAR_SUFFIX):
        return _settle_file(means, target, stray)
    try:
        read = read_sidecar(target, stray.path)
    except SidecarTooNew as error:
        return _tell(stray, Outcome.REFUSED, f"{error}; it was left alone")
    except (CopyMissing, CopyDamaged):
        return _tell(stray, Outcome.LEFT_ALONE, STRANGER)
    theirs = read.content.generation
    for known in queries.by_id(index, theirs.id, theirs.account):
        return _settle_known(means, target, stray, known, read)
    return _settle_unknown(means, target, stray, read)


def _settle_unknown(means: Means, target: Destination, stray: Stray, read: ReadSidecar) -> Repaired:
    """Make a generation known by its sidecar; each of its files is read before it counts."""
    index, theirs = means.archive.index, read.content.generation
    try:
        take_over(index, target.name, read, means.now)
    except (CopyDamaged, ValueError, OverflowError, sqlite3.IntegrityError) as error:
        return _tell(stray, Outcome.LEFT_ALONE, f"a sidecar that cannot be taken over: {error}")
    faults.forget_stray(index, stray)
    [known] = queries.by_id(index, theirs.id, theirs.account)
    wrong = 0
    for media in read.content.media:
        seen = look_again(target, media.path, media.digest)
        _forget(means, target, media.path)
        if seen.fault is None:
            faults.clear(index, known.number, media.key, target.name, means.now)
        else:
            faults.record_fault(index, known.number, media.key, target.name, seen.fault)
            wrong += 1
    said = f"; {wrong} of its files are at fault" if wrong else ""
    return _tell(stray, Outcome.TAKEN_OVER, f"the index did not know {theirs.id}{said}")


def _settle_known(
    means: Means, target: Destination, stray: Stray, known: Known, read: ReadSidecar
) -> Repaired:
    """Take over the sidecar of a known generation, where it is in its place and right."""
    held = _held_at(means, known, target.name)
    if stray.path != keys.make_sidecar_key(known.stem) or SIDECAR in held:
        return _tell(stray, Outcome.LEFT_ALONE, f"another sidecar of {known.generation.id}")
    copy = _make_copy(means, stray, SIDECAR, read.digest)
    taken = take_in(means, known, copy)
    if taken is not None:
        return taken
    if is_about(means, known, read, target.name):
        return _adopt(means, target, stray, known, SIDECAR, read.digest)
    if not all(one.asset.key in held for one in known.assets if one.media is not None):
        message = f"a sidecar of {known.generation.id} without its media: replicate brings them"
        return _tell(stray, Outcome.LEFT_ALONE, message)
    return heal_sidecar(means, known, copy)


def _settle_file(means: Means, target: Destination, stray: Stray) -> Repaired:
    """Take over a file that is, byte for byte, what the index expects under its name.

    Another one that stands in the place of the archive's own is set aside for it.
    """
    found = faults.file_at(means.archive.index, stray.path)
    if found is None:
        return _tell(stray, Outcome.LEFT_ALONE, STRANGER)
    number, asset_key = found
    known = queries.load(means.archive.index, number)
    media = next(one.media for one in known.assets if one.asset.key == asset_key)
    if media is None or asset_key in _held_at(means, known, target.name):
        return _tell(stray, Outcome.LEFT_ALONE, STRANGER)
    try:
        return _adopt(means, target, stray, known, asset_key, media.digest)
    except (CopyDamaged, CopyExists):
        return heal_media(means, known, _make_copy(means, stray, asset_key, media.digest))


def _make_copy(means: Means, stray: Stray, asset_key: str, digest: Digest) -> Copy:
    """Make of a stranger in our place a copy that is at fault."""
    receipt = Receipt(
        destination=stray.destination,
        key=stray.path,
        digest=digest,
        stored_at=means.now,
        verified="",
    )
    return Copy(asset_key=asset_key, receipt=receipt, fault=Fault.FOREIGN)


def _adopt(
    means: Means, target: Destination, stray: Stray, known: Known, asset_key: str, digest: Digest
) -> Repaired:
    receipt = prove(target, stray.path, digest)
    if receipt is None:
        raise CopyMissing(f"{target.name}: {stray.path} has just been removed")
    placed = Placed(asset_key=asset_key, receipt=receipt, proven_at=means.now)
    faults.record_placed(means.archive.index, known.number, [placed])
    return _tell(stray, Outcome.TAKEN_OVER, f"it is a copy for {known.generation.id}")


def _held_at(means: Means, known: Known, name: str) -> set[str]:
    """Name the assets, and the sidecar, of which a destination has a copy."""
    return {
        copy.asset_key
        for copy in queries.copies(means.archive.index, known.number)
        if copy.receipt.destination == name
    }


def _forget(means: Means, target: Destination, path: str) -> None:
    stray = Stray(destination=target.name, path=path, size_bytes=0)
    faults.forget_stray(means.archive.index, stray)


def refuse_stray(stray: Stray, error: DestinationError) -> Repaired:
    """Say that a file could not be looked at."""
    return _tell(stray, Outcome.REFUSED, str(error))


def _tell(stray: Stray, outcome: Outcome, message: str) -> Repaired:
    return Repaired(
        destination=stray.destination,
        path=stray.path,
        fault=Fault.FOREIGN,
        outcome=outcome,
        message=message,
    )
