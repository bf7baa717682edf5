"""Takes one page of a listing into the index, and counts what it held (promises 3 and 6)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from archiver import keys
from archiver.actions.archive import Account, Archive
from archiver.actions.listing.links import LiveLinks
from archiver.errors import KeyInvalid
from archiver.fetch.link_expiry import link_expires_at
from archiver.index import listed
from archiver.model import BadRow, Generation, Link, Page, State

MAX_SHOWN_ROWS = 20


class Marks:
    """Remembers which generations a walk has seen, in one bit for each row of the index."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> bool:
        """Mark a row number; tells whether it had no mark."""
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        is_new = not self._bits[place] & bit
        self._bits[place] |= bit
        return is_new


@dataclass(slots=True)
class WalkReport:
    """What a walk saw. `bad_rows` holds the first ones, `bad_row_count` counts all.

    `listed` counts each generation once. `is_resumed` tells that the walk went on where an earlier
    one broke off, `is_at_end` that it read the listing's last page, `is_cut` that it was told to
    break off. `new_at_gap` is what was `new` when it went on there. `shrunk_from` is set when the
    listing suddenly holds less than half of what it used to.
    """

    account: str
    listed: int = 0
    new: int = 0
    new_at_gap: int = 0
    pages: int = 0
    total: int | None = None
    is_sweep: bool = False
    is_resumed: bool = False
    is_at_end: bool = False
    is_cut: bool = False
    shrunk_from: int | None = None
    in_progress: set[str] = field(default_factory=set)
    bad_row_count: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    marks: Marks = field(default_factory=Marks)

    @property
    def rows(self) -> int:
        """How many rows came, readable or not."""
        return self.listed + self.bad_row_count


def take_page(
    archive: Archive,
    account: Account,
    page: Page,
    links: LiveLinks,
    report: WalkReport,
    now: datetime,
) -> list[listed.Seen]:
    """Write down what a page holds; keep the links of what is due; count both into the report."""
    bad_rows = [row for row in page.rows if isinstance(row, BadRow)]
    generations = [row for row in page.rows if isinstance(row, Generation)]
    entries = []
    for generation in generations:
        try:
            entries.append(_judge(archive, account, generation))
        except (KeyInvalid, ValueError, OverflowError) as error:
            bad_rows.append(BadRow(id=generation.id, reason=str(error)))
    seen = listed.record_page(archive.index, entries, archive.roles, now)
    report.in_progress |= {one.generation.id for one in seen if one.state is State.IN_PROGRESS}
    is_listed_whole = account.provider.capabilities.listing_has_media
    for one in seen:
        is_whole = is_listed_whole or "detail" in one.generation.raw
        if one.state is State.PENDING and is_whole:
            links.put(one.number, one.generation)
    report.pages += 1
    report.listed += sum(report.marks.add(one.number) for one in seen)
    report.new += sum(one.is_new for one in seen)
    report.total = page.total if page.total is not None else report.total
    count_bad_rows(report, bad_rows)
    return seen


def _judge(archive: Archive, account: Account, generation: Generation) -> listed.Listed:
    has_media = account.provider.capabilities.listing_has_media
    return listed.Listed(
        generation=generation,
        fingerprint=_fingerprint(generation, has_media),
        stem=keys.make_stem(archive.layout, generation),
        deadline_at=account.deadline_of(generation),
        assets=generation.assets if has_media else None,
        excluded_because=account.exclusion_of(generation),
        link_expires_at=_link_expires_at(generation),
    )


def _link_expires_at(generation: Generation) -> datetime | None:
    links = (one for asset in generation.assets for one in asset.sources if isinstance(one, Link))
    ends = (link_expires_at(link.url) for link in links)
    return min((end for end in ends if end is not None), default=None)


def _fingerprint(generation: Generation, has_media: bool) -> str:
    """Digest what a sidecar tells, without what changes at every listing (links, progress)."""
    told = (
        generation.kind,
        generation.status,
        generation.model,
        generation.prompt,
        generation.negative_prompt,
        generation.name,
        str(generation.expires_at),
        str(generation.completed_at),
        str(generation.error),
        sorted(asset.key for asset in generation.assets) if has_media else None,
    )
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def count_bad_rows(report: WalkReport, rows: list[BadRow]) -> None:
    """Count rows that could not be read, and keep the first ones to show."""
    report.bad_row_count += len(rows)
    report.bad_rows += rows[: MAX_SHOWN_ROWS - len(report.bad_rows)]
