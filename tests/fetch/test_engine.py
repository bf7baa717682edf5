"""The media engine against real hosts on loopback: promises 1 and 10."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from archiver import __version__
from archiver.errors import (
    Interrupted,
    LinkRefused,
    MediaUnavailable,
)
from archiver.fetch.engine import ATTEMPTS
from archiver.fetch.transfer import Fetched
from tests.fetch.asking import BODY, ETAG, HALF, SHA256, chunked, fetch, make_engine
from tests.fetch.conftest import MakeHost
from tests.fetch.hosts import (
    CUT,
    Answerer,
    Patience,
    Request,
    Taker,
    always,
    head,
    in_turn,
    whole,
)


def test_a_file_arrives_as_it_was_sent(make_host: MakeHost) -> None:
    """Bytes, length and validator of a plain answer reach the caller unchanged."""
    host, taker = make_host(always(*whole(BODY, etag=ETAG))), Taker()

    fetched = fetch(host.url("/a%20film.mp4?sig=1"), taker)

    assert fetched == Fetched(etag=ETAG, size_bytes=len(BODY))
    assert bytes(taker.body) == BODY
    assert taker.restarts == 1
    assert [request.path for request in host.requests] == ["/a%20film.mp4?sig=1"]


def test_a_request_asks_for_the_plain_file_and_says_who_asks(make_host: MakeHost) -> None:
    """No encoding is accepted, no range is asked for, and the product is named."""
    host = make_host(always(*whole(BODY)))

    fetch(host.url())

    [request] = host.requests
    assert request.headers["user-agent"] == f"archiver/{__version__}"
    assert request.headers.keys() == {"host", "user-agent", "accept"}


def test_a_chunked_file_arrives_whole(make_host: MakeHost) -> None:
    """Chunked transfer coding is undone, and its end proves that the file is whole."""
    host, taker = make_host(always(*chunked(BODY), b"0\r\n\r\n")), Taker()

    assert fetch(host.url(), taker).size_bytes == len(BODY)
    assert taker.sha256 == SHA256


def test_a_body_without_length_ends_with_its_connection(make_host: MakeHost) -> None:
    """HTTP cannot tell a cut from an end here: what came is passed on, for its content to prove."""
    host, taker = make_host(always(head(), HALF, CUT)), Taker()

    assert fetch(host.url(), taker).size_bytes == len(HALF)
    assert bytes(taker.body) == HALF


def test_an_empty_body_is_an_empty_file(make_host: MakeHost) -> None:
    """The receiver is told of the beginning and gets no byte: it judges what is no file."""
    host, taker = make_host(always(*whole(b""))), Taker()

    assert fetch(host.url(), taker) == Fetched(etag=None, size_bytes=0)
    assert (taker.restarts, taker.size_bytes) == (1, 0)


def test_early_hints_are_not_the_answer(make_host: MakeHost) -> None:
    """An informational answer comes before the real one and says nothing about the file."""
    hints = b"HTTP/1.1 103 Early Hints\r\ncontent-encoding: br\r\n\r\n"
    host = make_host(always(hints, *whole(BODY)))

    assert fetch(host.url()).size_bytes == len(BODY)


def test_trailers_take_nothing_back(make_host: MakeHost) -> None:
    """What comes behind the body is no word about it: neither a length nor a coding."""
    trailers = b"0\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\nETag: x\r\n\r\n"
    taker = Taker()

    fetched = fetch(make_host(always(*chunked(BODY), trailers)).url(), taker)

    assert (fetched.etag, taker.sha256) == (None, SHA256)


FLOODS = {
    "hints": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20_000,
    "hints with headers": b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 20_000,
    "one head": b"HTTP/1.1 200 So\r\n" + b"X-Filler: " + b"b\r\nX-Filler: " * 200_000,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_heads_ends(make_host: MakeHost, flood: str) -> None:
    """No host keeps a transfer busy, or fills the memory, before its answer begins."""
    host = make_host(always(FLOODS[flood], CUT))

    with pytest.raises(MediaUnavailable):
        fetch(host.url())


def test_a_large_file_needs_little_memory(make_host: MakeHost) -> None:
    """300 MB pass through less than 8 MB of memory (promise 10)."""
    size_bytes, piece = 300_000_000, bytes(1_000_000)

    def film(_: Request) -> Iterator[bytes]:
        yield head(content_length=size_bytes)
        for _n in range(size_bytes // len(piece)):
            yield piece

    host, taker = make_host(film), Taker(keeps=False)
    tracemalloc.start()
    try:
        fetched = fetch(host.url(), taker)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (fetched.size_bytes, taker.size_bytes) == (size_bytes, size_bytes)
    assert peak_bytes < 8_000_000


@pytest.mark.parametrize("path", ["/a film.mp4", "/猫.png", "/a|b<c>.png", '/"q".png', "/x\n"])
def test_a_link_that_was_not_escaped_is_escaped(make_host: MakeHost, path: str) -> None:
    """Providers print links with spaces and foreign letters; they lead to their file all the same.

    What follows the address, such as a line end, is no part of it.
    """
    host = make_host(always(*whole(BODY)))

    fetch(host.url(path))

    [request] = host.requests
    assert request.path.isascii()
    assert " " not in request.path
    assert "%0A" not in request.path


class Full(Exception):
    """A receiver's own trouble."""


