"""Looks at one account: its key, one page of its history, and how often it is asked.

Only the first page is asked for, and nothing of it is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from archiver.actions.doctoring.clock import Clocks
from archiver.actions.doctoring.finding import About, Finding, Findings, Verdict
from archiver.actions.doctoring.secret import examine_secret
from archiver.errors import (
    ArchiverError,
    CredentialsRejected,
    ProviderUnavailable,
    RateLimited,
)
from archiver.fetch.link_expiry import link_expires_at
from archiver.model import BadRow, Generation, Link, Page
from archiver.providers.base import Provider
from archiver.secrets import SecretSource
from archiver.units import format_duration

SECOND_TRY_SECONDS = 1.0
_FIX_UNAVAILABLE = (
    "check the network, name resolution and the firewall of this machine, and whether the provider "
    "is up; base_url may name another host"
)
_FIX_ANSWER = "check base_url, and whether there is a newer archiver: the API may have changed"


class Connected(Protocol):
    """What tells how far ahead of ours the provider's clock was at its last answer."""

    @property
    def clock_skew_seconds(self) -> float | None:
        """None where it told no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One account as the config has it. `connect` reads its key and may raise any of our errors.

    `retention`: how long files stay there, as far as is known. `per_hour`: the budget of requests,
    0 for none.
    """

    name: str
    host: str
    key: SecretSource
    every: timedelta
    retention: timedelta | None
    per_hour: int
    connect: Callable[[], AbstractContextManager[tuple[Provider, Connected]]]


def examine_account(about: About, asked: Asked, clocks: Clocks) -> Findings:
    """Look at an account, from its key to the links of its newest files."""
    findings = list(examine_secret(about, f"accounts.{asked.name}.api_key", asked.key))
    yield from findings
    rows: Sequence[Generation] = ()
    if not any(finding.verdict is Verdict.PROBLEM for finding in findings):
        rows = yield from _examine_listing(about, asked, clocks)
    yield from _examine_interval(about, asked, rows)


def _examine_listing(
    about: About, asked: Asked, clocks: Clocks
) -> Generator[Finding, None, Sequence[Generation]]:
    """Ask for one page; yields what is found and returns its rows."""
    began_at = time.monotonic()
    try:
        with asked.connect() as (provider, connection):
            try:
                page = _first_page(provider)
            finally:
                clocks.hear(asked.host, connection.clock_skew_seconds)
    except ArchiverError as error:
        yield _refusal(about, error)
        return ()
    seconds = time.monotonic() - began_at
    yield about.ok("listing", f"{asked.host} took the key: {_describe(page)}, in {seconds:.1f} s")
    yield from _examine_rows(about, page)
    rows = [row for row in page.rows if isinstance(row, Generation)]
    clocks.link_lives += _link_lives(rows, connection.clock_skew_seconds or 0.0)
    return rows


def _first_page(provider: Provider) -> Page:
    """Fetch the first page; one failure is forgiven, as a run would."""
    try:
        return next(iter(provider.pages()))
    except ProviderUnavailable:
        time.sleep(SECOND_TRY_SECONDS)
        return next(iter(provider.pages()))


def _refusal(about: About, error: ArchiverError) -> Finding:
    if isinstance(error, RateLimited):
        wait = error.retry_after_seconds
        later = f"in {format_duration(timedelta(seconds=wait))}" if wait else "later"
        return about.warning(
            "listing",
            str(error),
            f"ask again {later}; if it is often so, ask less often (every) or lower "
            "requests_per_minute and requests_per_hour",
        )
    if isinstance(error, CredentialsRejected):
        return about.problem(
            "credentials",
            str(error).rpartition("; check the account")[0] or str(error),
            "make a new key at the provider and put it where the old one is kept",
        )
    if isinstance(error, ProviderUnavailable):
        return about.failure("reachable", error, _FIX_UNAVAILABLE)
    return about.failure("listing", error, _FIX_ANSWER)


def _describe(page: Page) -> str:
    shown = f"{len(page.rows)} generations on the first page"
    return shown if page.total is None else f"{shown}, {page.total} in all"


def _examine_rows(about: About, page: Page) -> Findings:
    bad = [row for row in page.rows if isinstance(row, BadRow)]
    if bad:
        yield about.warning(
            "rows",
            f"{len(bad)} of {len(page.rows)} rows cannot be understood, such as "
            f"{bad[0].id or 'one without an id'}: {bad[0].reason}",
            _FIX_ANSWER,
        )


def _link_lives(rows: Sequence[Generation], skew_seconds: float) -> list[float]:
    """How long links live that were just made, by the provider's own clock."""
    now = datetime.now(UTC) + timedelta(seconds=skew_seconds)
    ends = [
        link_expires_at(source.url)
        for row in rows
        for asset in row.assets
        for source in asset.sources
        if isinstance(source, Link)
    ]
    lives = [(end - now).total_seconds() for end in ends if end is not None]
    return [life for life in lives if life > 0]


def _examine_interval(about: About, asked: Asked, rows: Sequence[Generation]) -> Findings:
    """Compare how often it is asked with how long files stay, and with what it may be asked."""
    every = format_duration(asked.every)
    stays = [
        row.expires_at - row.created_at
        for row in rows
        if row.expires_at is not None and row.created_at is not None
    ]
    shortest = min([*stays, *([asked.retention] if asked.retention else [])], default=None)
    if shortest is None:
        yield about.ok("interval", f"asked every {every}; files stay without a known end")
    elif asked.every * 2 > shortest:
        yield about.problem(
            "interval",
            f"files stay {format_duration(shortest)}, but it is asked every {every}",
            f"set every to {format_duration(shortest / 4)} or less: two runs must fit",
        )
    else:
        yield about.ok(
            "interval",
            f"asked every {every}; files stay {format_duration(shortest)}: "
            f"{shortest // asked.every} runs see each",
        )
    runs_an_hour = timedelta(hours=1) / asked.every
    if asked.per_hour and runs_an_hour > asked.per_hour:
        yield about.warning(
            "budget",
            f"{runs_an_hour:.0f} runs an hour, but only {asked.per_hour} requests an hour are "
            "allowed",
            "ask less often (every), or raise requests_per_hour if the provider allows it",
        )
