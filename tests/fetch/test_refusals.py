"""What the media engine does not take for a file (promise 1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archiver.errors import (
    ArchiverError,
    LinkRefused,
    MediaRejected,
    MediaUnavailable,
)
from archiver.fetch.engine import ATTEMPTS
from archiver.fetch.transfer import MAX_IGNORED_BYTES
from tests.fetch.asking import BODY, HALF, SHA256, chunked, fetch, make_engine
from tests.fetch.conftest import MakeHost
from tests.fetch.hosts import (
    CUT,
    Patience,
    Request,
    Taker,
    always,
    head,
    in_turn,
    whole,
)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refused_link_says_so(make_host: MakeHost, status: int) -> None:
    """The status is the evidence; nobody asks twice, and the error page is no file."""
    host, taker = make_host(always(*whole(b"<html>gone</html>", status))), Taker()

    with pytest.raises(LinkRefused) as caught:
        fetch(host.url(), taker)

    assert caught.value.http_status == status
    assert len(host.requests) == 1
    assert taker.restarts == 0


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_busy_host_is_asked_again(make_host: MakeHost, status: int) -> None:
    """Such an answer is about the moment and not about the file."""
    host, taker = make_host(in_turn(whole(b"busy", status), whole(BODY))), Taker()

    fetch(host.url(), taker)

    assert taker.sha256 == SHA256
    assert taker.restarts == 1


def test_a_host_that_stays_busy_is_left(make_host: MakeHost) -> None:
    """Four attempts, each after a longer wait; the error carries the status."""
    host, patience = make_host(always(*whole(b"busy", 503))), Patience()

    with pytest.raises(MediaUnavailable) as caught:
        fetch(host.url(), engine=make_engine(patience))

    assert caught.value.http_status == 503
    assert len(host.requests) == ATTEMPTS
    assert patience.waits == [0.25, 1.0, 4.0]


def test_a_host_says_when_to_come_back(make_host: MakeHost) -> None:
    """A short Retry-After is kept to."""
    host, patience = make_host(in_turn(whole(b"", 429, retry_after=7), whole(BODY))), Patience()

    fetch(host.url(), engine=make_engine(patience))

    assert patience.waits == [7.0]


def test_a_long_wait_is_the_callers_to_plan(make_host: MakeHost) -> None:
    """A worker is not held for minutes: the error says when to come back."""
    host, patience = make_host(always(*whole(b"", 503, retry_after=3600))), Patience()

    with pytest.raises(MediaUnavailable) as caught:
        fetch(host.url(), engine=make_engine(patience))

    assert caught.value.retry_after_seconds == 3600
    assert (len(host.requests), patience.waits) == (1, [])


@pytest.mark.parametrize("status", [201, 202, 204, 300, 304, 400, 405, 418, 451])
def test_any_other_status_is_no_file(make_host: MakeHost, status: int) -> None:
    """What is neither a file nor a refusal nor a trouble of the moment is rejected."""
    body = b"" if status in (204, 304) else b"text"
    parts = [head(status)] if status in (204, 304) else whole(body, status)
    host = make_host(always(*parts, CUT))

    with pytest.raises(MediaRejected) as caught:
        fetch(host.url())

    assert caught.value.http_status == status


@pytest.mark.parametrize("status", [302, 404, 503])
def test_an_endless_error_page_is_not_read_to_its_end(make_host: MakeHost, status: int) -> None:
    """The status was said in the head; the page behind it costs a few kilobytes at most."""
    sent: list[int] = []

    def endless(_: Request) -> Iterator[bytes]:
        location = {"location": "/next"} if status == 302 else {}
        yield head(status, **location)
        while True:
            yield bytes(MAX_IGNORED_BYTES)
            sent.append(MAX_IGNORED_BYTES)

    host, taker = make_host(endless), Taker()

    with pytest.raises(ArchiverError) as caught:
        fetch(host.url(), taker)

    assert caught.value.http_status in (status, None)
    assert taker.restarts == 0


def test_a_refusal_whose_page_is_cut_is_still_a_refusal(make_host: MakeHost) -> None:
    """What the head said holds, however the page ends."""
    host = make_host(always(head(404, content_length=100), b"<html>", CUT))

    with pytest.raises(LinkRefused):
        fetch(host.url())

    assert len(host.requests) == 1


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "ZSTD", "identity,x-gzip"])
def test_an_encoded_file_is_rejected(make_host: MakeHost, encoding: str) -> None:
    """Nobody asked for an encoding: what came is not the file (promise 1: bytes as they are)."""
    host, taker = make_host(always(*whole(BODY, content_encoding=encoding))), Taker()

    with pytest.raises(MediaRejected, match="unasked"):
        fetch(host.url(), taker)

    assert taker.size_bytes == 0


@pytest.mark.parametrize("word", ["Identity", "base64", "utf-8", "aws-chunked", "binary", ""])
def test_what_names_no_compression_is_no_encoding(make_host: MakeHost, word: str) -> None:
    """Uploads set this header by mistake: the bytes come as they are, for content to judge."""
    host, taker = make_host(always(*whole(BODY, content_encoding=word))), Taker()

    fetch(host.url(), taker)

    assert taker.sha256 == SHA256


def test_an_announced_size_over_the_limit_is_not_begun(make_host: MakeHost) -> None:
    """Content-Length is enough to refuse a file: nothing reaches the receiver."""
    host, taker = make_host(always(*whole(BODY))), Taker()

    with pytest.raises(MediaRejected, match="over the limit"):
        fetch(host.url(), taker, make_engine(max_file_bytes=len(BODY) - 1))

    assert taker.size_bytes == 0


def test_a_size_that_was_not_announced_is_counted(make_host: MakeHost) -> None:
    """A body without length is cut off at the limit."""
    host, taker = make_host(always(*chunked(BODY), b"0\r\n\r\n")), Taker()

    with pytest.raises(MediaRejected, match="longer than the limit"):
        fetch(host.url(), taker, make_engine(max_file_bytes=len(HALF)))

    assert taker.size_bytes <= len(HALF)


def test_a_file_of_just_the_limit_is_taken(make_host: MakeHost) -> None:
    """The limit is the largest size that is allowed."""
    host = make_host(always(*whole(BODY)))

    fetched = fetch(host.url(), engine=make_engine(max_file_bytes=len(BODY)))

    assert fetched.size_bytes == len(BODY)


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "abc", "1e3", "0x10"])
def test_a_length_that_is_none_is_no_crash(make_host: MakeHost, length: str) -> None:
    """A nonsensical Content-Length is an error of the media host at most."""
    host = make_host(always(head(content_length=length), HALF, CUT))

    try:
        assert fetch(host.url()).size_bytes == len(HALF)
    except MediaUnavailable:
        assert len(host.requests) == ATTEMPTS
