"""Fetches one asset from the first of its sources that gives the whole file.

A link that says it has expired is refreshed before it is used, one that is refused once
afterwards; what a fresh link refuses after the deadline is lost, with that as the evidence;
anything else is a failure with a next try (promises 1 and 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from archiver import keys
from archiver.actions.archive import Account, Archive
from archiver.actions.capturing.intake import Intake
from archiver.errors import (
    AnswerInvalid,
    DestinationError,
    DestinationUnavailable,
    GenerationNotFound,
    LinkRefused,
    MediaError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from archiver.fetch.engine import MediaEngine
from archiver.fetch.link_expiry import link_expires_at
from archiver.fetch.transfer import Fetched
from archiver.fibers import aside
from archiver.index.rows import Known, KnownAsset
from archiver.model import (
    Asset,
    Digest,
    Embedded,
    Generation,
    Link,
    Media,
    Missing,
    Receipt,
    State,
)
from archiver.storage.base import Target

GONE = (404, 410)
TOO_MANY = 429
LINK_MARGIN = timedelta(seconds=10)
"""A link that ends so soon is renewed before it is used: two clocks never quite agree."""
PATIENT_ATTEMPTS = 6
"""A 401 or 403 may be a passing challenge: only so many, over an hour at least, are evidence."""
DOUBT_ATTEMPTS = 3
DOUBT_LEFT = timedelta(hours=24)
"""What is not of the stated kind is kept from the fourth try on, or with less time than this."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Evidence that an asset is gone."""

    reason: str
    http_status: int | None

    def of(self, asset: Asset, now: datetime) -> Missing:
        """Write the evidence down for one asset."""
        return Missing(
            key=asset.key,
            role=asset.role,
            state=State.LOST,
            reason=self.reason,
            http_status=self.http_status,
            at=now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one asset: its media with receipts, or why it is missing.

    `warning` tells of a size or a kind that is not what the provider stated: no failure, since
    the file proved to be whole, or stayed as it is (see `Intake`).
    `is_unplaced` says that no destination took the file, `failed_as` what kind of error it was.
    """

    media: Media | None = None
    missing: Missing | None = None
    receipts: tuple[Receipt, ...] = ()
    failures: Mapping[str, DestinationError] = field(default_factory=dict)
    retry_after_seconds: float | None = None
    warning: str | None = None
    is_unplaced: bool = False
    failed_as: str | None = None


class Downloader:
    """Fetches the assets of one generation.

    The provider is asked for fresh links once for all of them, and again only when those have
    expired by their own word before their turn came. `account_error` is set when it refuses for
    a reason that concerns the whole account.
    """

    def __init__(
        self,
        archive: Archive,
        account: Account,
        engine: MediaEngine,
        known: Known,
        live: Generation,
        places: Mapping[str, Target] | None = None,
    ) -> None:
        self._archive = archive
        self._places = archive.destinations if places is None else places
        self._account = account
        self._engine = engine
        self._known = known
        self._live = live
        self._is_refreshed = False
        self._is_proven = False
        self._is_clock_trusted = True
        self.account_error: ProviderError | None = None

    def fetch(self, known: KnownAsset) -> Outcome:
        """Bring one asset to all destinations; every media error ends in the outcome."""
        self._renew_if_expired(known)
        try:
            return self._fetch_any(known)
        except LinkRefused as refusal:
            if not self._refresh():
                return self._missing(known, refusal)
        except (MediaError, DestinationError, RateLimited) as error:
            return self._missing(known, error)
        try:
            return self._fetch_any(known)
        except (MediaError, DestinationError, RateLimited) as error:
            return self._missing(known, error)

    def _renew_if_expired(self, known: KnownAsset) -> None:
        """Refresh links that are over. Those that look so when fresh show a clock that is off."""
        if not self._is_clock_trusted or not self._is_expired(known):
            return
        self._is_refreshed = self._is_proven = False
        if self._refresh() and self._is_expired(known):
            self._is_clock_trusted = False

    def _is_expired(self, known: KnownAsset) -> bool:
        """Tell whether every source of an asset is a link that has expired, or is about to."""
        sources, now = self._sources(known), self._archive.clock()
        ends = [link_expires_at(one.url) if isinstance(one, Link) else None for one in sources]
        return bool(ends) and all(
            ends_at is not None and ends_at <= now + LINK_MARGIN for ends_at in ends
        )

    def _fetch_any(self, known: KnownAsset) -> Outcome:
        """Try the sources in turn; the error of the best one is what counts."""
        sources = self._sources(known)
        if not sources:
            raise LinkRefused("the provider names no link for this file that can be fetched")
        first_error: MediaError | None = None
        for source in sources:
            try:
                return self._fetch_one(known, source)
            except MediaError as error:
                first_error = first_error or error
        assert first_error is not None, "there was at least one source"
        raise first_error

    def _sources(self, known: KnownAsset) -> tuple[Link | Embedded, ...]:
        for asset in self._live.assets:
            if asset.key == known.asset.key:
                return asset.sources
        return ()

    def _fetch_one(self, known: KnownAsset, source: Link | Embedded) -> Outcome:
        role, ordinal, stem = known.asset.role, known.ordinal, self._known.stem
        intake = Intake(
            self._places,
            lambda extension: keys.make_file_key(stem, role, ordinal, extension),
            stated=known.asset.kind,
            takes_doubtful=self._takes_doubtful(),
        )
        try:
            fetched = self._receive(intake, source)
            digest, receipts = intake.commit()
        finally:
            intake.abort()
        assert intake.media_type is not None, "what was committed was recognised"
        assert intake.key is not None, "what was committed has a name"
        media = Media(
            key=known.asset.key,
            role=role,
            kind=intake.media_type.kind,
            path=intake.key,
            original_name=known.asset.original_name,
            media_type=intake.media_type.media_type,
            digest=digest,
            source_url=source.public_url if isinstance(source, Link) else None,
            source_etag=fetched.etag if fetched else None,
            fetched_at=self._archive.clock(),
        )
        return Outcome(
            media=media,
            receipts=receipts,
            failures=dict(intake.failures),
            warning=_warning(known.asset, digest, intake.warning),
        )

    def _takes_doubtful(self) -> bool:
        """Whether to keep what is not what was stated: after some tries, or with little time."""
        ends_at = self._known.deadline_at
        is_urgent = ends_at is not None and ends_at - self._archive.clock() < DOUBT_LEFT
        return is_urgent or self._known.attempts >= DOUBT_ATTEMPTS

    def _receive(self, intake: Intake, source: Link | Embedded) -> Fetched | None:
        if isinstance(source, Embedded):
            intake.write(source.data)
            return None
        if not source.with_credentials:
            return self._engine.fetch(source, intake)
        return self._fetch_from_api(source, intake)

    def _fetch_from_api(self, link: Link, intake: Intake) -> Fetched:
        """Fetch a file that the API itself serves: that counts against the account's budget."""
        pace = self._account.pace
        try:
            aside(pace.wait)
            return self._engine.fetch(link, intake, self._account.credentials)
        except RateLimited as error:
            self.account_error = error
            raise
        except MediaError as error:
            if error.http_status == TOO_MANY:
                pace.pause(error.retry_after_seconds)
            raise

    def _refresh(self) -> bool:
        """Ask the provider for fresh links, once for all assets of the generation.

        An error that concerns the whole account (its key, its budget) is kept for the caller:
        raised here it would lose what was fetched before.
        """
        if self._is_refreshed:
            return False
        self._is_refreshed = True
        try:
            self._live = aside(
                self._account.provider.refresh,
                self._known.generation.id,
                self._known.listed_record,
            )
        except GenerationNotFound:
            self._is_proven = True
            return False
        except (ProviderUnavailable, AnswerInvalid):
            return False
        except ProviderError as error:
            self.account_error = error
            return False
        self._is_proven = True
        return True

    def _missing(
        self, known: KnownAsset, error: MediaError | DestinationError | RateLimited
    ) -> Outcome:
        """Write down why an asset did not come: lost with evidence, else failed for now."""
        now = self._archive.clock()
        deadline_at = self._known.deadline_at
        is_past = deadline_at is not None and deadline_at <= now
        is_gone = error.http_status in GONE or self._known.attempts >= PATIENT_ATTEMPTS
        if isinstance(error, LinkRefused) and is_past and is_gone and self._is_proven:
            reason = f"past its deadline, and a fresh link was refused: {error}"
            lost = Lost(reason, error.http_status)
            return Outcome(missing=lost.of(known.asset, now))
        missing = Missing(
            key=known.asset.key,
            role=known.asset.role,
            state=State.FAILED,
            reason=str(error),
            http_status=error.http_status,
            at=now,
        )
        return Outcome(
            missing=missing,
            retry_after_seconds=error.retry_after_seconds,
            is_unplaced=isinstance(error, DestinationUnavailable),
            failed_as=error.label,
        )


def _warning(asset: Asset, digest: Digest, doubt: str | None) -> str | None:
    stated, came = asset.stated_size_bytes, digest.size_bytes
    is_size_odd = stated is not None and stated != came
    size = f"{came} bytes came where the provider stated {stated}" if is_size_odd else None
    told = "; ".join(filter(None, (size, doubt)))
    return f"{asset.key}: {told}" if told else None
