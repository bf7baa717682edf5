"""A destination that keeps failing is left alone until the next run (promise 5)."""

from __future__ import annotations

from typing import Any

import pytest

from archiver.errors import CopyDamaged, DestinationUnavailable
from archiver.model import Digest, Stored
from archiver.storage.base import Destination, put
from archiver.storage.breaker import MAX_LOST_SECONDS, Breaker
from archiver.storage.memory import MemoryDestination

FAILURES = 3
WRONG = Digest(size_bytes=1, sha256="0" * 64)


class Shaky(MemoryDestination):
    """A destination in memory that is down while `is_down`, and counts who asks."""

    is_down = False
    begun = 0
    looked_at = 0
    now = 0.0
    hangs_seconds = 0.0

    def stat(self, key: str) -> Stored | None:
        """Look, unless it is down."""
        self.looked_at += 1
        if self.is_down:
            raise DestinationUnavailable(f"{self.name}: down")
        return super().stat(key)

    def begin(self, key: str, media_type: str) -> Any:
        """Begin, unless it is down."""
        self.begun += 1
        if self.is_down:
            self.now += self.hangs_seconds
            raise DestinationUnavailable(f"{self.name}: down")
        return super().begin(key, media_type)


@pytest.fixture
def shaky() -> Shaky:
    """A destination that is up."""
    return Shaky("ram")


@pytest.fixture
def breaker(shaky: Shaky) -> Breaker:
    """The same behind a breaker."""
    return Breaker(shaky, FAILURES, clock=lambda: shaky.now)


def store(destination: Destination) -> None:
    """Store one small file."""
    put(destination, "file.txt", [b"x"], "text/plain")


def fail(destination: Destination, times: int) -> None:
    """Let so many uploads fail."""
    for _ in range(times):
        with pytest.raises(DestinationUnavailable):
            store(destination)


def test_destination_that_failed_often_is_not_asked_again(shaky: Shaky, breaker: Breaker) -> None:
    """After the last failure that is borne, uploads are refused without a request."""
    shaky.is_down = True
    fail(breaker, FAILURES + 4)
    assert FAILURES == shaky.begun


def test_stored_file_forgives_the_failures_before_it(shaky: Shaky, breaker: Breaker) -> None:
    """Only failures in a row count."""
    for _ in range(3):
        shaky.is_down = True
        fail(breaker, FAILURES - 1)
        shaky.is_down = False
        store(breaker)
    assert 3 * FAILURES == shaky.begun


def test_next_run_begins_with_trust(shaky: Shaky, breaker: Breaker) -> None:
    """A run prepares its destinations: what failed in the last one is tried again."""
    shaky.is_down = True
    fail(breaker, FAILURES + 1)
    shaky.is_down = False
    breaker.prepare()
    store(breaker)
    assert ["file.txt"] == [stored.key for stored in breaker.list()]


def test_destination_that_hung_is_out_at_once(shaky: Shaky, breaker: Breaker) -> None:
    """One request that cost so much is enough: the next files do not wait for another."""
    shaky.is_down, shaky.hangs_seconds = True, MAX_LOST_SECONDS

    fail(breaker, 3)

    assert breaker.is_out
    assert 1 == shaky.begun


def test_destination_that_is_out_is_asked_nothing(shaky: Shaky, breaker: Breaker) -> None:
    """To look for a file, or to read one, would hang just as an upload does."""
    store(breaker)
    shaky.is_down = True
    fail(breaker, FAILURES)

    with pytest.raises(DestinationUnavailable, match="left out for the rest"):
        breaker.stat("file.txt")
    with pytest.raises(DestinationUnavailable, match="left out for the rest"):
        breaker.read("file.txt")

    assert 0 == shaky.looked_at


def test_upload_under_way_ends_when_its_destination_is_out(shaky: Shaky, breaker: Breaker) -> None:
    """A large file does not go on to a place that others found dead."""
    upload = breaker.begin("file.txt", "text/plain")
    shaky.is_down = True
    fail(breaker, FAILURES)

    with pytest.raises(DestinationUnavailable, match="left out for the rest"):
        upload.write(b"x")
    upload.abort()


def test_what_was_not_taken_is_counted_with_its_reason(shaky: Shaky, breaker: Breaker) -> None:
    """Refusals count too; the reason is the destination's own, until it is prepared again."""
    shaky.is_down = True
    fail(breaker, FAILURES + 2)

    assert (FAILURES + 2, "ram: down") == (breaker.failed, str(breaker.last_error))
    breaker.prepare()
    assert (0, None) == (breaker.failed, breaker.last_error)


def test_wrong_bytes_are_not_the_destinations_fault(breaker: Breaker) -> None:
    """A body that is not what it should be says nothing about where it was to go."""
    for _ in range(FAILURES + 1):
        upload = breaker.begin("file.txt", "text/plain")
        with pytest.raises(CopyDamaged):
            upload.commit(WRONG)
    store(breaker)
