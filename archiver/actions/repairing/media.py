"""Heals one media copy: from a copy that is proven good, else from the provider, else not at all.

Promise 7. The order of writing: what is to replace a bad copy is read and proven whole first; then
the bad one is set aside, the good one takes its place, and the index takes the fault back together
with the new receipt. So a death at any moment leaves the fault recorded, and no good copy is ever
written over: only what was just read and found wrong is replaced.
"""

from __future__ import annotations

from dataclasses import replace

from archiver.actions.copying import copy_file
from archiver.actions.describing import describe_beside
from archiver.actions.repairing.finding import (
    Means,
    Outcome,
    Repaired,
    Seen,
    describe,
    look_again,
    tell,
)
from archiver.actions.repairing.misplaced import copy_misplaced
from archiver.actions.repairing.provider import fetch_again
from archiver.actions.repairing.setting_aside import SettingAside
from archiver.errors import DestinationError
from archiver.index import faults, queries
from archiver.index.faults import Placed
from archiver.index.queries import Copy
from archiver.index.rows import Known
from archiver.model import Media, Receipt

ADVICE = (
    "what a person can do: look at that file; where the store keeps earlier versions, get one back "
    "with `archiver restore --as-of TIME`; put a right file in its place, then `archiver verify`"
)


def heal_media(means: Means, known: Known, copy: Copy) -> Repaired:
    """Heal one copy; raises DestinationError when its own destination is in the way.

    Then no source and no provider could help: a full disk takes no copy from anywhere.
    """
    asset = next(one for one in known.assets if one.asset.key == copy.asset_key)
    media = asset.media
    if media is None:
        return tell(known, copy, Outcome.REFUSED, message="nothing says what it has to be")
    target = means.target(copy.receipt.destination)
    seen = look_again(target, media.path, media.digest)
    if seen.is_right:
        receipt = replace(copy.receipt, key=media.path, digest=media.digest)
        placed = Placed(asset_key=copy.asset_key, receipt=receipt, proven_at=means.now)
        faults.record_placed(means.archive.index, known.number, [placed])
        return tell(known, copy, Outcome.CLEARED, message="it was looked at again and is right")
    others = _others(means, known, copy)
    healed = _heal_by_copying(means, known, copy, media, others)
    if healed is not None:
        return healed
    looks, unknown = _look_at_others(means, known, media, others)
    renewed = fetch_again(means, known, asset, copy, unknown=unknown)
    if isinstance(renewed, Repaired):
        return renewed
    words = "; ".join([seen.words, *looks, renewed])
    message = f"no good copy is left of {describe(media.digest)}: {words}. {ADVICE}"
    return tell(known, copy, Outcome.REFUSED, message=message)


def _others(means: Means, known: Known, copy: Copy) -> list[Copy]:
    """The other copies of the same file, those of which nothing bad is known first."""
    found = [
        other
        for other in queries.copies(means.archive.index, known.number)
        if other.asset_key == copy.asset_key
        and other.receipt.destination != copy.receipt.destination
    ]
    return sorted(found, key=lambda one: (one.fault is not None, one.receipt.destination))


def _heal_by_copying(
    means: Means, known: Known, copy: Copy, media: Media, others: list[Copy]
) -> Repaired | None:
    """Copy the file from where a good one is: in its own place elsewhere, or in a wrong one."""
    target = SettingAside(means.target(copy.receipt.destination), means.now, means.quarantine)
    found = _copy_from_others(means, media, target, others)
    if found is None:
        found = copy_misplaced(means, media, target)
    if found is None:
        return None
    receipt, source = found
    aside = target.aside.get(media.path)
    describe_beside(means.archive, means.source(target.name), known.generation, media)
    placed = Placed(asset_key=copy.asset_key, receipt=receipt)
    faults.record_placed(means.archive.index, known.number, [placed])
    return tell(known, copy, Outcome.HEALED, source=source, aside=aside)


def _copy_from_others(
    means: Means, media: Media, target: SettingAside, others: list[Copy]
) -> tuple[Receipt, str] | None:
    for other in others:
        name = other.receipt.destination
        source = means.archive.destinations.get(name)
        if source is None:
            continue
        try:
            receipt = copy_file(source, target, media.path, media.digest, media.media_type)
        except DestinationError:
            if target.trouble is not None:
                raise
            continue  # it is looked at once more, and said, when none of them is good
        return receipt, name
    return None


def _look_at_others(
    means: Means, known: Known, media: Media, others: list[Copy]
) -> tuple[list[str], list[str]]:
    """Say what the other copies are, and name those that may be good: nobody can look now.

    What is found wrong is written down, so that it is healed as well.
    """
    words, unknown = [], []
    for other in others:
        name = other.receipt.destination
        try:
            seen = look_again(means.source(name), media.path, media.digest)
        except DestinationError as error:
            words.append(str(error))
            unknown.append(name)
            continue
        words.append(seen.words)
        if seen.is_right:
            unknown.append(name)
        else:
            _note(means, known, other, seen)
    return words, unknown


def _note(means: Means, known: Known, copy: Copy, seen: Seen) -> None:
    if copy.fault is None and seen.fault is not None:
        name = copy.receipt.destination
        faults.record_fault(means.archive.index, known.number, copy.asset_key, name, seen.fault)
