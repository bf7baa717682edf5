"""Heals sidecars: from the index, from another destination, and the index from a sidecar.

Where a sidecar and the index name different files, the stored files decide: what a destination
holds proves the one that names its hash. Where they prove nothing, the index is right, since it is
told last; but a sidecar that knows more than the index is never replaced (`judging.py`). One that
is replaced is set aside first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from archiver import sidecar
from archiver.actions.adopting import ReadSidecar, read_sidecar
from archiver.actions.capturing.commit import Progress, make_document
from archiver.actions.copying import holds, prove
from archiver.actions.repairing.finding import INDEX, Means, Outcome, Repaired, tell
from archiver.actions.repairing.judging import is_of, names_more, told_otherwise, why_kept
from archiver.actions.repairing.setting_aside import SettingAside
from archiver.actions.verifying.sidecar import names_other_files
from archiver.errors import CopyDamaged, CopyMissing, DestinationError
from archiver.index import captured, faults, queries
from archiver.index.captured import SIDECAR, Captured
from archiver.index.faults import Placed
from archiver.index.queries import Copy
from archiver.index.rows import Known
from archiver.model import Digest, Media, Receipt, State
from archiver.states import Event
from archiver.storage.base import put, read_whole

_EVENTS = {State.ARCHIVED: Event.SECURED, State.LOST: Event.PROVEN_GONE}
"""How the index writes a correction: what was archived or lost stays so, the rest is tried."""


def heal_sidecar(means: Means, known: Known, copy: Copy) -> Repaired:
    """Heal one sidecar; raises DestinationError when its own destination is in the way."""
    source = means.source(copy.receipt.destination)
    key = copy.receipt.key
    there = _read(means, copy)
    if (
        there is not None
        and there.digest == copy.receipt.digest
        and is_about(means, known, there, source.name)
    ):
        faults.clear(means.archive.index, known.number, SIDECAR, source.name, means.now)
        return tell(known, copy, Outcome.CLEARED, message="it was looked at again and is right")
    reason = why_kept(means, known, copy)
    if reason is not None:
        return tell(known, copy, Outcome.REFUSED, message=reason)
    document, origin = find_document(means, known, copy)
    witness = told_otherwise(means, known, copy) if origin == INDEX else None
    if witness is not None:
        why = (
            f"the sidecar at {witness} says something else than the index, which may be the older "
            "one: nothing is written here until that is settled"
        )
        return tell(known, copy, Outcome.REFUSED, message=why)
    place = SettingAside(means.target(source.name), means.now, means.quarantine)
    receipt = put(place, key, [document], sidecar.MEDIA_TYPE)
    placed = Placed(asset_key=SIDECAR, receipt=receipt)
    faults.record_placed(means.archive.index, known.number, [placed])
    message = None
    if there is not None:
        message = f"it could be read, but it said something else than {origin}"
    aside = place.aside.get(key)
    return tell(known, copy, Outcome.HEALED, source=origin, aside=aside, message=message)


def _read(means: Means, copy: Copy) -> ReadSidecar | None:
    """Read the sidecar that is there; None for none, or one that cannot be understood."""
    try:
        return read_sidecar(means.source(copy.receipt.destination), copy.receipt.key)
    except (CopyMissing, CopyDamaged):
        return None


def is_about(means: Means, known: Known, read: ReadSidecar, name: str) -> bool:
    """Tell whether a sidecar is this generation's, and names the files that the index knows."""
    held = {
        copy.asset_key
        for copy in queries.copies(means.archive.index, known.number)
        if copy.receipt.destination == name
    }
    return not names_other_files(read.content, known, held)


def _files(media: Mapping[str, Media]) -> dict[str, tuple[str, Digest]]:
    return {key: (one.path, one.digest) for key, one in media.items()}


def _known_media(known: Known) -> dict[str, Media]:
    return {one.asset.key: one.media for one in known.assets if one.media is not None}


def find_document(means: Means, known: Known, copy: Copy) -> tuple[bytes, str]:
    """Find the text of a sidecar, and say from where: what was stored before comes first.

    The index makes it anew, byte for byte unless another version wrote it; else another
    destination may hold the recorded text; else the index's words become the new text.
    """
    wanted, place = copy.receipt.digest, copy.receipt.destination
    archived_at = known.archived_at or means.now
    document = make_document(known, Progress(), archived_at)
    if hashlib.sha256(document).hexdigest() == wanted.sha256:
        return document, INDEX
    for other in queries.copies(means.archive.index, known.number):
        name = other.receipt.destination
        source = means.archive.destinations.get(name)
        if not other.is_sidecar or other.receipt.digest != wanted or source is None:
            continue
        try:
            body = read_whole(source, other.receipt.key, sidecar.MAX_BYTES)
            read = ReadSidecar(other.receipt.key, wanted, sidecar.decode(body, name))
        except DestinationError:
            continue  # a source that is no good: the next one, or the index
        if hashlib.sha256(body).hexdigest() == wanted.sha256 and is_about(
            means, known, read, place
        ):
            return body, name
    return document, INDEX


def learn(means: Means, known: Known, copy: Copy) -> Repaired | None:
    """Correct the index by a sidecar whose files are there, and the index's own are nowhere.

    Returns None when the sidecar is not right.
    """
    there = _read(means, copy)
    if there is None or is_about(means, known, there, copy.receipt.destination):
        return None
    if not is_of(known, there.content):
        return None
    media = _known_media(known)
    told = {one.key: one for one in there.content.media if one.key in media}
    other = [one for key, one in told.items() if _files({key: one}) != _files({key: media[key]})]
    copies, name = queries.copies(means.archive.index, known.number), copy.receipt.destination
    if not all(_is_there(means, copy, one) for one in names_more(known, there)):
        return None  # it is not right as a whole
    if not other or not all(_is_proven(means, one, media[one.key], copies, name) for one in other):
        return None
    outcome = Captured(
        event=_EVENTS.get(known.state, Event.TRY_FAILED),
        reason=known.reason,
        fingerprint=known.fingerprint,
        media=tuple(other),
        receipts=tuple(_receipts(means, copy, there, other)),
        next_try_at=means.now,
    )
    captured.record(means.archive.index, known.number, outcome, means.now)
    message = "the stored files are those that this sidecar names: the index was corrected"
    return tell(known, copy, Outcome.HEALED, source="the sidecar", message=message)


def _is_there(means: Means, copy: Copy, media: Media) -> bool:
    return holds(means.source(copy.receipt.destination), media.path, media.digest)


def _is_proven(means: Means, told: Media, known: Media, copies: Sequence[Copy], name: str) -> bool:
    """Tell whether the file that a sidecar names is there, and the index's is at no destination."""
    if not holds(means.source(name), told.path, told.digest):
        return False
    places = {copy.receipt.destination for copy in copies if copy.asset_key == told.key}
    return not any(holds(means.source(place), known.path, known.digest) for place in places)


def _receipts(
    means: Means, copy: Copy, there: ReadSidecar, media: Sequence[Media]
) -> Iterator[tuple[str, Receipt]]:
    target = means.source(copy.receipt.destination)
    for key, path, digest in (
        (SIDECAR, there.key, there.digest),
        *((one.key, one.path, one.digest) for one in media),
    ):
        receipt = prove(target, path, digest)
        if receipt is not None:
            yield key, receipt
