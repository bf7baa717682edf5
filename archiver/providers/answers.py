"""What an answer of a provider's API says: its JSON, its refusal, when to come back, what time."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from archiver.errors import AnswerInvalid, CredentialsRejected, GenerationNotFound, ProviderError
from archiver.providers.pace import DAY_SECONDS
from archiver.redaction import hide_in_text


def parse_json(body: bytes, where: str) -> object:
    """Read a document; an HTML page or anything else from `where` is AnswerInvalid."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        kind = "an HTML page" if _is_html(body) else "something else"
        raise AnswerInvalid(
            f"{where} answered with {kind} where JSON was due{quote(body)}"
        ) from None


def error_for_good(status: int, says: str, *, is_api: bool) -> ProviderError:
    """Make the error of an answer that stays; a web server's own 404 proves nothing gone."""
    if status in (401, 403):
        return CredentialsRejected(f"{says}; check the account's api_key", http_status=status)
    if status in (404, 410) and is_api:
        return GenerationNotFound(says, http_status=status)
    return AnswerInvalid(says, http_status=status)


def is_object(body: bytes) -> bool:
    """Tell the API's own word, a JSON object, from what some gateway before it says."""
    return isinstance(json_or_none(body), dict)


def host_of(location: str) -> str:
    """Name the host that a redirect leads to."""
    try:
        return urlsplit(location).hostname or "another place"
    except ValueError:
        return "another place"


def json_or_none(body: bytes) -> object:
    """Read a document where there may be none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def quote(body: bytes) -> str:
    """Write what a body says, for the end of a message: one short line, without secrets."""
    words = " ".join(hide_in_text(body[:2000].decode("utf-8", "replace")).split())
    shown = "".join(character for character in words if character.isprintable())[:160]
    return f": {shown}" if shown else ""


def clock_skew_seconds(headers: Mapping[str, str]) -> float | None:
    """Compare the time an answer tells, and the age a cache adds to it, with this machine's."""
    age = headers.get("age", "")
    try:
        told = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return None
    return told + (float(age) if age.isascii() and age.isdecimal() else 0.0) - time.time()


def retry_after_seconds(headers: Mapping[str, str], default: float | None = 20.0) -> float | None:
    """Read Retry-After, in seconds or as a date; at most a day is believed."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), DAY_SECONDS)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return default
    return min(max(seconds, 0.0), DAY_SECONDS)


def _is_html(body: bytes) -> bool:
    start = body[:2000].lower()
    return b"<html" in start or b"<!doctype" in start
