"""How the head of an answer is read and judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import LinkRefused, MediaError, MediaRejected, MediaUnavailable
from archiver.fetch.answer import (
    LONGEST_RETRY_AFTER_SECONDS,
    Answer,
    HeaderReader,
    judge,
    retry_after_seconds,
)


def read(*lines: bytes) -> Answer:
    """Feed header lines as libcurl does."""
    reader = HeaderReader()
    for line in lines:
        reader.feed(line)
    return reader.answer


def test_headers_are_read_without_regard_to_case() -> None:
    """Names are compared in lower case, values are stripped."""
    answer = read(b"HTTP/1.1 200 OK\r\n", b"Content-LENGTH:  5 \r\n", b'ETag:"a"\r\n', b"\r\n")

    assert answer.status == 200
    assert answer.total_bytes == 5
    assert answer.header("etag") == '"a"'


def test_a_new_status_line_begins_a_new_answer() -> None:
    """The headers of an interim answer do not reach into the final one."""
    answer = read(b"HTTP/1.1 100 Continue\r\n", b"ETag: x\r\n", b"HTTP/1.1 404 No\r\n", b"A: b\r\n")

    assert (answer.status, answer.headers) == (404, {"a": "b"})


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_are_read_without_error(lines: list[bytes]) -> None:
    """A head is a stranger's; whatever it holds, it is read and judged."""
    answer = read(b"HTTP/1.1 200 OK", *lines)

    assert answer.total_bytes is None or answer.total_bytes >= 0
    assert answer.continues(0, None) is False


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-length": "5"}, 5),
        ({"content-length": "0"}, 0),
        ({}, None),
        ({"content-length": ""}, None),
        ({"content-length": "5, 5"}, None),
        ({"content-length": "-5"}, None),
        ({"content-length": "²"}, None),
        ({"content-length": "9" * 5000}, None),
        ({"content-length": "5", "transfer-encoding": "chunked"}, None),
        ({"content-length": "5", "content-range": "bytes 0-4/100"}, 5),
    ],
)
def test_a_length_counts_when_it_is_one(headers: dict[str, str], expected: int | None) -> None:
    """A length that is missing, doubtful or overruled by chunks is not known."""
    assert Answer(200, headers).total_bytes == expected


@pytest.mark.parametrize(
    ("content_range", "expected"),
    [("bytes 5-9/10", 10), ("bytes 5-9/*", None), ("items 5-9/10", None), ("", None)],
)
def test_a_part_tells_the_length_of_the_whole(content_range: str, expected: int | None) -> None:
    """The Content-Length of a 206 is that of the part and proves nothing of the file."""
    answer = Answer(206, {"content-length": "5", "content-range": content_range})

    assert answer.total_bytes == expected


THEN, LATER = "Sat, 27 Sep 2025 10:00:00 GMT", "Sat, 27 Sep 2025 10:01:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"etag": '"a"', "last-modified": "then"}, '"a"'),
        ({"etag": 'W/"a"', "last-modified": THEN, "date": LATER}, THEN),
        ({"last-modified": THEN, "date": LATER}, THEN),
        ({"last-modified": THEN, "date": THEN}, None),
        ({"last-modified": LATER, "date": THEN}, None),
        ({"last-modified": THEN}, None),
        ({"last-modified": "then", "date": LATER}, None),
        ({"etag": 'W/"a"'}, None),
        ({"etag": ""}, None),
    ],
)
def test_only_a_strong_validator_counts(headers: dict[str, str], expected: str | None) -> None:
    """A weak ETag says that files look alike; a date of this very minute may be that of two."""
    assert Answer(200, headers).validator == expected


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (0, MediaUnavailable),
        (200, None),
        (204, MediaRejected),
        (206, None),
        (304, MediaRejected),
        (401, LinkRefused),
        (402, MediaRejected),
        (403, LinkRefused),
        (404, LinkRefused),
        (408, MediaUnavailable),
        (410, LinkRefused),
        (416, MediaUnavailable),
        (425, MediaUnavailable),
        (429, MediaUnavailable),
        (500, MediaUnavailable),
        (599, MediaUnavailable),
    ],
)
def test_a_status_has_one_meaning(status: int, error: type[MediaError] | None) -> None:
    """Refused, for now, never, or a file."""
    if error is None:
        judge(Answer(status))
        return
    with pytest.raises(MediaError) as caught:
        judge(Answer(status))
    assert (type(caught.value), caught.value.http_status) == (error, status)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        (",", None),
        ("9" * 400, LONGEST_RETRY_AFTER_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER_SECONDS),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Wed, 09 Nov 1994 08:49:37", None),
        ("Wed, 09 Nov 1994 08:49:37 +999999999999999", None),
        (f"{'9' * 30} Jan 2000 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_a_bounded_number_of_seconds(
    value: str | None, expected: float | None
) -> None:
    """Seconds or a date; what is neither is nothing, and nobody is waited for beyond a day."""
    headers = {} if value is None else {"retry-after": value}

    assert retry_after_seconds(Answer(503, headers)) == expected


def test_retry_after_may_be_a_date() -> None:
    """A date is turned into the seconds that are left until then."""
    moment = datetime.now(UTC) + timedelta(seconds=600)
    answer = Answer(503, {"retry-after": format_datetime(moment, usegmt=True)})

    assert 0 < (retry_after_seconds(answer) or 0) <= 600


@given(st.text())
def test_any_retry_after_is_harmless(value: str) -> None:
    """Whatever a host writes there is nothing, or within a day."""
    seconds = retry_after_seconds(Answer(503, {"retry-after": value}))

    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS
