"""The story that this room was built for: films cut at one gigabyte, kept as whole for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archiver.fetch.containers import Checker, Damaged, recognise
from archiver.model import Link
from tests.fetch.asking import make_engine
from tests.fetch.conftest import MakeHost
from tests.fetch.hosts import CUT, Request, head

GIGABYTE = 1 << 30
FILM_BYTES = GIGABYTE + (GIGABYTE >> 1)
PIECE = bytes(1 << 20)
FTYP = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
MOOV = b"\x00\x00\x00\x10moov" + bytes(8)
MDAT = b"\x00\x00\x00\x01mdat" + (FILM_BYTES - len(FTYP + MOOV)).to_bytes(8, "big")
START = FTYP + MOOV + MDAT


class Film:
    """A `Receiver` that checks a body as an intake does, and keeps nothing of it."""

    def restart(self) -> None:
        """Forget every byte so far."""
        self._checker = Checker(recognise(START))

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._checker.feed(chunk)

    def finish(self) -> None:
        """Say that the body has ended."""
        self._checker.finish()


def film(**headers: object) -> Iterator[bytes]:
    """Send the first gigabyte of a film under these headers, and close the connection."""
    yield head(**headers)
    yield START
    yield PIECE[len(START) :]
    for _ in range((GIGABYTE >> 20) - 1):
        yield PIECE
    yield CUT


@pytest.mark.parametrize(
    "headers",
    [{"content_length": GIGABYTE}, {"connection": "close"}],
    ids=["with the length to match", "without a length"],
)
def test_film_cut_at_one_gigabyte_is_never_accepted_as_whole(
    make_host: MakeHost, headers: dict[str, object]
) -> None:
    """The transfer is clean as far as HTTP can tell: the film's own boxes tell what is missing."""
    host, receiver = make_host(lambda _: film(etag='"film"', **headers)), Film()
    fetched = make_engine().fetch(Link(url=host.url()), receiver)

    with pytest.raises(Damaged, match="ends without the rest of its mdat box"):
        receiver.finish()

    assert fetched.size_bytes == GIGABYTE


def test_film_cut_at_one_gigabyte_goes_on_there_under_its_stated_length(
    make_host: MakeHost,
) -> None:
    """With Content-Length the cut is seen at once, and only the rest is asked for again."""

    def answer(request: Request) -> Iterator[bytes]:
        if "range" not in request.headers:
            yield from film(etag='"film"', content_length=FILM_BYTES)
            return
        said = f"bytes {GIGABYTE}-{FILM_BYTES - 1}/{FILM_BYTES}"
        yield head(206, etag='"film"', content_length=GIGABYTE >> 1, content_range=said)
        for _ in range(GIGABYTE >> 21):
            yield PIECE

    host, receiver = make_host(answer), Film()
    fetched = make_engine().fetch(Link(url=host.url()), receiver)
    receiver.finish()

    assert fetched.size_bytes == FILM_BYTES
    assert [request.headers.get("range") for request in host.requests] == [
        None,
        f"bytes={GIGABYTE}-",
    ]
