"""Files that break off on their way: they are resumed or begun anew, and never joined wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archiver.errors import (
    MediaUnavailable,
)
from archiver.fetch.engine import ATTEMPTS
from archiver.fetch.transfer import PROGRESS_BYTES, Fetched
from tests.fetch.asking import BODY, ETAG, HALF, SHA256, chunked, cut, fetch
from tests.fetch.conftest import MakeHost
from tests.fetch.hosts import (
    CUT,
    Request,
    Taker,
    always,
    head,
    in_turn,
    rest_of,
    whole,
)


def test_a_cut_file_is_resumed_where_it_broke_off(make_host: MakeHost) -> None:
    """The rest is asked for, on the condition that it is still the same file."""
    host, taker = make_host(in_turn(cut(), rest_of(BODY, ETAG))), Taker()

    fetched = fetch(host.url(), taker)

    again = host.requests[1].headers
    assert (again["range"], again["if-range"]) == (f"bytes={len(HALF)}-", ETAG)
    assert (fetched.size_bytes, taker.sha256, taker.restarts) == (len(BODY), SHA256, 1)


def test_a_date_proves_the_same_file_where_there_is_no_strong_etag(make_host: MakeHost) -> None:
    """A weak ETag may not be used for a part of a file (RFC 9110, 13.1.5)."""
    date = "Sat, 27 Sep 2025 10:00:00 GMT"
    dates = {"last_modified": date, "date": "Sun, 28 Sep 2025 10:00:00 GMT"}
    first = cut('W/"weak"', **dates)
    host, taker = make_host(in_turn(first, rest_of(BODY, date, **dates))), Taker()

    fetch(host.url(), taker)

    assert host.requests[1].headers["if-range"] == date
    assert taker.sha256 == SHA256


def test_a_cut_file_without_validator_starts_over(make_host: MakeHost) -> None:
    """Nothing would prove that the rest belongs to the beginning."""
    host, taker = make_host(in_turn(cut(etag=None), whole(BODY))), Taker()

    fetch(host.url(), taker)

    assert "range" not in host.requests[1].headers
    assert (taker.sha256, taker.restarts) == (SHA256, 2)


def test_a_file_that_changed_meanwhile_starts_over(make_host: MakeHost) -> None:
    """The host answers with the new file in full, and no byte of the old one is kept."""
    other = BODY[::-1]
    host, taker = make_host(in_turn(cut(), rest_of(other, '"two"'))), Taker()

    fetched = fetch(host.url(), taker)

    assert fetched == Fetched(etag='"two"', size_bytes=len(other))
    assert bytes(taker.body) == other


def wrong_part(**headers: object) -> list[bytes]:
    """Answer with the second half and the given headers."""
    rest = BODY[len(HALF) :]
    return [head(206, content_length=len(rest), **headers), rest]


@pytest.mark.parametrize(
    "answer",
    [
        wrong_part(etag=ETAG, content_range=f"bytes 0-{len(HALF) - 1}/{len(BODY)}"),
        wrong_part(etag=ETAG, content_range=f"bytes 10-{len(BODY) - 1}/{len(BODY)}"),
        wrong_part(etag=ETAG, content_range=f"bytes {len(HALF)}-{len(BODY) - 2}/{len(BODY)}"),
        wrong_part(etag=ETAG, content_range=f"bytes {len(HALF)}-{len(BODY) - 1}/*"),
        wrong_part(etag=ETAG, content_range=f"bytes {'9' * 5000}-1/2"),
        wrong_part(etag=ETAG, content_range="nonsense"),
        wrong_part(etag=ETAG),
        wrong_part(etag=ETAG, content_range=f"bytes {len(HALF)}-{len(BODY)}/{len(BODY) + 1}"),
        wrong_part(etag=ETAG, content_type="multipart/byteranges; boundary=x"),
        wrong_part(etag='"two"', content_range=f"bytes {len(HALF)}-{len(BODY) - 1}/{len(BODY)}"),
        wrong_part(content_range=f"bytes {len(HALF)}-{len(BODY) - 1}/{len(BODY)}"),
    ],
)
def test_a_wrong_part_is_not_joined(make_host: MakeHost, answer: list[bytes]) -> None:
    """Another range, another file or a part without proof: the whole file is fetched anew."""
    host, taker = make_host(in_turn(cut(), answer, rest_of(BODY, ETAG))), Taker()

    fetch(host.url(), taker)

    assert (taker.sha256, taker.size_bytes, taker.restarts) == (SHA256, len(BODY), 2)
    assert "range" not in host.requests[2].headers


def test_a_part_that_is_shorter_than_it_says_is_not_the_end(make_host: MakeHost) -> None:
    """The length of the whole file counts, and what is left is asked for once more."""
    content_range = f"bytes {len(HALF)}-{len(BODY) - 1}/{len(BODY)}"
    short = [head(206, content_length=5, content_range=content_range, etag=ETAG)]
    short.append(BODY[len(HALF) : len(HALF) + 5])
    host, taker = make_host(in_turn(cut(), short, rest_of(BODY, ETAG))), Taker()

    fetch(host.url(), taker)

    assert host.requests[2].headers["range"] == f"bytes={len(HALF) + 5}-"
    assert (taker.sha256, taker.restarts) == (SHA256, 1)


@pytest.mark.parametrize(
    "content_range",
    [
        f"bytes 0-{len(HALF) - 1}/{len(BODY)}",
        f"bytes 0-{len(HALF) - 1}/*",
        f"bytes {len(HALF)}-{len(BODY) - 1}/{len(BODY)}",
    ],
)
def test_a_part_that_is_called_whole_is_no_file(make_host: MakeHost, content_range: str) -> None:
    """A 200 with the length to match, whose own Content-Range tells of more."""
    part, taker = whole(HALF, content_range=content_range), Taker()

    fetch(make_host(in_turn(part, whole(BODY))).url(), taker)

    assert taker.sha256 == SHA256


def test_a_range_beside_a_200_tells_the_length_where_nothing_else_does(
    make_host: MakeHost,
) -> None:
    """Without Content-Length the size in Content-Range is what has to come."""
    said = f"bytes 0-{len(BODY) - 1}/{len(BODY)}"
    short = [head(content_range=said, connection="close"), HALF, CUT]
    taker = Taker()

    fetch(make_host(in_turn(short, whole(BODY, content_range=said))).url(), taker)

    assert taker.sha256 == SHA256


@pytest.mark.parametrize("etag", ['"\xe9"', '"\xff\x80"', '"a b\t,c"'])
def test_a_tag_of_any_bytes_is_sent_back_as_it_came(make_host: MakeHost, etag: str) -> None:
    """Letters beyond ASCII are allowed in a tag, and no reason to fail."""
    host, taker = make_host(in_turn(cut(etag), rest_of(BODY, etag))), Taker()

    fetch(host.url(), taker)

    assert (taker.sha256, taker.restarts) == (SHA256, 1)
    assert host.requests[1].headers["if-range"] == etag


def test_a_part_that_nobody_asked_for_is_no_file(make_host: MakeHost) -> None:
    """A 206 to a plain request could be any part."""
    part = [head(206, content_length=4, content_range="bytes 0-3/4", etag=ETAG), b"part"]
    host, taker = make_host(always(*part)), Taker()

    with pytest.raises(MediaUnavailable, match="another part"):
        fetch(host.url(), taker)

    assert taker.size_bytes == 0


def test_a_range_that_cannot_be_satisfied_starts_over(make_host: MakeHost) -> None:
    """A 416 means that the file is now shorter than what came of it."""
    other = b"short"
    host, taker = make_host(in_turn(cut(), whole(b"", 416), whole(other))), Taker()

    fetch(host.url(), taker)

    assert bytes(taker.body) == other
    assert "range" not in host.requests[2].headers


def test_a_chunked_body_without_end_is_not_whole(make_host: MakeHost) -> None:
    """The last chunk is missing, so the file is."""
    host, taker = make_host(in_turn([*chunked(HALF), CUT], whole(BODY))), Taker()

    fetch(host.url(), taker)

    assert (taker.sha256, taker.restarts) == (SHA256, 2)


def test_a_file_that_breaks_off_each_time_is_given_up(make_host: MakeHost) -> None:
    """Four attempts that do not bring the file on are enough."""
    host = make_host(always(*cut(etag=None)))

    with pytest.raises(MediaUnavailable):
        fetch(host.url())

    assert len(host.requests) == ATTEMPTS


def test_a_large_file_may_break_off_often(make_host: MakeHost) -> None:
    """An attempt that brings the file on by a good part does not count as one."""
    body = bytes(PROGRESS_BYTES * 8)

    def flaky(request: Request) -> Iterator[bytes]:
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=")[:-1])
        parts = rest_of(body, ETAG)(request)
        first, rest = parts
        yield first
        yield rest[: PROGRESS_BYTES + 1]
        if start + PROGRESS_BYTES + 1 < len(body):
            yield CUT

    host, taker = make_host(flaky), Taker()

    assert fetch(host.url(), taker).size_bytes == len(body)
    assert len(host.requests) > ATTEMPTS
    assert taker.restarts == 1


@pytest.mark.parametrize(
    "answer", [[CUT], [b"HTTP/1.1 20", CUT], [b"hello\r\n\r\n", CUT], [b"\x16\x03\x01" * 99, CUT]]
)
def test_a_connection_that_says_nothing_sensible_is_tried_again(
    make_host: MakeHost, answer: list[bytes]
) -> None:
    """No answer is no word about the file."""
    host, taker = make_host(in_turn(answer, whole(BODY))), Taker()

    fetch(host.url(), taker)

    assert taker.sha256 == SHA256


def test_nobody_listening_is_unavailable(make_host: MakeHost) -> None:
    """A refused connection is a trouble of the moment, and the message has no query in it."""
    host = make_host(always(*whole(BODY)))
    url = host.url("/a.png?signature=secret")
    host.close()

    with pytest.raises(MediaUnavailable) as caught:
        fetch(url)

    assert "secret" not in str(caught.value)
