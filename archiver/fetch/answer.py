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
_CODINGS = frozenset(
    [
        "aes128gcm",
        "br",
        "compress",
        "dcb",
        "dcz",
        "deflate",
        "exi",
        "gzip",
        "pack200-gzip",
        "x-compress",
        "x-gzip",
        "zstd",
    ]
)
"""IANA's registry of content codings, without `identity`. Other words (`base64`, `utf-8`,
`aws-chunked`) come from uploads that set the header by mistake: the bytes are the file, and its
content proves it or not."""


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
        length = self.header("content-length") or ""
        is_plain = "transfer-encoding" not in self.headers
        if self.status != 206 and is_plain and _LENGTH.fullmatch(length):
            return int(length)
        part = self._part
        return int(part[3]) if part and part[3] != "*" else None

    @property
    def is_part_called_whole(self) -> bool:
        """Whether a 200 says of itself that it brings a part: some caches answer a range so."""
        part = self._part
        return (
            self.status == 200
            and part is not None
            and not (int(part[1]) == 0 and self._reaches_end)
        )

    @property
    def _part(self) -> re.Match[str] | None:
        return _CONTENT_RANGE.match(self.header("content-range") or "")

    @property
    def _reaches_end(self) -> bool:
        part = self._part
        return part is not None and part[3] != "*" and int(part[2]) == int(part[3]) - 1

    def continues(self, received_bytes: int, validator: str | None) -> bool:
        """Tell whether a 206 goes on where the last connection broke off, in the same file."""
        part = self._part
        is_next = part is not None and int(part[1]) == received_bytes
        is_same = validator is not None and self.validator == validator
        return is_next and self._reaches_end and is_same


class HeaderReader:
    """Collects header lines as libcurl hands them over; a new status line starts anew.

    Behind the head of the final answer nothing is listened to: trailers come the same way, and
    could take back what the head said.
    """

    def __init__(self) -> None:
        self.answer = Answer()
        self._is_ended = False

    def feed(self, line: bytes) -> None:
        """Take one line."""
        text = line.decode("iso-8859-1").strip()
        self._is_ended = self._is_ended or (not text and self.answer.status >= 200)
        if self._is_ended:
            return
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
    if answer.is_part_called_whole:
        raise MediaUnavailable("the media host sent a part of the file and called it whole")
    coding = (answer.header("content-encoding") or "").lower()
    if _CODINGS.intersection(coding.replace(",", " ").split()):
        raise MediaRejected(f"the media host sent the file as {coding}, unasked")


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
