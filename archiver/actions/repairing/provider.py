"""Fetches a file of which no good copy is left once more from its provider, while it can.

The link is fresh and the file passes every check of a capture. If it is what was recorded, it
takes the place of the bad copy. If the provider now gives other bytes, they become the asset, with
a new receipt and sidecar, but only when every copy was read and none is good: a destination that
cannot be looked at may hold the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archiver.actions.archive import Account
from archiver.actions.capturing.commit import Progress, conclude, record_one
from archiver.actions.capturing.download import DOUBT_ATTEMPTS, Downloader
from archiver.actions.capturing.download import Outcome as Download
from archiver.actions.repairing.finding import Means, Outcome, Repaired, describe, tell
from archiver.actions.repairing.judging import guarded
from archiver.actions.repairing.setting_aside import SettingAside, keep_aside
from archiver.errors import CopyDamaged, ProviderError
from archiver.index import faults, queries
from archiver.index.faults import Placed
from archiver.index.queries import Copy
from archiver.index.rows import Known, KnownAsset
from archiver.model import Digest, Generation, Media


def fetch_again(
    means: Means, known: Known, asset: KnownAsset, copy: Copy, *, unknown: Sequence[str]
) -> Repaired | str:
    """Heal one copy from the provider, or say why that cannot be done.

    Raises DestinationError when the copy's own destination does not take it.
    """
    media = asset.media
    assert media is not None, "what is repaired was archived"
    if known.deadline_at is not None and known.deadline_at <= means.now:
        return f"its provider kept it until {known.deadline_at:%Y-%m-%d %H:%M} UTC"
    account = means.open_account(known.generation.account)
    if account is None:
        return f"its provider cannot be asked: no key of {known.generation.account} is at hand"
    place = _make_place(means, copy, media, unknown)
    try:
        live = account.provider.refresh(known.generation.id, known.listed_record)
    except ProviderError as error:
        return f"its provider cannot give it now: {error}"
    done = _download(means, known, asset, account, live, place)
    if done.media is None and place.trouble is not None:
        raise place.trouble
    if done.media is None:
        reason = done.missing.reason if done.missing is not None else "no reason was given"
        return f"its provider does not give it: {reason}"
    aside = place.aside.get(media.path)
    name = known.generation.provider
    if done.media.digest == media.digest:
        placed = [Placed(asset_key=copy.asset_key, receipt=one) for one in done.receipts]
        faults.record_placed(means.archive.index, known.number, placed)
        return tell(known, copy, Outcome.HEALED, source=name, aside=aside)
    _renew(means, known, done.media, done)
    message = (
        f"no good copy was left of {describe(media.digest)}, and its provider now gives "
        f"{describe(done.media.digest)}: that is kept from now on"
    )
    return tell(known, copy, Outcome.HEALED, source=name, aside=aside, message=message)


def _make_place(means: Means, copy: Copy, media: Media, unknown: Sequence[str]) -> SettingAside:
    """Make the place that takes the recorded bytes, and others only when no copy can be good."""

    def permit(key: str, digest: Digest) -> None:
        if key != media.path:
            raise CopyDamaged(f"it now gives a file of another type, which would be {key}")
        if digest != media.digest and unknown:
            raise CopyDamaged(
                f"it now gives {describe(digest)}, and {', '.join(unknown)} may hold a good copy"
            )

    return SettingAside(means.target(copy.receipt.destination), means.now, means.quarantine, permit)


def _download(
    means: Means,
    known: Known,
    asset: KnownAsset,
    account: Account,
    live: Generation,
    place: SettingAside,
) -> Download:
    """Fetch it to this one place. What was doubtful when it was captured is not refused now."""
    patient, places = replace(known, attempts=DOUBT_ATTEMPTS), {place.name: place}
    return Downloader(means.archive, account, means.engine, patient, live, places).fetch(asset)


def _renew(means: Means, known: Known, media: Media, done: Download) -> None:
    """Make the new bytes the asset: sidecar and index as after a capture.

    A bad sidecar is set aside first, as it is about to be written anew; one that may not be
    replaced stays as it is.
    """
    archive = means.writable.without(guarded(means, known))
    for copy in queries.copies(archive.index, known.number):
        destination = archive.destinations.get(copy.receipt.destination)
        if copy.is_sidecar and copy.fault is not None and destination is not None:
            keep_aside(destination, copy.receipt.key, means.now)
    progress = Progress(
        media={media.key: media}, receipts=[(media.key, receipt) for receipt in done.receipts]
    )
    record_one(archive, conclude(archive, known, progress))
