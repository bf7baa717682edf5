"""A destination that keeps failing is left alone until the next run (promise 5)."""

from __future__ import annotations

from typing import Any

import pytest

from archiver.errors import CopyDamaged, DestinationUnavailable
from archiver.model import Digest
from archiver.storage.base import Destination, put
from archiver.storage.breaker import Breaker
from archiver.storage.memory import MemoryDestination

FAILURES = 3
WRONG = Digest(size_bytes=1, sha256="0" * 64)


class Shaky(MemoryDestination):
    """A destination in memory that is down while `is_down`, and counts who asks."""

    is_down = False
    begun = 0

    def begin(self, key: str, media_type: str) -> Any:
        """Begin, unless it is down."""
        self.begun += 1
        if self.is_down:
            raise DestinationUnavailable(f"{self.name}: down")
        return super().begin(key, media_type)


@pytest.fixture
def shaky() -> Shaky:
    """A destination that is up."""
    return Shaky("ram")


@pytest.fixture
def breaker(shaky: Shaky) -> Breaker:
    """The same behind a breaker."""
    return Breaker(shaky, FAILURES)


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


def test_wrong_bytes_are_not_the_destinations_fault(breaker: Breaker) -> None:
    """A body that is not what it should be says nothing about where it was to go."""
    for _ in range(FAILURES + 1):
        upload = breaker.begin("file.txt", "text/plain")
        with pytest.raises(CopyDamaged):
            upload.commit(WRONG)
    store(breaker)
