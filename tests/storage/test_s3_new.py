"""Copies that a store makes by itself, and what a store does with lock, class and encryption."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from archiver.errors import CopyExists, CopyFrozen, DestinationForbidden
from archiver.storage.base import Created, put
from archiver.storage.s3 import new as s3_new
from tests.storage.odd_store import Answer, Request, md5_tag, odd_store, refuse
from tests.storage.places import PART_BYTES, S3Place, fetch, list_keys, make_data

KEY = "geminigen/studio/hist_abc123.mp4"
ASIDE_KEY = f".archiver/quarantine/{KEY}"


@pytest.fixture
def small_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have copies made in parts from 5 MiB on, as they are from 256 MiB on."""
    monkeypatch.setattr(s3_new, "COPY_BYTES", PART_BYTES)


@pytest.fixture(params=["moto", "seaweedfs", "ceph"])
def locked(request: pytest.FixtureRequest) -> Iterator[S3Place]:
    """Open a bucket with object lock, at every store that has such."""
    place = S3Place(
        request.getfixturevalue(f"{request.param}_client"),
        "testkey",
        "testsecret",
        knows_age=True,
        refuses_second=request.param != "ceph",  # in a versioned bucket Ceph 16 does not
        bucket="locked-copies",
        object_lock={"mode": "COMPLIANCE", "days": 2},
    )
    place.create_bucket(with_object_lock=True)
    place.destination.prepare()
    yield place
    place.destination.close()


@pytest.mark.usefixtures("small_copies")
def test_a_large_file_is_set_aside_in_parts(s3_place: S3Place) -> None:
    """What is too large to be copied while one waits goes part by part, or whole where it must."""
    data = make_data(2 * PART_BYTES + 10)
    put(s3_place.destination, KEY, [data], "video/mp4")

    s3_place.destination.set_aside(KEY, ASIDE_KEY)

    found = s3_place.client.head_object(Bucket=s3_place.bucket, Key=s3_place.prefix + ASIDE_KEY)
    assert found["ContentType"] == "video/mp4"
    assert fetch(s3_place.destination, ASIDE_KEY) == data
    assert fetch(s3_place.destination, KEY) == data
    assert s3_place.count_leftovers() == 0


def test_a_copy_keeps_its_type(s3_place: S3Place) -> None:
    """A small file that is set aside keeps its media type too."""
    put(s3_place.destination, KEY, [b"small"], "video/mp4")

    s3_place.destination.set_aside(KEY, ASIDE_KEY)

    found = s3_place.client.head_object(Bucket=s3_place.bucket, Key=s3_place.prefix + ASIDE_KEY)
    assert found["ContentType"] == "video/mp4"


