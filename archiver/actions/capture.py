"""Captures one generation: its files, then its sidecar, then its row. This is the write order.

Media at every destination that can be reached, each whole, checked and durable; then the
sidecar, the commit point; then the index (promise 2; docs/design.md has a paragraph for each
gap between two steps). A try that fails leaves a state, a reason and a time for the next one.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from archiver import keys, sidecar
from archiver.actions.archive import Account, Archive
from archiver.actions.copying import copy_file
from archiver.actions.download import Downloader, Lost, Outcome
from archiver.actions.links import LiveLinks
from archiver.errors import (
    AnswerInvalid,
    DestinationError,
    GenerationNotFound,
    ProviderError,
    ProviderUnavailable,
)
from archiver.fetch.engine import MediaEngine
from archiver.index import captured, listed, queries
from archiver.index.captured import SIDECAR, Captured
from archiver.index.rows import Known, KnownAsset
from archiver.model import Generation, Media, Missing, Receipt, Role, State, Status
from archiver.storage.base import put

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)
_ROLE_ORDER = tuple(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureReport:
    """What one try did, for the summary of the run."""

    number: int
    account: str
    generation_id: str
    state: State
    reason: str | None
    files: int
    size_bytes: int
    lost: int
    is_tried_again: bool
    is_provider_down: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Progress:
    """What a try has gathered so far."""

    media: dict[str, Media] = field(default_factory=dict)
    missing: dict[str, Missing] = field(default_factory=dict)
    receipts: list[tuple[str, Receipt]] = field(default_factory=list)
    failures: dict[str, DestinationError] = field(default_factory=dict)
    retry_after_seconds: float | None = None
    is_more_to_ask: bool = False
    warnings: list[str] = field(default_factory=list)


def capture(
    archive: Archive, account: Account, engine: MediaEngine, links: LiveLinks, number: int
) -> CaptureReport:
    """Take one generation as far as it goes now. Raises only what concerns the whole account."""
    known = queries.load(archive.index, number)
    progress = _Progress()
    try:
        live = _live(archive, account, links, known)
    except (GenerationNotFound, ProviderUnavailable, AnswerInvalid) as error:
        return _give_up(archive, known, progress, error)
    known = _fetch_all(archive, account, engine, live, number, progress)
    more = _ask_for_more(archive, account, known, progress)
    if more is not None:
        known = _fetch_all(archive, account, engine, more, number, progress)
    _catch_up(archive, known, progress)
    return _conclude(archive, known, progress)


def _fetch_all(
    archive: Archive,
    account: Account,
    engine: MediaEngine,
    live: Generation,
    number: int,
    progress: _Progress,
) -> Known:
    """Bring every asset that is still to be had to the destinations."""
    known = queries.load(archive.index, number)
    downloader = Downloader(archive, account, engine, known, live)
    for asset in _to_fetch(known):
        if asset.asset.key not in progress.media:
            _keep(progress, asset, downloader.fetch(asset))
    return known


def _live(archive: Archive, account: Account, links: LiveLinks, known: Known) -> Generation:
    """Get the generation with links that can be fetched, from memory, the index or the provider."""
    fresh = links.take(known.number)
    to_fetch = _to_fetch(known)
    is_listed_whole = account.provider.capabilities.listing_has_media
    if is_listed_whole and fresh is not None:
        return fresh
    if known.generation.status is not Status.COMPLETED and not to_fetch:
        return known.generation
    if is_listed_whole and all(asset.link_is_whole for asset in to_fetch):
        return known.generation
    return _ask(archive, account, known)


def _ask(archive: Archive, account: Account, known: Known) -> Generation:
    """Ask the provider for one generation, and write down what it says."""
    detail = account.provider.detail(known.generation.id, known.listed_record)
    listed.record_detail(archive.index, known.number, detail, archive.roles, archive.clock())
    return detail


def _ask_for_more(
    archive: Archive, account: Account, known: Known, progress: _Progress
) -> Generation | None:
    """Ask once for files that only the detail names, after the listed ones are safe."""
    generation = known.generation
    is_told = "detail" in generation.raw or not generation.assets
    if is_told or not account.provider.capabilities.detail_has_more:
        return None
    try:
        return _ask(archive, account, known)
    except ProviderError as error:
        progress.is_more_to_ask = True
        progress.retry_after_seconds = error.retry_after_seconds
        return None


def _to_fetch(known: Known) -> list[KnownAsset]:
    wanted = [asset for asset in known.assets if asset.state in (State.PENDING, State.FAILED)]
    return sorted(wanted, key=lambda known: (_ROLE_ORDER.index(known.asset.role), known.ordinal))


def _keep(progress: _Progress, known: KnownAsset, outcome: Outcome) -> None:
    key = known.asset.key
    if outcome.media is not None:
        progress.media[key] = outcome.media
        progress.missing.pop(key, None)
    if outcome.missing is not None:
        progress.missing[key] = outcome.missing
    progress.receipts += [(key, receipt) for receipt in outcome.receipts]
    progress.failures.update(outcome.failures)
    progress.warnings += [outcome.warning] if outcome.warning else []
    progress.retry_after_seconds = outcome.retry_after_seconds or progress.retry_after_seconds


def _catch_up(archive: Archive, known: Known, progress: _Progress) -> None:
    """Bring files that some destinations hold to those that do not, from a good copy."""
    media = {asset.asset.key: asset.media for asset in known.assets if asset.media is not None}
    media.update(progress.media)
    held = _holders(archive, known, progress)
    for key, one in media.items():
        for name in archive.destinations.keys() - held[key] - progress.failures.keys():
            for source in sorted(held[key] & archive.destinations.keys()):
                try:
                    receipt = copy_file(
                        archive.destinations[source],
                        archive.destinations[name],
                        one.path,
                        one.digest,
                        one.media_type,
                    )
                except DestinationError as error:
                    progress.failures[name] = error
                    continue
                progress.receipts.append((key, receipt))
                progress.failures.pop(name, None)
                break


def _holders(archive: Archive, known: Known, progress: _Progress) -> dict[str, set[str]]:
    """Say which destinations hold each file of the generation, old and new."""
    held: dict[str, set[str]] = {asset.asset.key: set() for asset in known.assets}
    for copy in queries.copies(archive.index, known.number):
        if not copy.is_sidecar and copy.asset_key not in progress.media:
            held[copy.asset_key].add(copy.receipt.destination)
    for key, receipt in progress.receipts:
        held[key].add(receipt.destination)
    return held


def _conclude(archive: Archive, known: Known, progress: _Progress) -> CaptureReport:
    """Write the sidecar where all files are, then the index."""
    media, missing = _everything(known, progress)
    held = _holders(archive, known, progress)
    complete = frozenset(
        name for name in archive.destinations if all(name in held[one.key] for one in media)
    )
    is_settled = not any(one.state is State.FAILED for one in missing)
    archived_at = known.archived_at or archive.clock()
    if progress.media or is_settled:
        document = sidecar.encode(
            sidecar.Sidecar(
                generation=known.generation,
                media=media,
                missing=missing,
                archived_at=archived_at,
            )
        )
        complete = _put_sidecar(archive, known, progress, document, complete)
    is_enough = archive.is_enough(complete)
    state, reason = _judge(missing, progress, is_settled and is_enough)
    is_all = is_settled and not progress.is_more_to_ask
    is_everywhere = is_all and complete >= archive.names
    outcome = Captured(
        state=state,
        reason=reason,
        media=tuple(progress.media.values()),
        missing=tuple(progress.missing.values()),
        receipts=tuple(progress.receipts),
        archived_at=archived_at if is_settled and is_enough else None,
        next_try_at=None if is_everywhere else _next_try(archive, known, progress),
    )
    captured.record(archive.index, known.number, outcome)
    return _report(known, progress, outcome)


def _put_sidecar(
    archive: Archive,
    known: Known,
    progress: _Progress,
    document: bytes,
    destinations: Iterable[str],
) -> frozenset[str]:
    """The commit point: returns the destinations where the generation is now complete.

    A destination that holds this very document already is left alone.
    """
    sha256 = hashlib.sha256(document).hexdigest()
    done = {
        copy.receipt.destination
        for copy in queries.copies(archive.index, known.number)
        if copy.is_sidecar and copy.receipt.digest.sha256 == sha256
    }
    for name in sorted(frozenset(destinations) - done):
        try:
            receipt = put(
                archive.destinations[name],
                keys.make_sidecar_key(known.stem),
                [document],
                sidecar.MEDIA_TYPE,
            )
        except DestinationError as error:
            progress.failures[name] = error
            continue
        progress.receipts.append((SIDECAR, receipt))
        done.add(name)
    return frozenset(done) & frozenset(destinations)


def _everything(known: Known, progress: _Progress) -> tuple[tuple[Media, ...], tuple[Missing, ...]]:
    """Put together what is kept and what is missing, old and new, in the provider's order."""
    media: list[Media] = []
    missing: list[Missing] = []
    for asset in known.assets:
        key = asset.asset.key
        kept = progress.media.get(key, asset.media)
        lacking = progress.missing.get(key, asset.missing)
        if kept is not None:
            media.append(kept)
        elif lacking is not None:
            missing.append(lacking)
    return tuple(media), tuple(missing)


