"""Versioned buckets: what was overwritten or deleted can be read as it was at a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from archiver.errors import CopyMissing, DestinationUnavailable
from archiver.storage.base import Destination, put
from tests.storage.places import S3Place, fetch, list_keys

PAUSE_SECONDS = 1.1
"""Most stores tell the time of a version in whole seconds."""


@pytest.fixture(params=["moto", "seaweedfs", "ceph"])
def versioned(request: pytest.FixtureRequest) -> Iterator[S3Place]:
    """Open a bucket that keeps versions, at every store that has such."""
    client = request.getfixturevalue(f"{request.param}_client")
    place = S3Place(client, "testkey", "testsecret", knows_age=True, bucket="versioned")
    place.create_bucket(with_versions=True)
    yield place
    place.destination.close()


def pass_moment() -> datetime:
    """Let a moment pass that lies between what was written before and after."""
    time.sleep(PAUSE_SECONDS)
    moment = datetime.now(UTC).replace(microsecond=0)
    time.sleep(PAUSE_SECONDS)
    return moment


def read_all(destination: Destination) -> dict[str, bytes]:
    """Read all that a destination lists."""
    return {key: fetch(destination, key) for key in list_keys(destination)}


def test_each_moment_is_as_it_was(versioned: S3Place) -> None:
    """Overwritten, deleted and later files are seen as they were, by list, stat and read."""
    now = versioned.destination
    before = datetime.now(UTC) - timedelta(minutes=5)
    for key, data in (("a.png", b"1"), ("a.png.json", b"sidecar"), ("b/c.png", b"to be deleted")):
        put(now, key, [data], "image/png")
    first = pass_moment()
    put(now, "a.png", [b"22"], "image/png")
    put(now, "later.png", [b"later"], "image/png")
    versioned.client.delete_object(Bucket=versioned.bucket, Key=f"{versioned.prefix}b/c.png")
    second = pass_moment()
    put(now, "b/c.png", [b"back again"], "image/png")

    then = now.as_of(first)

    assert read_all(now.as_of(before)) == {}
    assert read_all(then) == {"a.png": b"1", "a.png.json": b"sidecar", "b/c.png": b"to be deleted"}
    assert read_all(now.as_of(second)) == {
        "a.png": b"22",
        "a.png.json": b"sidecar",
        "later.png": b"later",
    }
    assert read_all(then.as_of(datetime.now(UTC) + timedelta(minutes=1))) == read_all(now)
    assert list_keys(then, "b/") == ["b/c.png"]
    found = then.stat("b/c.png")
    assert found is not None
    assert len(b"to be deleted") == found.size_bytes
    assert then.stat("later.png") is None
    with pytest.raises(CopyMissing, match=r"later\.png"):
        fetch(then, "later.png")
    with pytest.raises(CopyMissing):
        then.request_thaw("a", 1)


def test_the_past_cannot_be_written(versioned: S3Place) -> None:
    """Whoever tries to change what was is refused, and nothing changes."""
    put(versioned.destination, "a.png", [b"1"], "image/png")
    then = versioned.destination.as_of(datetime.now(UTC))

    changes: list[Callable[[], object]] = [
        lambda: then.begin("a.png", "image/png"),
        lambda: then.create("b.png", b"new", "image/png"),
        lambda: then.set_aside("a.png", "b.png"),
        lambda: then.clean(0),
    ]
    for change in changes:
        with pytest.raises(DestinationUnavailable, match="can only be read"):
            change()

    assert read_all(versioned.destination) == {"a.png": b"1"}


def test_versions_go_over_many_pages(versioned: S3Place) -> None:
    """1,020 versions of one name, and others around it, are one file each."""
    for key in ("many.a", "many.z"):
        versioned.put_raw(key, b"around")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: versioned.put_raw("many.png", b"again"), range(1019)))
    versioned.put_raw("many.png", b"the last")
    time.sleep(PAUSE_SECONDS)

    then = versioned.destination.as_of(datetime.now(UTC))

    assert read_all(then) == {"many.a": b"around", "many.png": b"the last", "many.z": b"around"}
