"""Looks up what a run that died had already committed, before anything is fetched again.

The sidecar is the commit point. A kill between it and the index leaves a generation that is safe
and that the index does not know as such: fetched again it could be replaced by other bytes, or
called lost when its link has gone meanwhile (docs/design.md, "between 2 and 3").
"""

from __future__ import annotations

from archiver import keys
from archiver.actions.adopting import read_sidecar, take_over
from archiver.actions.archive import Archive
from archiver.errors import CopyMissing
from archiver.index import queries
from archiver.index.rows import Known


def adopt_committed(archive: Archive, known: Known) -> Known:
    """Take over the generation's sidecars where there are any; returns what is known then.

    Raises CopyDamaged for one that cannot be read: it is in the place of ours, so nothing may
    be written there before a person has looked.
    """
    is_found = False
    for destination in archive.destinations.values():
        try:
            read = read_sidecar(destination, keys.make_sidecar_key(known.stem))
        except CopyMissing:
            continue
        generation = read.content.generation
        if (generation.account, generation.id) == (known.generation.account, known.generation.id):
            take_over(archive.index, destination.name, read, archive.clock())
            is_found = True
    return queries.load(archive.index, known.number) if is_found else known
