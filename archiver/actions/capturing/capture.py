"""Captures one generation: its files, then its sidecar. This is the write order; the row is last.

Media at every destination that can be reached, each whole, checked and durable; then the
sidecar, the commit point; then the index (promise 2; docs/design.md has a paragraph for each
gap between two steps; `commit` is the second half). A try that fails leaves a state, a reason
and a time for the next one.
"""

from __future__ import annotations

from archiver.actions.archive import Account, Archive
from archiver.actions.capturing.commit import (
    PATIENT_ATTEMPTS,
    Progress,
    Tried,
    conclude,
    has_vanished,
    holders,
    next_try,
    wait_for_end,
)
from archiver.actions.capturing.committed import adopt_committed
from archiver.actions.capturing.download import Downloader, Lost, Outcome
from archiver.actions.copying import bring, note_intruder
from archiver.actions.listing.links import LiveLinks
from archiver.errors import (
    AnswerInvalid,
    ArchiverError,
    CopyDamaged,
    CopyExists,
    CredentialsRejected,
    DestinationError,
    DestinationUnavailable,
    GenerationNotFound,
    ProviderError,
    ProviderUnavailable,
)
from archiver.fetch.engine import MediaEngine
from archiver.fibers import aside
from archiver.index import listed, queries
from archiver.index.captured import Captured
from archiver.index.rows import Known, KnownAsset
from archiver.model import Generation, Role, State, Status
from archiver.states import DUE_STATES, Event

FORBIDDEN = 403
CONFIRMING_MISSES = 3
"""So many times in a row a provider has to say of what is past its deadline that it is gone."""
_ROLE_ORDER = tuple(Role)


def capture(
    archive: Archive, account: Account, engine: MediaEngine, links: LiveLinks, number: int
) -> Tried:
    """Take one generation as far as it goes now. Raises only what concerns the whole account."""
    known = queries.load(archive.index, number)
    progress = Progress()
    if known.may_be_committed and not queries.copies(archive.index, number):
        try:
            known = aside(adopt_committed, archive, known)
        except (DestinationError, ValueError) as error:
            return _give_up(archive, known, progress, error)
    if has_vanished(known):
        return _bury(archive, known, progress, Lost(known.reason or "vanished", None))
    try:
        known, live = _live(archive, account, links, known)
    except (GenerationNotFound, ProviderUnavailable, AnswerInvalid) as error:
        return _give_up(archive, known, progress, error)
    except CredentialsRejected as error:
        if error.http_status != FORBIDDEN:
            raise
        return _give_up(archive, known, progress, error)
    if live.status is Status.IN_PROGRESS:
        return wait_for_end(known, progress)
    _fetch_all(archive, account, engine, known, live, progress)
    more = _ask_for_more(archive, account, known, progress)
    if more is not None:
        known, live = more
        _fetch_all(archive, account, engine, known, live, progress)
    _catch_up(archive, known, progress)
    return _end(archive, known, progress)


def _end(archive: Archive, known: Known, progress: Progress) -> Tried:
    """Conclude a try; nothing is called lost before the sidecars that are there were read.

    The index may be a backup that is older than the archive: what it lacks can be safe, and its
    sidecar would be replaced by one that knows less.
    """
    is_loss = any(one.state is State.LOST for one in progress.missing.values())
    if is_loss or has_vanished(known):
        try:
            known = aside(adopt_committed, archive, known)
        except (DestinationError, ValueError) as error:
            return _give_up(archive, known, progress, error)
        progress.copies = None
        for asset in known.assets:
            if asset.media is not None:
                progress.missing.pop(asset.asset.key, None)
                progress.failed_as.pop(asset.asset.key, None)
    return conclude(archive, known, progress)


def _fetch_all(
    archive: Archive,
    account: Account,
    engine: MediaEngine,
    known: Known,
    live: Generation,
    progress: Progress,
) -> None:
    """Bring every asset that is still to be had to the destinations."""
    downloader = Downloader(archive, account, engine, known, live)
    for asset in _to_fetch(known):
        if asset.asset.key not in progress.media:
            _keep(progress, asset, downloader.fetch(asset))
    progress.account_error = downloader.account_error or progress.account_error


def _live(
    archive: Archive, account: Account, links: LiveLinks, known: Known
) -> tuple[Known, Generation]:
    """Get the generation with links that can be fetched, from memory, the index or the provider.

    Beside it comes what is known of it by then.
    """
    fresh = links.take(known.number)
    to_fetch = _to_fetch(known)
    is_listed_whole = account.provider.capabilities.listing_has_media
    if is_listed_whole and fresh is not None:
        return known, fresh
    if fresh is not None:  # its detail was just asked for
        return _write_down(archive, known, fresh)
    is_told = known.state is not State.PENDING and known.archived_at is not None
    if not to_fetch and (is_told or known.generation.status is not Status.COMPLETED):
        return known, known.generation
    if is_listed_whole and all(asset.link_is_whole for asset in to_fetch):
        return known, known.generation
    return _ask(archive, account, known)


