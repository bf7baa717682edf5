"""Brings a try to its end: the sidecar, the commit point, and then the index row.

The second half of the write order (promise 2; docs/design.md has a paragraph for each gap). What
a try gathered decides the state, the reason and the time of the next one.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from archiver import keys, sidecar, xmp
from archiver.actions.archive import Archive
from archiver.errors import DestinationError, DestinationUnavailable, ProviderError
from archiver.index import captured, queries
from archiver.index.captured import SIDECAR, Captured
from archiver.index.rows import Known
from archiver.model import Kind, Media, Missing, Receipt, Role, State, Status
from archiver.states import RESTING_STATES, Event
from archiver.storage.base import put

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)
NOT_READY = "not_ready"
"""What is finished and names no output yet, or waits for a destination, failed without an error."""
PATIENT_ATTEMPTS = 6
"""So many tries, over an hour at the least, before a repeated word of the provider is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureReport:
    """What one try did, for the summary of the run.

    `failed_as` says for each asset that failed, or destination that did not take it, of which
    kind the error was (`ArchiverError.label`).
    """

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
    is_destination_fault: bool = False
    account_error: ProviderError | None = None
    warnings: tuple[str, ...] = ()
    failed_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One try that has come to its end at the destinations, and is still to be recorded."""

    known: Known
    progress: Progress
    outcome: Captured
    is_provider_down: bool = False
    is_destination_fault: bool = False


@dataclass(slots=True)
class Progress:
    """What a try has gathered so far; `failed_as` by asset key."""

    media: dict[str, Media] = field(default_factory=dict)
    missing: dict[str, Missing] = field(default_factory=dict)
    receipts: list[tuple[str, Receipt]] = field(default_factory=list)
    failures: dict[str, DestinationError] = field(default_factory=dict)
    unplaced: set[str] = field(default_factory=set)
    retry_after_seconds: float | None = None
    is_more_to_ask: bool = False
    account_error: ProviderError | None = None
    warnings: list[str] = field(default_factory=list)
    failed_as: dict[str, str] = field(default_factory=dict)
    copies: list[queries.Copy] | None = None

    def copies_of(self, archive: Archive, known: Known) -> list[queries.Copy]:
        """Read the copies that the index knows, once a try; forget them where it is told more."""
        if self.copies is None:
            self.copies = queries.copies(archive.index, known.number)
        return self.copies


def conclude(archive: Archive, known: Known, progress: Progress) -> Tried:
    """Write the sidecar where all files are; `record` then writes the index."""
    media, missing = _everything(known, progress)
    held = holders(archive, known, progress)
    complete = frozenset(
        name for name in archive.destinations if all(name in held[one.key] for one in media)
    )
    is_settled = not any(one.state is State.FAILED for one in missing)
    archived_at = known.archived_at or archive.clock()
    if progress.media or is_settled:
        document = make_document(known, progress, archived_at)
        described = media if archive.writes_xmp else ()
        complete = _put_sidecar(archive, known, progress, document, complete, described)
    is_enough = archive.is_enough(complete)
    event, reason = _judge(known, missing, progress, is_settled and is_enough)
    is_all = is_settled and not progress.is_more_to_ask and event is not Event.TRY_FAILED
    is_everywhere = is_all and complete >= archive.names
    outcome = Captured(
        event=event,
        reason=reason,
        fingerprint=known.fingerprint,
        media=tuple(progress.media.values()),
        missing=tuple(progress.missing.values()),
        receipts=tuple(progress.receipts),
        archived_at=archived_at if any(key == SIDECAR for key, _ in progress.receipts) else None,
        next_try_at=None if is_everywhere else next_try(archive, known, progress),
    )
    is_fault = not (is_settled and is_enough) and _is_destination_fault(missing, progress)
    return Tried(known=known, progress=progress, outcome=outcome, is_destination_fault=is_fault)


def make_document(known: Known, progress: Progress, archived_at: datetime) -> bytes:
    """Write the sidecar as the index and what a try gathered say; equal input, equal bytes."""
    media, missing = _everything(known, progress)
    return sidecar.encode(
        sidecar.Sidecar(
            generation=known.generation, media=media, missing=missing, archived_at=archived_at
        )
    )


def _is_destination_fault(missing: tuple[Missing, ...], progress: Progress) -> bool:
    """Whether nothing but a destination that is away stands in the way; a run says that once."""
    is_away = all(isinstance(one, DestinationUnavailable) for one in progress.failures.values())
    return is_away and all(
        one.state is not State.FAILED or one.key in progress.unplaced for one in missing
    )


def wait_for_end(known: Known, progress: Progress) -> Tried:
    """Take back what a listing said too early: the provider's detail is not finished yet."""
    outcome = Captured(event=Event.UNFINISHED, reason=None, fingerprint=known.fingerprint)
    return Tried(known=known, progress=progress, outcome=outcome)


def has_vanished(known: Known) -> bool:
    """Whether the walk found that the provider dropped it while it was being made."""
    return known.state is State.LOST and known.generation.status is Status.IN_PROGRESS


