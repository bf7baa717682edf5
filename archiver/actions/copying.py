"""Copies one file from a destination to another, proving on the way that it is the right one.

What one destination lacks another gives (promise 5): `run` catches up so, `replicate` fills so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from archiver.actions.archive import Archive
from archiver.errors import (
    CopyDamaged,
    CopyExists,
    CopyMissing,
    DestinationError,
    DestinationUnavailable,
)
from archiver.index import faults
from archiver.index.faults import Stray
from archiver.model import Digest, Receipt
from archiver.storage.base import Destination, Target

PROOF_BY_READING = "sha256 read back"


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that a destination holds now. `source` is None when it was there and right."""

    receipt: Receipt
    source: str | None


def bring(
    sources: Iterable[Destination], target: Destination, key: str, digest: Digest, media_type: str
) -> Brought:
    """Have a file at the target, from the first source whose copy proves to be right.

    What is there and right already is not copied again; another file that is there is never
    replaced (CopyExists). Raises DestinationError that says what was in the way.
    """
    there = prove(target, key, digest)
    if there is not None:
        return Brought(there, None)
    refusals: list[DestinationError] = []
    for source in sources:
        try:
            return Brought(copy_file(source, target, key, digest, media_type), source.name)
        except DestinationError as error:
            refusals.append(error)
    if len(refusals) == 1:
        raise refusals[0]
    reasons = "; ".join(map(str, refusals)) or "no destination that can be used holds it"
    is_away = all(isinstance(one, DestinationUnavailable) for one in refusals)
    kind = DestinationUnavailable if is_away else CopyMissing
    raise kind(f"{key} cannot be brought to {target.name}: {reasons}")


def prove(destination: Destination, key: str, digest: Digest) -> Receipt | None:
    """Read a file back: its receipt when it is the right one, None when there is none.

    Raises CopyExists when another file is there, CopyDamaged when it cannot be read.
    """
    stored = destination.stat(key)
    if stored is None:
        return None
    if stored.size_bytes != digest.size_bytes or digest_of(destination, key) != digest:
        raise CopyExists(
            f"{destination.name} holds another file as {key}, which was left alone: "
            "`archiver repair` sets it aside and puts the right one in its place"
        )
    return Receipt(
        destination=destination.name,
        key=key,
        digest=digest,
        stored_at=stored.modified_at,
        verified=PROOF_BY_READING,
    )


def copy_file(
    source: Destination,
    target: Target,
    key: str,
    digest: Digest,
    media_type: str,
    target_key: str | None = None,
) -> Receipt:
    """Copy a file; raises CopyDamaged, and leaves nothing, when the source holds another one."""
    upload = target.begin(target_key or key, media_type)
    sha256, size_bytes = hashlib.sha256(), 0
    try:
        with source.read(key) as chunks:
            for chunk in chunks:
                sha256.update(chunk)
                size_bytes += len(chunk)
                upload.write(chunk)
        if (size_bytes, sha256.hexdigest()) != (digest.size_bytes, digest.sha256):
            raise CopyDamaged(f"{source.name}: {key} is not what was stored there")
        return upload.commit(digest)
    finally:
        upload.abort()


def holds(destination: Destination, key: str, digest: Digest) -> bool:
    """Tell whether a destination already holds exactly this file; reads it only if sizes agree."""
    stored = destination.stat(key)
    if stored is None or stored.size_bytes != digest.size_bytes:
        return False
    return digest_of(destination, key) == digest


def digest_of(destination: Destination, key: str) -> Digest:
    """Read a file and say what it is; raises CopyMissing, or CopyDamaged when it cannot be read."""
    sha256, size_bytes = hashlib.sha256(), 0
    with destination.read(key) as chunks:
        for chunk in chunks:
            sha256.update(chunk)
            size_bytes += len(chunk)
    return Digest(size_bytes=size_bytes, sha256=sha256.hexdigest())


def note_intruder(archive: Archive, name: str, key: str) -> None:
    """Write down a file that stands where one of ours belongs: repair will look at it."""
    stored = None
    with suppress(DestinationError):  # it is told in any case; a note only spares a search
        stored = archive.destinations[name].stat(key)
    if stored is not None:
        stray = Stray(destination=name, path=key, size_bytes=stored.size_bytes)
        faults.note_stray(archive.index, stray, archive.clock())
