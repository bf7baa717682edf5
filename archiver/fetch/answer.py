"""Reads and judges the head of a media host's answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from archiver.errors import LinkRefused, MediaRejected, MediaUnavailable

REFUSALS = (401, 403, 404, 410)
REDIRECTS = (301, 302, 303, 307, 308)
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
"""Nobody is waited for longer than a day: the header is a stranger's word."""
STRONG_DATE_SECONDS = 60.0
"""The margin that RFC 7232, 2.2.2 names for a date that shall prove anything."""
_LENGTH = re.compile(r"\d{1,18}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)$")


@dataclass(slots=True)
class Answer:
    """Status and headers of one answer; header names are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Return a header's value, or None."""
        return self.headers.get(name) or None

    @property
    def has_no_file(self) -> bool:
        """Whether the body, however long, is not the file: a redirect, or an error page."""
        return self.status in REDIRECTS or self.status >= 400

    @property
    def validator(self) -> str | None:
        """What proves later that a file is the same: a strong ETag, else a strong date.

        A date is strong when it was well past as the answer was made (RFC 9110, 8.8.2.2): a
        file that is written twice in one second has the same one.
        """
        etag = self.header("etag")
        if etag and not etag.startswith("W/"):
            return etag
        modified_at, made_at = _moment(self.header("last-modified")), _moment(self.header("date"))
        if modified_at is None or made_at is None:
            return None
        age_seconds = (made_at - modified_at).total_seconds()
        return self.header("last-modified") if age_seconds >= STRONG_DATE_SECONDS else None

    @property
    def total_bytes(self) -> int | None:
        """The length of the whole file, as far as the head tells it."""
        part = _CONTENT_RANGE.match(self.header("content-range") or "")
        if self.status == 206:
            return int(part[3]) if part and part[3] != "*" else None
        length = self.header("content-length") or ""
        is_plain = "transfer-encoding" not in self.headers
        return int(length) if _LENGTH.fullmatch(length) and is_plain else None

    def continues(self, received_bytes: int, validator: str | None) -> bool:
        """Tell whether a 206 goes on where the last connection broke off, in the same file."""
        part = _CONTENT_RANGE.match(self.header("content-range") or "")
        is_next = part is not None and int(part[1]) == received_bytes
        is_whole = part is not None and part[3] != "*" and int(part[2]) == int(part[3]) - 1
        return is_next and is_whole and validator is not None and self.validator == validator


class HeaderReader:
    """Collects header lines as libcurl hands them over; a new status line starts anew."""

    def __init__(self) -> None:
        self.answer = Answer()

    def feed(self, line: bytes) -> None:
        """Take one line."""
        text = line.decode("iso-8859-1").strip()
        if text.startswith("HTTP/"):
            words = text.split(" ", 2)
            self.answer = Answer(int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0)
            return
        name, found, value = text.partition(":")
        if found:
            self.answer.headers[name.strip().lower()] = value.strip()


def judge(answer: Answer) -> None:
    """Raise the MediaError that a status means; return when a file may follow."""
    status = answer.status
    if status in REFUSALS:
        raise LinkRefused(f"the media host answered {status}", http_status=status)
    if status in (408, 416, 425, 429) or status >= 500 or status == 0:
        raise MediaUnavailable(
            f"the media host answered {status}",
            http_status=status,
            retry_after_seconds=retry_after_seconds(answer),
        )
    if status not in (200, 206):
        raise MediaRejected(f"the media host answered {status}, not a file", http_status=status)
    encoding = (answer.header("content-encoding") or "identity").lower()
    if encoding != "identity":
        raise MediaRejected(f"the media host sent the file as {encoding}, unasked")


def retry_after_seconds(answer: Answer) -> float | None:
    """Read Retry-After, as seconds or as a date; a day at most."""
    value = answer.header("retry-after")
    if value is None:
        return None
    if value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_SECONDS)
    moment = _moment(value)
    if moment is None:
        return None
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)


def _moment(value: str | None) -> datetime | None:
    """Read a date of HTTP; None for what is none."""
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
