"""Reads from a signed link when it stops working: the second, shorter clock of promise 4.

Sources, one for each way of saying it:

- `X-Amz-Date` + `X-Amz-Expires` (seconds): AWS Signature Version 4, "Authenticating Requests:
  Using Query Parameters"; Google Cloud Storage says the same as `X-Goog-…` ("V4 signing process").
- `Expires` (Unix seconds): Signature Version 2 of S3, Google's V2 signed URLs and CloudFront's
  "Creating a signed URL using a canned policy".
- `se` (ISO 8601): Azure Storage, "Create a service SAS", only beside its signature `sig`.
- a JSON Web Token's `exp` (Unix seconds): RFC 7519, 4.1.4, in any parameter that holds a token.

It is a hint: nothing is verified here, and a host may end a link sooner.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

_BASIC_FORMAT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SECONDS = re.compile(r"[0-9]{1,11}")
_TOKEN = re.compile(r"[\w-]+\.([\w-]+)\.[\w-]*", re.ASCII)
MAX_TOKEN_LENGTH = 16 << 10


def link_expires_at(url: str) -> datetime | None:
    """Tell when a link stops working, the earliest time where it says several; else None."""
    try:
        pairs = parse_qsl(urlsplit(url).query)
    except ValueError:
        return None
    query = {name.lower(): value for name, value in pairs}
    return min(_moments(query), default=None)


def _moments(query: Mapping[str, str]) -> Iterator[datetime]:
    for vendor in ("amz", "goog"):
        signed_at = _basic(query.get(f"x-{vendor}-date", ""))
        life = query.get(f"x-{vendor}-expires", "")
        if signed_at is not None and _SECONDS.fullmatch(life):
            yield from _after(signed_at, int(life))
    if _SECONDS.fullmatch(query.get("expires", "")):
        yield from _after(datetime.fromtimestamp(0, UTC), int(query["expires"]))
    if "sig" in query:
        yield from _iso(query.get("se", ""))
    for value in query.values():
        yield from _token(value)


def _basic(text: str) -> datetime | None:
    """Read ISO 8601's basic format as AWS writes it: 20250927T133005Z."""
    try:
        return datetime.fromisoformat(text) if _BASIC_FORMAT.fullmatch(text) else None
    except ValueError:
        return None


def _iso(text: str) -> Iterator[datetime]:
    """Read a date or a time; without a zone it is UTC, as Azure documents."""
    try:
        moment = datetime.fromisoformat(text)
        yield (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return


def _after(start: datetime, seconds: int) -> Iterator[datetime]:
    try:
        yield start + timedelta(seconds=seconds)
    except OverflowError:
        return


def _token(value: str) -> Iterator[datetime]:
    """Read `exp` from the claims of a token; a text that is none says nothing."""
    match = _TOKEN.fullmatch(value) if len(value) <= MAX_TOKEN_LENGTH else None
    if match is None:
        return
    try:
        claims = json.loads(base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)))
    except (ValueError, RecursionError):
        return
    ends_at = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(ends_at, int | float) and not isinstance(ends_at, bool) and 0 <= ends_at < 1e11:
        yield from _after(datetime.fromtimestamp(0, UTC), int(ends_at))