def holders(archive: Archive, known: Known, progress: Progress) -> dict[str, set[str]]:
    """Say which destinations hold each file of the generation, old and new."""
    held: dict[str, set[str]] = {asset.asset.key: set() for asset in known.assets}
    for copy in progress.copies_of(archive, known):
        if not copy.is_sidecar and copy.asset_key not in progress.media:
            held[copy.asset_key].add(copy.receipt.destination)
    for key, receipt in progress.receipts:
        held[key].add(receipt.destination)
    return held


def _put_sidecar(
    archive: Archive,
    known: Known,
    progress: Progress,
    document: bytes,
    destinations: Iterable[str],
    described: Sequence[Media],
) -> frozenset[str]:
    """The commit point: returns the destinations where the generation is now complete.

    A destination that holds this very document already is left alone. The XMP sidecars of
    `described` say nothing that the sidecar does not, so they have no receipts of their own.
    """
    sha256 = hashlib.sha256(document).hexdigest()
    done = {
        copy.receipt.destination
        for copy in progress.copies_of(archive, known)
        if copy.is_sidecar and copy.receipt.digest.sha256 == sha256
    }
    for name in sorted(frozenset(destinations) - done):
        destination = archive.destinations[name]
        try:
            for one in described:
                packet = xmp.encode(known.generation, one)
                put(destination, keys.make_xmp_key(one.path), [packet], xmp.MEDIA_TYPE)
            key = keys.make_sidecar_key(known.stem)
            receipt = put(destination, key, [document], sidecar.MEDIA_TYPE)
        except DestinationError as error:
            progress.failures[name] = error
            continue
        progress.receipts.append((SIDECAR, receipt))
        done.add(name)
    return frozenset(done) & frozenset(destinations)


def _everything(known: Known, progress: Progress) -> tuple[tuple[Media, ...], tuple[Missing, ...]]:
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
    known: Known, missing: tuple[Missing, ...], progress: Progress, is_done: bool
) -> tuple[Event, str | None]:
    """Name the event that a try ended in (`archiver.states`), and the reason for a person."""
    if is_done and _lacks_output(known):
        return Event.TRY_FAILED, "the provider calls it finished and names no output yet"
    failed = next((one for one in missing if one.state is State.FAILED), None)
    if failed is not None:
        return Event.TRY_FAILED, f"{failed.key}: {failed.reason}"
    lost = next((one for one in missing if one.state is State.LOST), None)
    if lost is not None and is_done:
        return Event.PROVEN_GONE, f"{lost.key}: {lost.reason}"
    if has_vanished(known):
        return Event.PROVEN_GONE, known.reason
    if is_done:
        return Event.SECURED, None
    reasons = "; ".join(str(error) for error in progress.failures.values())
    return Event.TRY_FAILED, reasons or "a destination that must hold it cannot be used now"


def _lacks_output(known: Known) -> bool:
    """Whether a finished generation that should have a file names none; not believed for long."""
    generation = known.generation
    is_due = generation.status is Status.COMPLETED and generation.kind is not Kind.TEXT
    has_output = any(asset.asset.role is Role.OUTPUT for asset in known.assets)
    has_text = bool(generation.raw) and "result_text" in str(generation.raw)
    return is_due and not has_output and not has_text and known.attempts < PATIENT_ATTEMPTS


def next_try(archive: Archive, known: Known, progress: Progress) -> datetime:
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


def record(archive: Archive, tries: Sequence[Tried]) -> list[CaptureReport | Exception]:
    """Write the index rows, the last step, and say what each try did.

    The rows of all are written together; an error stands in the place of one that cannot be.
    """
    outcomes = [(one.known.number, one.outcome) for one in tries]
    ends = captured.record_all(archive.index, outcomes, archive.clock())
    return [
        end if isinstance(end, Exception) else _report(one, end)
        for one, end in zip(tries, ends, strict=True)
    ]


def record_one(archive: Archive, tried: Tried) -> CaptureReport:
    """Write the index row of one try; raises what keeps it from being written."""
    [report] = record(archive, [tried])
    if isinstance(report, Exception):
        raise report
    return report


def _report(tried: Tried, state: State) -> CaptureReport:
    known, progress, outcome = tried.known, tried.progress, tried.outcome
    return CaptureReport(
        number=known.number,
        account=known.generation.account,
        generation_id=known.generation.id,
        state=state,
        reason=outcome.reason,
        files=len(progress.media),
        size_bytes=sum(media.digest.size_bytes for media in progress.media.values()),
        lost=_count_lost(known, progress, outcome),
        is_tried_again=outcome.next_try_at is not None and state not in RESTING_STATES,
        is_provider_down=tried.is_provider_down,
        is_destination_fault=tried.is_destination_fault,
        account_error=progress.account_error,
        warnings=tuple(progress.warnings),
        failed_as=_failed_as(progress) if outcome.event is Event.TRY_FAILED else (),
    )


def _failed_as(progress: Progress) -> tuple[str, ...]:
    """Name the errors of a try that failed; one without any came before its files had a name."""
    told = progress.failed_as or {name: one.label for name, one in progress.failures.items()}
    return tuple(told.values()) or (NOT_READY,)


def _count_lost(known: Known, progress: Progress, outcome: Captured) -> int:
    """Count what this try found lost; what vanished before it had a file counts once as well."""
    if has_vanished(known):
        return int(known.archived_at is None and outcome.archived_at is not None)
    return sum(one.state is State.LOST for one in progress.missing.values())
