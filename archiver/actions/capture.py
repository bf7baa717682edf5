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
from archiver.actions.committed import adopt_committed
from archiver.actions.copying import copy_file, holds_other
from archiver.actions.download import Downloader, Lost, Outcome
from archiver.actions.links import LiveLinks
from archiver.errors import (
    AnswerInvalid,
    CopyDamaged,
    CredentialsRejected,
    DestinationError,
    GenerationNotFound,
    ProviderError,
    ProviderUnavailable,
)
from archiver.fetch.engine import MediaEngine
from archiver.index import captured, listed, queries
from archiver.index.captured import SIDECAR, Captured
from archiver.index.rows import Known, KnownAsset
from archiver.model import Generation, Kind, Media, Missing, Receipt, Role, State, Status
from archiver.storage.base import put

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)
PATIENT_ATTEMPTS = 6
"""So many tries, over an hour at the least, before a repeated word of the provider is believed."""
FORBIDDEN = 403
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
    account_error: ProviderError | None = None
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
    account_error: ProviderError | None = None
    warnings: list[str] = field(default_factory=list)


def capture(
    archive: Archive, account: Account, engine: MediaEngine, links: LiveLinks, number: int
) -> CaptureReport:
    """Take one generation as far as it goes now. Raises only what concerns the whole account."""
    known = queries.load(archive.index, number)
    progress = _Progress()
    if known.may_be_committed and not queries.copies(archive.index, number):
        try:
            known = adopt_committed(archive, known)
        except (DestinationError, ValueError) as error:
            return _give_up(archive, known, progress, error)
    if _has_vanished(known):
        return _bury(archive, known, progress, Lost(known.reason or "vanished", None))
    try:
        live = _live(archive, account, links, known)
    except (GenerationNotFound, ProviderUnavailable, AnswerInvalid) as error:
        return _give_up(archive, known, progress, error)
    except CredentialsRejected as error:
        if error.http_status != FORBIDDEN:
            raise
        return _give_up(archive, known, progress, error)
    if live.status is Status.IN_PROGRESS:
        return _wait_for_end(archive, known, progress)
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
    progress.account_error = downloader.account_error or progress.account_error
    return known


def _live(archive: Archive, account: Account, links: LiveLinks, known: Known) -> Generation:
    """Get the generation with links that can be fetched, from memory, the index or the provider."""
    fresh = links.take(known.number)
    to_fetch = _to_fetch(known)
    is_listed_whole = account.provider.capabilities.listing_has_media
    if is_listed_whole and fresh is not None:
        return fresh
    is_told = known.state is not State.PENDING and known.archived_at is not None
    if not to_fetch and (is_told or known.generation.status is not Status.COMPLETED):
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
        if not isinstance(error, (GenerationNotFound, ProviderUnavailable, AnswerInvalid)):
            progress.account_error = error
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
                    if holds_other(archive.destinations[name], one.path, one.digest):
                        raise CopyDamaged(f"{name} holds another file as {one.path}")
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
    state, reason = _judge(known, missing, progress, is_settled and is_enough)
    is_all = is_settled and not progress.is_more_to_ask and state is not State.FAILED
    is_everywhere = is_all and complete >= archive.names
    outcome = Captured(
        state=state,
        reason=reason,
        fingerprint=known.fingerprint,
        media=tuple(progress.media.values()),
        missing=tuple(progress.missing.values()),
        receipts=tuple(progress.receipts),
        archived_at=archived_at if any(key == SIDECAR for key, _ in progress.receipts) else None,
        next_try_at=None if is_everywhere else _next_try(archive, known, progress),
    )
    captured.record(archive.index, known.number, outcome, archive.clock())
    return _report(known, progress, outcome)


def _wait_for_end(archive: Archive, known: Known, progress: _Progress) -> CaptureReport:
    """Take back what a listing said too early: the provider's detail is not finished yet."""
    outcome = Captured(state=State.IN_PROGRESS, reason=None, fingerprint=known.fingerprint)
    captured.record(archive.index, known.number, outcome, archive.clock())
    return _report(known, progress, outcome)