@pytest.mark.parametrize("size_bytes", [5, PART_BYTES + 1])
@pytest.mark.usefixtures("small_copies")
def test_a_locked_file_is_set_aside_and_replaced(locked: S3Place, size_bytes: int) -> None:
    """Under a lock both happen by a new version or name; the copy is locked, nothing is deleted."""
    bad, good = make_data(size_bytes, 1), make_data(size_bytes, 2)
    put(locked.destination, KEY, [bad], "video/mp4")

    locked.destination.set_aside(KEY, ASIDE_KEY)
    put(locked.destination, KEY, [good], "video/mp4")

    assert fetch(locked.destination, ASIDE_KEY) == bad
    assert fetch(locked.destination, KEY) == good
    versions = locked.client.list_object_versions(Bucket=locked.bucket, Prefix=locked.prefix + KEY)
    assert len(versions["Versions"]) == 2
    for key in (KEY, ASIDE_KEY):
        found = locked.client.head_object(Bucket=locked.bucket, Key=locked.prefix + key)
        assert found["ObjectLockMode"] == "COMPLIANCE"
        left = found["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert timedelta(days=1) < left <= timedelta(days=2)


def test_a_locked_file_is_created_once(locked: S3Place) -> None:
    """The marker of an archive is written under a lock like any file."""
    expected = Created.NEW if locked.refuses_second else Created.UNPROVEN

    assert locked.destination.create("once.json", b"{}", "application/json") == expected
    assert locked.destination.create("once.json", b"{}", "application/json") == Created.EXISTS


def test_class_and_encryption_go_with_a_copy(moto_place: S3Place) -> None:
    """What is set aside is stored with the options of the destination, as any new file."""
    place = S3Place(
        moto_place.client,
        "any",
        "anything",
        knows_age=False,
        storage_class="STANDARD_IA",
        sse="aws:kms",
        kms_key_id="archive-key",
    )
    place.put_raw(KEY, b"found there without any option")

    place.destination.set_aside(KEY, ASIDE_KEY)
    put(place.destination, KEY, [b"good"], "video/mp4")
    place.destination.close()

    for key in (KEY, ASIDE_KEY):
        found = place.client.head_object(Bucket=place.bucket, Key=place.prefix + key)
        assert found["StorageClass"] == "STANDARD_IA"
        assert found["ServerSideEncryption"] == "aws:kms"
        assert "archive-key" in found["SSEKMSKeyId"]


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_a_frozen_file_says_what_to_do(moto_place: S3Place, storage_class: str) -> None:
    """What lies in an archive tier is told from what is damaged, and can be asked for."""
    place = S3Place(
        moto_place.client, "any", "anything", knows_age=False, storage_class=storage_class
    )
    put(place.destination, KEY, [b"frozen"], "video/mp4")

    for access in (
        lambda: fetch(place.destination, KEY),
        lambda: place.destination.set_aside(KEY, ASIDE_KEY),
    ):
        with pytest.raises(CopyFrozen, match="--request-thaw"):
            access()
    place.destination.request_thaw(KEY, 3)
    place.destination.request_thaw(KEY, 3)

    assert list_keys(place.destination) == [KEY]
    assert fetch(place.destination, KEY) == b"frozen"
    place.destination.close()


def test_a_thaw_under_way_is_no_error() -> None:
    """A store that is thawing already, or sees nothing to thaw, is answered by going on."""
    answers = iter([refuse(409, "RestoreAlreadyInProgress"), refuse(403, "InvalidObjectState")])

    def script(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(headers={"x-amz-storage-class": "GLACIER"})
        return next(answers)

    with odd_store(script) as (destination, seen):
        destination.request_thaw(KEY, 7)
        destination.request_thaw(KEY, 7)

    assert [request.method for request in seen] == ["HEAD", "POST"] * 2
    assert b"<Days>7</Days>" in seen[1].body


def test_tiers_that_freeze_by_themselves_take_no_days() -> None:
    """Intelligent tiering freezes what nobody reads; its thaw is for good."""

    def script(request: Request) -> Answer:
        return Answer(headers={"x-amz-archive-status": "DEEP_ARCHIVE_ACCESS"})

    with odd_store(script) as (destination, seen):
        destination.request_thaw(KEY, 7)

    assert seen[-1].method == "POST"
    assert b"Days" not in seen[-1].body


def test_a_store_without_conditions_is_asked_without() -> None:
    """Swift answers 501 to If-None-Match: the file is made all the same, and that is said."""
    stored: list[bytes] = []

    def script(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(status=404 if KEY in request.target else 200)
        if "if-none-match" in request.headers:
            return refuse(501, "NotImplemented")
        stored.append(request.body)
        return Answer(headers={"ETag": md5_tag(request.body)})

    with odd_store(script) as (destination, _):
        assert destination.create(KEY, b"marker", "application/json") == Created.UNPROVEN

    assert set(stored) == {b"marker"}


def test_a_copy_that_comes_second_is_refused(seaweedfs_place: S3Place) -> None:
    """The store itself refuses a copy onto a name that was taken after we had looked."""
    place = seaweedfs_place
    put(place.destination, KEY, [b"bad"], "video/mp4")
    place.put_raw(ASIDE_KEY, b"taken meanwhile")

    with pytest.raises(CopyExists):
        s3_new.copy_whole(place.destination._bucket, KEY, ASIDE_KEY)

    assert fetch(place.destination, ASIDE_KEY) == b"taken meanwhile"


@pytest.mark.parametrize(
    ("access_key", "secret_key"), [("testkey", "wrong-secret"), ("unknown", "testsecret")]
)
@pytest.mark.parametrize("store", ["seaweedfs", "rclone", "ceph"])
def test_every_request_tells_refused_credentials(
    request: pytest.FixtureRequest, store: str, access_key: str, secret_key: str
) -> None:
    """A wrong key is no outage: whatever is asked, it is named, and a command ends with 12."""
    client = request.getfixturevalue(f"{store}_client")
    destination = S3Place(client, access_key, secret_key, knows_age=True).destination

    for ask in (
        destination.prepare,
        lambda: put(destination, KEY, [b"whole"], "video/mp4"),
        lambda: fetch(destination, KEY),
        lambda: destination.stat(KEY),
        lambda: list_keys(destination),
        lambda: destination.create(KEY, b"x", "text/plain"),
        lambda: destination.set_aside(KEY, ASIDE_KEY),
        lambda: destination.clean(0),
    ):
        with pytest.raises(DestinationForbidden, match="access_key") as caught:
            ask()
        assert caught.value.exit_code == 12
        assert secret_key not in str(caught.value)
    destination.close()


@pytest.mark.parametrize(("status", "code"), [(400, "ExpiredToken"), (400, "InvalidToken")])
def test_expired_tokens_are_refused_credentials(status: int, code: str) -> None:
    """Temporary credentials that have run out are told like wrong ones."""
    with (
        odd_store(lambda _: refuse(status, code)) as (destination, _),
        pytest.raises(DestinationForbidden),
    ):
        fetch(destination, KEY)