class PowerCut(BaseException):
    """What no `except Exception` may hold up."""


@pytest.mark.parametrize("error", [Full("disk"), PowerCut("now")])
def test_an_error_of_the_receiver_arrives_unchanged(
    make_host: MakeHost, error: BaseException
) -> None:
    """The very object that was raised is raised, and the host is not asked again."""

    class Broken(Taker):
        def write(self, chunk: bytes) -> None:
            raise error

    host = make_host(always(*whole(BODY)))

    with pytest.raises(type(error)) as caught:
        fetch(host.url(), Broken())

    assert caught.value is error
    assert len(host.requests) == 1


def test_an_engine_works_on_after_an_error(make_host: MakeHost) -> None:
    """What one transfer did wrong does not follow the next one on the same thread."""
    host, engine, taker = make_host(in_turn(whole(b"", 404), whole(BODY))), make_engine(), Taker()
    with pytest.raises(LinkRefused):
        fetch(host.url(), Taker(), engine)

    fetch(host.url(), taker, engine)

    assert taker.sha256 == SHA256


def test_connections_are_used_again(make_host: MakeHost) -> None:
    """One thread needs one connection for many files of a host."""
    host, engine = make_host(always(*whole(BODY))), make_engine()

    for number in range(5):
        fetch(host.url(f"/{number}"), engine=engine)

    assert (len(host.requests), host.connections, engine.requests) == (5, 1, 5)


def test_no_host_gets_more_transfers_than_allowed(make_host: MakeHost) -> None:
    """Two at a time where two are allowed, and never more."""
    lock, pair, is_third = threading.Lock(), threading.Barrier(2), threading.Event()
    at_work, most = 0, 0

    def busy(_: Request) -> Iterator[bytes]:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        if most > 2:
            is_third.set()
        pair.wait(10)
        is_third.wait(0.1)
        with lock:
            at_work -= 1
        yield from whole(BODY)

    host, engine = make_host(busy), make_engine(per_host=2)
    errors: list[Exception] = []

    def work() -> None:
        try:
            fetch(host.url(), engine=engine)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert most == 2


def stalled_host(make_host: MakeHost, *parts: bytes) -> tuple[str, threading.Event]:
    """Start a host that sends some bytes and then nothing; the event says that it did."""
    is_stalled = threading.Event()

    def stall(_: Request) -> Iterator[bytes]:
        yield from parts
        is_stalled.set()
        host.closing.wait(60)
        yield CUT

    host = make_host(stall)
    return host.url(), is_stalled


@pytest.mark.parametrize("parts", [(), (head(content_length=len(BODY)), HALF)])
def test_a_stop_ends_a_stalled_transfer(make_host: MakeHost, parts: tuple[bytes, ...]) -> None:
    """When the program is asked to stop, nobody waits for a host that is silent."""
    url, is_stalled = stalled_host(make_host, *parts)
    stopping = threading.Event()
    caught: list[Exception] = []

    def work() -> None:
        try:
            fetch(url, engine=make_engine(stopping))
        except Exception as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    assert is_stalled.wait(10)
    stopping.set()
    worker.join(10)

    assert not worker.is_alive()
    assert [type(error) for error in caught] == [Interrupted]


def test_a_stop_in_the_last_attempt_is_a_stop(make_host: MakeHost) -> None:
    """A file that was given up because of a stop is not called a failure."""
    patience = Patience()
    requests = 0

    def answer(_: Request) -> list[bytes]:
        nonlocal requests
        requests += 1
        if requests == ATTEMPTS:
            patience.set()
        return whole(b"", 503)

    host = make_host(answer)

    with pytest.raises(Interrupted):
        fetch(host.url(), engine=make_engine(patience))


def test_a_stop_ends_the_wait_for_another_attempt(make_host: MakeHost) -> None:
    """Nobody waits for a busy host when the program is to stop."""
    stopping = threading.Event()
    answerer: Answerer = always(*whole(b"", 503, retry_after=20))
    host = make_host(answerer)
    threading.Timer(0.2, stopping.set).start()

    with pytest.raises(Interrupted):
        fetch(host.url(), engine=make_engine(stopping))

    assert len(host.requests) == 1


@pytest.mark.parametrize("bytes_per_second", [200_000, 2_000_000])
def test_a_limit_is_kept_however_the_file_comes(make_host: MakeHost, bytes_per_second: int) -> None:
    """A transfer that has to pause for its receiver does not get faster by it."""
    body = bytes(2 * bytes_per_second)
    host, taker = make_host(always(*whole(body))), Taker()
    began_at = time.monotonic()

    fetch(host.url(), taker, make_engine(bytes_per_second=bytes_per_second))

    assert 1.5 < time.monotonic() - began_at
    assert bytes(taker.body) == body