def _lacks_output(known: Known) -> bool:
    """Whether a finished generation that should have a file names none; not believed for long."""
    generation = known.generation
    is_due = generation.status is Status.COMPLETED and generation.kind is not Kind.TEXT
    has_output = any(asset.asset.role is Role.OUTPUT for asset in known.assets)
    has_text = bool(generation.raw) and "result_text" in str(generation.raw)
    return is_due and not has_output and not has_text and known.attempts < PATIENT_ATTEMPTS


def _has_vanished(known: Known) -> bool:
    """Whether the walk found that the provider dropped it while it was being made."""
    return known.state is State.LOST and known.generation.status is Status.IN_PROGRESS


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
    known: Known, missing: tuple[Missing, ...], progress: _Progress, is_done: bool
) -> tuple[State, str | None]:
    """The part of the state machine that capture drives (docs/design.md draws the whole)."""
    if is_done and _lacks_output(known):
        return State.FAILED, "the provider calls it finished and names no output yet"
    for state in (State.FAILED, State.LOST):
        found = next((one for one in missing if one.state is state), None)
        if found is not None and (state is State.FAILED or is_done):
            return state, f"{found.key}: {found.reason}"
    if _has_vanished(known):
        return State.LOST, known.reason
    if is_done:
        return State.ARCHIVED, None
    reasons = "; ".join(str(error) for error in progress.failures.values())
    return State.FAILED, reasons or "a destination that must hold it cannot be used now"


def _next_try(archive: Archive, known: Known, progress: _Progress) -> datetime:
    """Back off from a minute to six hours, with jitter, but never past half the time left.

    Not even for a Retry-After: one polite request too many is better than a loss.
    """
    now = archive.clock()
    doubled: timedelta = FIRST_RETRY * (1 << min(known.attempts, 20))
    wait = min(LONGEST_RETRY, doubled)
    wait *= random.uniform(0.75, 1.25)  # noqa: S311  # spreads load, guards nothing
    wait = max(wait, timedelta(seconds=progress.retry_after_seconds or 0))
    if known.deadline_at is not None and known.deadline_at > now:
        wait = min(wait, (known.deadline_at - now) / 2)
    return now + wait


def _give_up(
    archive: Archive, known: Known, progress: _Progress, error: Exception
) -> CaptureReport:
    """Note that the provider could not be asked; a vanished generation past its time is lost."""
    now = archive.clock()
    is_past = known.deadline_at is not None and known.deadline_at <= now
    is_repeated = known.deadline_at is None and known.attempts >= PATIENT_ATTEMPTS
    if isinstance(error, GenerationNotFound) and (is_past or is_repeated):
        lost = Lost(f"the provider deleted it: {error}", error.http_status)
        return _bury(archive, known, progress, lost)
    _catch_up(archive, known, progress)
    outcome = Captured(
        state=State.FAILED,
        reason=str(error),
        receipts=tuple(progress.receipts),
        next_try_at=_next_try(archive, known, progress),
    )
    captured.record(archive.index, known.number, outcome, archive.clock())
    is_down = isinstance(error, ProviderUnavailable | CredentialsRejected)
    return replace(_report(known, progress, outcome), is_provider_down=is_down)


def _bury(archive: Archive, known: Known, progress: _Progress, lost: Lost) -> CaptureReport:
    """Write down that all that was still to be fetched is gone; the sidecar keeps the prompt."""
    for asset in _to_fetch(known):
        progress.missing[asset.asset.key] = lost.of(asset.asset, archive.clock())
    return _conclude(archive, known, progress)


def _report(known: Known, progress: _Progress, outcome: Captured) -> CaptureReport:
    return CaptureReport(
        number=known.number,
        account=known.generation.account,
        generation_id=known.generation.id,
        state=outcome.state,
        reason=outcome.reason,
        files=len(progress.media),
        size_bytes=sum(media.digest.size_bytes for media in progress.media.values()),
        lost=_count_lost(known, progress, outcome),
        is_tried_again=outcome.next_try_at is not None,
        account_error=progress.account_error,
        warnings=tuple(progress.warnings),
    )


def _count_lost(known: Known, progress: _Progress, outcome: Captured) -> int:
    """Count what this try found lost; what vanished before it had a file counts once as well."""
    if _has_vanished(known):
        return int(known.archived_at is None and outcome.archived_at is not None)
    return sum(one.state is State.LOST for one in progress.missing.values())
