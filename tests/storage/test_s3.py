"""What is special about S3: what is sent along, and prefixes in a shared bucket."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from archiver import __version__
from archiver.errors import (
    CopyDamaged,
)
from archiver.storage.base import put
from tests.servers import SeaweedFS
from tests.storage.odd_store import (
    XML,
    Answer,
    Request,
    make_multipart_script,
    md5_tag,
    odd_store,
)
from tests.storage.places import (
    PART_BYTES,
    S3Place,
    list_keys,
    make_data,
    make_digest,
)

KEY = "geminigen/studio/hist_abc123.png"


@pytest.mark.parametrize(
    ("checksum", "present", "absent"),
    [
        ("auto", "content-md5", "x-amz-checksum-sha256"),
        ("when_required", "content-md5", "x-amz-checksum-sha256"),
        ("when_supported", "x-amz-checksum-sha256", "content-md5"),
    ],
)
def test_a_put_carries_one_checksum_and_all_options(
    checksum: str, present: str, absent: str
) -> None:
    """Media type, SHA-256, storage class, encryption and lock go with the object itself."""
    options = {
        "storage_class": "STANDARD_IA",
        "sse": "aws:kms",
        "kms_key_id": "alias/archive",
        "object_lock": {"mode": "GOVERNANCE", "days": 365},
    }

    def script(request: Request) -> Answer:
        sha256 = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        shown = {"ETag": md5_tag(request.body), "x-amz-checksum-sha256": sha256}
        return Answer(headers=shown)

    with odd_store(script, checksum=checksum, prefix="/gen/", **options) as (destination, seen):
        receipt = put(destination, KEY, [b"whole"], "image/png")

    (request,) = seen
    assert (request.method, request.target, request.body) == ("PUT", f"/odd/gen/{KEY}", b"whole")
    assert present in request.headers
    assert absent not in request.headers
    assert "transfer-encoding" not in request.headers
    assert request.headers["content-type"] == "image/png"
    assert request.headers["x-amz-meta-sha256"] == receipt.digest.sha256
    assert request.headers["x-amz-storage-class"] == "STANDARD_IA"
    assert request.headers["x-amz-server-side-encryption"] == "aws:kms"
    assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/archive"
    assert request.headers["x-amz-object-lock-mode"] == "GOVERNANCE"
    kept_until = datetime.fromisoformat(request.headers["x-amz-object-lock-retain-until-date"])
    assert abs(kept_until - datetime.now(UTC) - timedelta(days=365)) < timedelta(minutes=1)
    assert f"archiver/{__version__}" in request.headers["user-agent"]


def test_a_multipart_upload_carries_all_options() -> None:
    """What is in parts is stored with the same options as what is put whole."""
    script = make_multipart_script(lambda _: Answer(headers=XML, body=b"<x/>"), lambda _: Answer())
    options = {"storage_class": "STANDARD_IA", "sse": "AES256"}
    with odd_store(script, **options) as (destination, seen):
        upload = destination.begin(KEY, "video/mp4")
        upload.write(make_data(PART_BYTES + 1))
        upload.abort()

    begun = seen[0].headers
    assert begun["content-type"] == "video/mp4"
    assert begun["x-amz-storage-class"] == "STANDARD_IA"
    assert begun["x-amz-server-side-encryption"] == "AES256"


def test_object_lock_is_kept_by_a_real_store(seaweedfs: SeaweedFS) -> None:
    """In a bucket with object lock, a real store reports the mode and the end of the lock."""
    client = seaweedfs.make_client()
    place = S3Place(
        client,
        seaweedfs.access_key,
        seaweedfs.secret_key,
        knows_age=True,
        bucket="locked",
        object_lock={"mode": "GOVERNANCE", "days": 2},
    )
    place.create_bucket(with_object_lock=True)
    place.destination.prepare()

    receipts = [
        put(place.destination, f"{size}.png", [make_data(size)], "image/png")
        for size in (5, PART_BYTES + 1)
    ]
    found = [client.head_object(Bucket="locked", Key=place.prefix + r.key) for r in receipts]
    place.destination.close()
    client.close()

    assert [item["ObjectLockMode"] for item in found] == ["GOVERNANCE"] * 2
    for item in found:
        left = item["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert timedelta(days=1) < left <= timedelta(days=2)
    assert all(receipt.version_id for receipt in receipts)


def test_storage_class_and_type_are_kept(moto_place: S3Place, moto_url: str) -> None:
    """A store that keeps storage classes reports ours, and the media type and SHA-256."""
    place = S3Place(
        moto_place.client, "any", "anything", knows_age=False, storage_class="STANDARD_IA"
    )
    receipt = put(place.destination, KEY, [b"whole"], "image/png")
    place.destination.close()

    found = place.client.head_object(Bucket=place.bucket, Key=place.prefix + KEY)
    assert found["StorageClass"] == "STANDARD_IA"
    assert found["ContentType"] == "image/png"
    assert found["Metadata"] == {"sha256": receipt.digest.sha256}


def test_prepare_leaves_nothing(seaweedfs_place: S3Place) -> None:
    """Proving that the bucket can be written leaves no object and no unfinished upload."""
    seaweedfs_place.destination.prepare()

    found = seaweedfs_place.client.list_objects_v2(
        Bucket=seaweedfs_place.bucket, Prefix=seaweedfs_place.prefix
    )
    assert found["KeyCount"] == 0
    assert seaweedfs_place.count_leftovers() == 0


def test_clean_leaves_other_prefixes_alone(seaweedfs_place: S3Place, seaweedfs: SeaweedFS) -> None:
    """Unfinished uploads of others in the same bucket are not ours to abort."""
    other = S3Place(
        seaweedfs_place.client, seaweedfs.access_key, seaweedfs.secret_key, knows_age=True
    )
    other.leave_leftover("theirs.mp4")

    assert seaweedfs_place.destination.clean(0) == 0
    assert other.count_leftovers() == 1
    assert other.destination.clean(0) == 1
    other.destination.close()


def test_other_prefixes_are_not_listed(moto_place: S3Place) -> None:
    """A destination sees what is under its own prefix, without that prefix."""
    other = S3Place(moto_place.client, "any", "anything", knows_age=False)
    put(other.destination, "theirs.png", [b""], "image/png")
    put(moto_place.destination, "ours.png", [b""], "image/png")
    other.destination.close()

    assert list_keys(moto_place.destination) == ["ours.png"]


def test_a_commit_of_wrong_parts_aborts(seaweedfs_place: S3Place) -> None:
    """A large file with the wrong digest leaves no object and no parts at the store."""
    upload = seaweedfs_place.destination.begin(KEY, "video/mp4")
    upload.write(make_data(PART_BYTES + 1))
    assert seaweedfs_place.count_leftovers() == 1

    with pytest.raises(CopyDamaged):
        upload.commit(make_digest(b"something else"))

    assert seaweedfs_place.count_leftovers() == 0
    assert seaweedfs_place.destination.stat(KEY) is None