def _judge(
    missing: tuple[Missing, ...], progress: _Progress, is_done: bool
) -> tuple[State, str | None]:
    """The part of the state machine that capture drives (docs/design.md draws the whole)."""
    for state in (State.FAILED, State.LOST):
        found = next((one for one in missing if one.state is state), None)
        if found is not None and (state is State.FAILED or is_done):
            return state, f"{found.key}: {found.reason}"
    if is_done:
        return State.ARCHIVED, None
    reasons = "; ".join(str(error) for error in progress.failures.values())
    return State.FAILED, reasons or "a destination that must hold it cannot be used now"


def _next_try(archive: Archive, known: Known, progress: _Progress) -> datetime:
    """Back off from a minute to six hours, with jitter, but never past half the time left."""
    now = archive.clock()
    doubled: timedelta = FIRST_RETRY * (1 << min(known.attempts, 20))
    wait = min(LONGEST_RETRY, doubled)
    wait *= random.uniform(0.75, 1.25)  # noqa: S311  # spreads load, guards nothing
    if known.deadline_at is not None and known.deadline_at > now:
        wait = min(wait, (known.deadline_at - now) / 2)
    return now + max(wait, timedelta(seconds=progress.retry_after_seconds or 0))


def _give_up(
    archive: Archive, known: Known, progress: _Progress, error: Exception
) -> CaptureReport:
    """Note that the provider could not be asked; a vanished generation past its time is lost."""
    now = archive.clock()
    is_past = known.deadline_at is not None and known.deadline_at <= now
    if isinstance(error, GenerationNotFound) and is_past:
        for asset in _to_fetch(known):
            missing = Lost(f"the provider deleted it: {error}", error.http_status)
            progress.missing[asset.asset.key] = missing.of(asset.asset, now)
        return _conclude(archive, known, progress)
    outcome = Captured(
        state=State.FAILED,
        reason=str(error),
        next_try_at=_next_try(archive, known, progress),
    )
    captured.record(archive.index, known.number, outcome)
    is_down = isinstance(error, ProviderUnavailable)
    return replace(_report(known, progress, outcome), is_provider_down=is_down)


def _report(known: Known, progress: _Progress, outcome: Captured) -> CaptureReport:
    return CaptureReport(
        number=known.number,
        account=known.generation.account,
        generation_id=known.generation.id,
        state=outcome.state,
        reason=outcome.reason,
        files=len(progress.media),
        size_bytes=sum(media.digest.size_bytes for media in progress.media.values()),
        lost=sum(one.state is State.LOST for one in progress.missing.values()),
        is_tried_again=outcome.next_try_at is not None,
        warnings=tuple(progress.warnings),
    )
