"""Captures one generation now, outside of a run, in the same write order (promise 2)."""

from __future__ import annotations

from archiver.actions.archive import Account, Archive
from archiver.actions.capturing.capture import capture
from archiver.actions.capturing.commit import CaptureReport, record_one
from archiver.actions.listing.links import LiveLinks
from archiver.actions.running.tally import Tally
from archiver.fetch.engine import MediaEngine


def secure(
    archive: Archive,
    account: Account,
    engine: MediaEngine,
    number: int,
    links: LiveLinks | None = None,
) -> CaptureReport:
    """Capture one generation that is due, record how that ended, and count it.

    The caller holds the run lock, and has had the destinations prepared (`running.prepare`).
    Several threads MAY do this at a time, each with another generation. Raises what concerns
    the whole account or the index.
    """
    tally = Tally(archive.index, engine)
    try:
        report = record_one(
            archive, capture(archive, account, engine, links or LiveLinks(), number)
        )
        tally.take(report)
    finally:
        tally.save()
    return report
