"""Lists a destination and holds the names and sizes against the index: 1,000 keys a request.

Finds what is missing, what has another size, and what no copy accounts for. Names come in any
order and lie in a temporary table, so a million files need no more memory than a thousand.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from archiver.actions.archive import Archive
from archiver.actions.verifying.reading import Source
from archiver.index import census, proofs
from archiver.index.proofs import Held, Proof
from archiver.model import Digest, Fault

BATCH = 1000
SKEW = timedelta(minutes=5)
"""How much a destination's clock may differ from ours."""


def compare_listing(archive: Archive, source: Source) -> int:
    """Write down what the listing of one destination shows; returns how many files it named.

    Raises DestinationError when the destination cannot be listed: then nothing was found.
    """
    began_at, name, many = archive.clock(), source.destination.name, 0
    census.begin(archive.index)
    listed = source.destination.list()
    while batch := list(islice(listed, BATCH)):
        source.refuse_if_stopped()
        many += census.add(archive.index, batch)
    source.check()  # what was unmounted meanwhile listed nothing
    wrong = census.wrong_sizes(archive.index, name)
    while found := list(islice(wrong, BATCH)):
        source.refuse_if_stopped()
        looks = (_judge(archive, source, held, size, began_at) for held, size in found)
        proofs.record(archive.index, [look for look in looks if look is not None])
    census.keep_strays(archive.index, name, began_at)
    return many


def _judge(
    archive: Archive, source: Source, held: Held, size_bytes: int | None, began_at: datetime
) -> Proof | None:
    """Call a copy wrong, unless a run beside us has just written it."""
    if not held.is_settled or held.stored_at >= began_at - SKEW:
        again = proofs.load_again(archive.index, held)
        stored = source.destination.stat(held.path)
        size_bytes = None if stored is None else stored.size_bytes
        if again is None or size_bytes == again.digest.size_bytes:
            return None
        is_young = stored is not None and census.is_young(stored.modified_at, archive.clock())
        if is_young and again.is_sidecar and not again.is_settled:
            return None  # written, and not yet in the index: reading it tells more
        held = again
    fault = _name(size_bytes, held.digest.size_bytes)
    if size_bytes is not None and held.is_sidecar and source.look(held).is_too_new:
        fault = Fault.TOO_NEW  # a newer archiver says more, so the size alone says nothing
    return Proof(
        held=held,
        fault=fault,
        found=None if size_bytes is None else Digest(size_bytes=size_bytes, sha256=""),
        looked_at=archive.clock(),
    )


def _name(found_bytes: int | None, expected_bytes: int) -> Fault:
    if found_bytes is None:
        return Fault.MISSING
    return Fault.TRUNCATED if found_bytes < expected_bytes else Fault.DAMAGED