def _ask(archive: Archive, account: Account, known: Known) -> tuple[Known, Generation]:
    """Ask the provider for one generation, and write down what it says."""
    detail = aside(account.provider.detail, known.generation.id, known.listed_record)
    return _write_down(archive, known, detail)


def _write_down(archive: Archive, known: Known, detail: Generation) -> tuple[Known, Generation]:
    """Record what the provider says of one generation, with all its files."""
    now, roles = archive.clock(), archive.roles
    aside(listed.record_detail, archive.index, known.number, detail, roles, now)
    return queries.load(archive.index, known.number), detail


def _ask_for_more(
    archive: Archive, account: Account, known: Known, progress: Progress
) -> tuple[Known, Generation] | None:
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
    wanted = [asset for asset in known.assets if asset.state in DUE_STATES]
    return sorted(wanted, key=lambda known: (_ROLE_ORDER.index(known.asset.role), known.ordinal))


def _keep(progress: Progress, known: KnownAsset, outcome: Outcome) -> None:
    key = known.asset.key
    progress.failed_as.pop(key, None)
    if outcome.failed_as is not None:
        progress.failed_as[key] = outcome.failed_as
    if outcome.media is not None:
        progress.media[key] = outcome.media
        progress.missing.pop(key, None)
    if outcome.missing is not None:
        progress.missing[key] = outcome.missing
    if outcome.is_unplaced:
        progress.unplaced.add(key)
    progress.receipts += [(key, receipt) for receipt in outcome.receipts]
    progress.failures.update(outcome.failures)
    progress.warnings += [outcome.warning] if outcome.warning else []
    progress.retry_after_seconds = outcome.retry_after_seconds or progress.retry_after_seconds


def _catch_up(archive: Archive, known: Known, progress: Progress) -> None:
    """Bring files that some destinations hold to those that do not, from a good copy."""
    media = {asset.asset.key: asset.media for asset in known.assets if asset.media is not None}
    media.update(progress.media)
    usable = archive.destinations.keys()
    held = holders(archive, known, progress)
    for key, one in media.items():
        sources = [archive.destinations[name] for name in sorted(held[key] & usable)]
        for name in usable - held[key] - progress.failures.keys():
            target = archive.destinations[name]
            try:
                brought = aside(bring, sources, target, one.path, one.digest, one.media_type)
            except DestinationError as error:
                progress.failures[name] = error
                if isinstance(error, CopyExists):
                    aside(note_intruder, archive, name, one.path)
                    progress.copies = None
            else:
                progress.receipts.append((key, brought.receipt))


def _give_up(archive: Archive, known: Known, progress: Progress, error: Exception) -> Tried:
    """Note that the provider could not be asked, or does not know the generation.

    Said often enough, and past its time, that is a loss; once it may be a slip of some gateway.
    """
    now = archive.clock()
    is_missed = isinstance(error, GenerationNotFound)
    misses = known.misses + 1 if is_missed else 0
    is_past = known.deadline_at is not None and known.deadline_at <= now
    believed_after = CONFIRMING_MISSES if is_past else PATIENT_ATTEMPTS
    if (is_past or known.deadline_at is None) and misses >= believed_after:
        assert isinstance(error, GenerationNotFound), "it was just missed"
        lost = Lost(f"the provider deleted it: {error}", error.http_status)
        return _bury(archive, known, progress, lost)
    _catch_up(archive, known, progress)
    failed_as = (error if isinstance(error, ArchiverError) else CopyDamaged(str(error))).label
    progress.failed_as = {one.asset.key: failed_as for one in _to_fetch(known)} or {"": failed_as}
    outcome = Captured(
        event=Event.TRY_FAILED,
        reason=str(error),
        fingerprint=known.fingerprint,
        receipts=tuple(progress.receipts),
        next_try_at=next_try(archive, known, progress),
        misses=misses,
    )
    is_down = isinstance(error, ProviderUnavailable | CredentialsRejected)
    return Tried(
        known=known,
        progress=progress,
        outcome=outcome,
        is_provider_down=is_down,
        is_destination_fault=isinstance(error, DestinationUnavailable),
    )


def _bury(archive: Archive, known: Known, progress: Progress, lost: Lost) -> Tried:
    """Write down that all that was still to be fetched is gone; the sidecar keeps the prompt."""
    for asset in _to_fetch(known):
        progress.missing[asset.asset.key] = lost.of(asset.asset, archive.clock())
    return _end(archive, known, progress)
