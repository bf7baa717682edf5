"""Reads and judges the head of a media host's answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from archiver.errors import LinkRefused, MediaRejected, MediaUnavailable

REFUSALS = (401, 403, 404, 410)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


@dataclass(slots=True)
class Answer:
    """Status and headers of one answer; header names are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Return a header's value, or None."""
        return self.headers.get(name) or None

    @property
    def validator(self) -> str | None:
        """What proves later that a file is the same: a strong ETag, else the date (RFC 9110)."""
        etag = self.header("etag")
        return etag if etag and not etag.startswith("W/") else self.header("last-modified")

    @property
    def total_bytes(self) -> int | None:
        """The length of the whole file, as far as the head tells it."""
        part = _CONTENT_RANGE.match(self.header("content-range") or "")
        if self.status == 206:
            return int(part[3]) if part and part[3] != "*" else None
        length = self.header("content-length") or ""
        is_plain = "transfer-encoding" not in self.headers
        return int(length) if length.isdecimal() and is_plain else None

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
    """Read Retry-After, as seconds or as a date."""
    value = answer.header("retry-after")
    if value is None:
        return None
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
