"""Fills destinations with what others hold: a new bucket, one that was down (promise 5).

No provider is asked. Each file is hashed while it is copied, and the target proves it as in a
capture; what is there and right already is read, and counts. A file that differs is never replaced:
that is for `repair`. The order of writing is that of a capture: media, sidecar, index. So a
replicate that was killed goes on where it was: whole files without a receipt are there and right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from archiver import sidecar
from archiver.actions.archive import Archive
from archiver.actions.copying import Brought, bring, note_intruder
from archiver.actions.describing import describe_beside
from archiver.actions.parallel import in_parallel
from archiver.errors import CopyExists, DestinationError
from archiver.index import faults, queries
from archiver.index.captured import SIDECAR
from archiver.index.faults import Placed
from archiver.index.lacking import lacking
from archiver.index.queries import Copy, Filters
from archiver.index.rows import Known
from archiver.model import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One file that a target lacked: brought from `source`, there already, or not to be had."""

    target: str
    path: str
    size_bytes: int
    account: str
    generation: str
    source: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lacking:
    """A file that a target lacks, and who has it."""

    asset_key: str
    path: str
    digest: Digest
    media_type: str
    sources: tuple[str, ...]


def replicate(
    archive: Archive,
    targets: frozenset[str],
    sources: frozenset[str],
    filters: Filters,
    concurrency: int,
) -> Iterator[Filled]:
    """Bring to the targets what they lack and the sources hold; yields each file as it ends."""
    numbers = lacking(archive.index, filters, targets, sources)
    fill = partial(_fill_one, archive, targets, sources)
    for filled in in_parallel(fill, numbers, concurrency, "replicate"):
        yield from filled


def _fill_one(
    archive: Archive, targets: frozenset[str], sources: frozenset[str], number: int
) -> list[Filled]:
    known = queries.load(archive.index, number)
    copies = queries.copies(archive.index, number)
    return [
        filled
        for target in sorted(targets)
        for filled in _fill(archive, known, copies, target, sources - {target})
    ]


def _fill(
    archive: Archive, known: Known, copies: list[Copy], target: str, sources: frozenset[str]
) -> Iterator[Filled]:
    """Bring one generation to one target; its sidecar only when all of its media are there."""
    placed: list[Placed] = []
    held = {copy.asset_key for copy in copies if copy.receipt.destination == target}
    wanted = [one for one in _media(known, copies, sources) if one.asset_key not in held]
    has_failed = False
    for one in wanted:
        filled = _bring(archive, known, one, target, placed)
        has_failed |= filled.error is not None
        yield filled
    kept = {one.asset.key for one in known.assets if one.media is not None}
    is_whole = not has_failed and kept <= held | {one.asset_key for one in placed}
    text = _sidecar(copies, sources)
    if text is not None and SIDECAR not in held:
        if is_whole:
            yield _bring(archive, known, text, target, placed)
        else:
            yield _tell(known, text, target, error="its media are not all there")
    if placed:
        faults.record_placed(archive.index, known.number, placed)


def _media(known: Known, copies: list[Copy], sources: frozenset[str]) -> Iterator[_Lacking]:
    for asset in known.assets:
        media = asset.media
        if media is None:
            continue
        own = [copy for copy in copies if copy.asset_key == media.key]
        yield _Lacking(
            asset_key=media.key,
            path=media.path,
            digest=media.digest,
            media_type=media.media_type,
            sources=_order(own, sources),
        )


def _sidecar(copies: list[Copy], sources: frozenset[str]) -> _Lacking | None:
    """The newest text of the sidecar, and who holds it; None where there is none yet."""
    own = [copy for copy in copies if copy.is_sidecar and copy.receipt.destination in sources]
    if not own:
        return None
    newest = max(own, key=lambda copy: copy.receipt.stored_at).receipt
    return _Lacking(
        asset_key=SIDECAR,
        path=newest.key,
        digest=newest.digest,
        media_type=sidecar.MEDIA_TYPE,
        sources=_order([one for one in own if one.receipt.digest == newest.digest], sources),
    )


def _order(copies: list[Copy], sources: frozenset[str]) -> tuple[str, ...]:
    """Name the sources that hold a file, those of which nothing bad is known first."""
    held = [copy for copy in copies if copy.receipt.destination in sources]
    held.sort(key=lambda copy: (copy.fault is not None, copy.receipt.destination))
    return tuple(copy.receipt.destination for copy in held)


def _bring(
    archive: Archive, known: Known, wanted: _Lacking, target: str, placed: list[Placed]
) -> Filled:
    sources = [
        archive.destinations[name] for name in wanted.sources if name in archive.destinations
    ]
    try:
        brought = bring(
            sources, archive.destinations[target], wanted.path, wanted.digest, wanted.media_type
        )
        for asset in known.assets:
            if asset.media is not None and asset.media.key == wanted.asset_key:
                describe_beside(
                    archive, archive.destinations[target], known.generation, asset.media
                )
    except CopyExists as error:
        note_intruder(archive, target, wanted.path)
        return _tell(known, wanted, target, error=str(error))
    except DestinationError as error:
        return _tell(known, wanted, target, error=str(error))
    placed.append(_place(archive, wanted, brought))
    return _tell(known, wanted, target, source=brought.source)


def _place(archive: Archive, wanted: _Lacking, brought: Brought) -> Placed:
    """Only what was there was read back just now."""
    return Placed(
        asset_key=wanted.asset_key,
        receipt=brought.receipt,
        proven_at=archive.clock() if brought.source is None else None,
    )


def _tell(
    known: Known,
    wanted: _Lacking,
    target: str,
    *,
    source: str | None = None,
    error: str | None = None,
) -> Filled:
    return Filled(
        target=target,
        path=wanted.path,
        size_bytes=wanted.digest.size_bytes,
        account=known.generation.account,
        generation=known.generation.id,
        source=source,
        error=error,
    )
