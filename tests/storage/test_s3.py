"""What is special about S3: stores that differ, lie, lose answers or are not there."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from archiver import __version__
from archiver.errors import (
    ConfigInvalid,
    CopyDamaged,
    CopyMissing,
    DestinationError,
    DestinationUnavailable,
)
from archiver.storage import s3
from archiver.storage.base import put
from tests.servers import SeaweedFS
from tests.storage.odd_store import Answer, Request, odd_store, refuse
from tests.storage.places import PART_BYTES, S3Place
from tests.storage.test_contract import fetch, list_keys, make_data, make_digest

KEY = "geminigen/studio/hist_abc123.png"
XML = {"Content-Type": "application/xml"}


def make_options(**given: object) -> s3.Options:
    """Validate options as the config does."""
    return s3.Options.model_validate({"type": "s3", "bucket": "bucket", **given})


def md5_tag(body: bytes) -> str:
    """Make the tag that most stores give."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


# --- what a receipt may say -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checksum", "size_bytes", "verified"),
    [
        ("auto", 10, "md5 by store"),
        ("auto", 12 * 1024**2, "md5 of parts by store"),
        ("when_required", 10, "md5 by store"),
        ("when_supported", 0, "sha256 by store"),
        ("when_supported", 10, "sha256 by store"),
        ("when_supported", 12 * 1024**2, "sha256 of parts by store"),
    ],
)
def test_a_receipt_says_what_the_store_has_shown(
    seaweedfs_place: S3Place, seaweedfs: SeaweedFS, checksum: str, size_bytes: int, verified: str
) -> None:
    """A real store shows the checksum it was sent, for whole objects and for parts."""
    place = S3Place(
        seaweedfs_place.client,
        seaweedfs.access_key,
        seaweedfs.secret_key,
        knows_age=True,
        checksum=checksum,
    )

    receipt = put(place.destination, KEY, [make_data(size_bytes)], "image/png")
    place.destination.close()

    assert receipt.verified == verified
    assert receipt.etag


@pytest.mark.parametrize("checksum", ["when_required", "when_supported"])
def test_a_silent_store_proves_the_size_only(checksum: str) -> None:
    """A store that shows no checksum is asked for the size, and the receipt says "size"."""

    def script(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(headers={"Content-Length": "5"})
        return Answer(headers={"ETag": '"opaque-tag"'})

    with odd_store(script, checksum=checksum) as (destination, seen):
        receipt = put(destination, KEY, [b"whole"], "image/png")

    assert (receipt.verified, receipt.etag) == ("size", "opaque-tag")
    assert [request.method for request in seen] == ["PUT", "HEAD"]


def test_a_store_that_shows_another_size_is_not_believed() -> None:
    """A stored object of another length is damaged, and is not deleted: the answer may be old."""

    def script(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(headers={"Content-Length": "4"})
        return Answer(headers={"ETag": '"opaque-tag"'})

    with (
        odd_store(script) as (destination, seen),
        pytest.raises(CopyDamaged, match="4 bytes after 5 were stored"),
    ):
        put(destination, KEY, [b"whole"], "image/png")

    assert "DELETE" not in {request.method for request in seen}


def test_an_object_that_is_not_there_after_the_put_is_no_copy() -> None:
    """A store that takes an object and then does not know it has not stored it."""

    def script(request: Request) -> Answer:
        return Answer(status=404) if request.method == "HEAD" else Answer()

    with (
        odd_store(script) as (destination, _),
        pytest.raises(DestinationUnavailable, match="not there after it was stored"),
    ):
        put(destination, KEY, [b"whole"], "image/png")


def test_bytes_changed_on_the_way_are_damage() -> None:
    """A store that finds another checksum than was sent has stored nothing."""
    with (
        odd_store(lambda _: refuse(400, "BadDigest")) as (destination, _),
        pytest.raises(CopyDamaged, match="did not arrive as it was sent"),
    ):
        put(destination, KEY, [b"whole"], "image/png")


def make_multipart_script(
    complete: Callable[[list[bytes]], Answer], head: Callable[[list[bytes]], Answer]
) -> Callable[[Request], Answer]:
    """Play a store that takes parts, and completes and shows them as told."""
    parts: list[bytes] = []

    def script(request: Request) -> Answer:
        if request.method == "PUT":
            parts.append(request.body)
            return Answer(headers={"ETag": md5_tag(request.body)})
        if request.method == "HEAD":
            return head(parts)
        if request.method == "DELETE":
            return Answer(status=204)
        if request.target.endswith("?uploads"):
            text = "<InitiateMultipartUploadResult><UploadId>u1</UploadId>"
            return Answer(headers=XML, body=f"{text}</InitiateMultipartUploadResult>".encode())
        return complete(parts)

    return script


def joined_tag(parts: list[bytes]) -> str:
    """Make the tag of an object that was joined from parts."""
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'


def test_a_completion_whose_answer_was_lost_is_recognised() -> None:
    """When a repeated completion finds no upload, the object itself proves that it was made."""

    def head(parts: list[bytes]) -> Answer:
        size = str(sum(map(len, parts)))
        return Answer(headers={"Content-Length": size, "ETag": joined_tag(parts)})

    script = make_multipart_script(lambda _: refuse(404, "NoSuchUpload"), head)
    with odd_store(script) as (destination, _):
        receipt = put(destination, KEY, [make_data(PART_BYTES + 1)], "video/mp4")

    assert receipt.verified == "md5 of parts by store"


def test_a_forgotten_upload_is_not_taken_for_a_completed_one() -> None:
    """An object of the right size but of other parts is an older one: it proves nothing."""
    script = make_multipart_script(
        lambda _: refuse(404, "NoSuchUpload"),
        lambda _: Answer(headers={"Content-Length": str(PART_BYTES + 1), "ETag": '"old-2"'}),
    )
    with (
        odd_store(script) as (destination, _),
        pytest.raises(DestinationUnavailable, match="forgot the upload"),
    ):
        put(destination, KEY, [make_data(PART_BYTES + 1)], "video/mp4")


def test_a_joined_object_of_another_size_is_damage() -> None:
    """After parts are joined, the length is compared."""
    answer = b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
    script = make_multipart_script(
        lambda _: Answer(headers=XML, body=answer),
        lambda _: Answer(headers={"Content-Length": str(PART_BYTES)}),
    )
    with odd_store(script) as (destination, _), pytest.raises(CopyDamaged, match="bytes after"):
        put(destination, KEY, [make_data(PART_BYTES + 1)], "video/mp4")


def test_a_failed_part_aborts_the_upload() -> None:
    """When a part is refused, the upload is aborted at once and nothing stays at the store."""
    inner = make_multipart_script(lambda _: Answer(), lambda _: Answer())

    def script(request: Request) -> Answer:
        return refuse(403, "AccessDenied") if request.method == "PUT" else inner(request)

    with odd_store(script) as (destination, seen):
        upload = destination.begin(KEY, "video/mp4")
        with pytest.raises(DestinationUnavailable, match="AccessDenied"):
            upload.write(make_data(PART_BYTES + 1))

    assert [request.method for request in seen] == ["POST", "PUT", "DELETE"]


def test_abort_never_raises() -> None:
    """A store that refuses even to abort does not hide the first error."""

    def script(request: Request) -> Answer:
        return refuse(400, "Broken") if request.method == "DELETE" else inner(request)

    inner = make_multipart_script(lambda _: Answer(), lambda _: Answer())
    with odd_store(script) as (destination, _):
        upload = destination.begin(KEY, "video/mp4")
        upload.write(make_data(PART_BYTES + 1))
        upload.abort()
        upload.abort()


# --- what is sent -----------------------------------------------------------------------------


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


# --- what goes wrong --------------------------------------------------------------------------


def expect_unavailable(destination: s3.S3Destination) -> str:
    """Have `prepare` fail, and return its message."""
    with pytest.raises(DestinationUnavailable) as caught:
        destination.prepare()
    destination.close()
    return str(caught.value)


def test_a_missing_bucket_is_not_created(seaweedfs: SeaweedFS) -> None:
    """`prepare` says how to create the bucket, and no method takes its files for missing."""
    options = make_options(
        bucket="not-there",
        endpoint_url=seaweedfs.endpoint_url,
        access_key=seaweedfs.access_key,
        secret_key=seaweedfs.secret_key,
    )
    destination = s3.open_destination("vault", options)

    for action in (
        lambda: destination.stat(KEY),
        lambda: list(destination.list()),
        lambda: fetch(destination, KEY),
        lambda: destination.clean(0),
    ):
        with pytest.raises(DestinationUnavailable, match="create-bucket"):
            action()
    message = expect_unavailable(destination)

    assert message.startswith(f"vault: bucket not-there at {seaweedfs.endpoint_url}: ")
    assert (
        f"`aws s3api create-bucket --bucket not-there --endpoint-url {seaweedfs.endpoint_url}`"
        in message
    )


def test_a_put_into_a_missing_bucket_is_explained(moto_url: str) -> None:
    """A bucket that is deleted under way is said to be missing (SeaweedFS makes it anew)."""
    options = make_options(
        bucket="not-there", endpoint_url=moto_url, access_key="any", secret_key="anything"
    )
    destination = s3.open_destination("vault", options)

    with pytest.raises(DestinationUnavailable, match=r"NoSuchBucket.*create-bucket"):
        put(destination, KEY, [b"whole"], "image/png")
    destination.close()


@pytest.mark.parametrize(
    ("access_key", "secret_key"),
    [("testkey", "wrong-secret-value"), ("unknown-user", "testsecret")],
)
def test_wrong_credentials_are_explained(
    seaweedfs_place: S3Place, access_key: str, secret_key: str
) -> None:
    """A real store refuses a wrong key; the error says what to check, and holds no secret."""
    place = S3Place(seaweedfs_place.client, access_key, secret_key, knows_age=True)

    with pytest.raises(DestinationUnavailable) as caught:
        put(place.destination, KEY, [b"whole"], "image/png")
    messages = [str(caught.value), expect_unavailable(place.destination)]

    for message in messages:
        assert "access_key" in message
        assert secret_key not in message


def test_no_credentials_are_explained(seaweedfs: SeaweedFS) -> None:
    """Without any credentials the error says where to set them."""
    options = make_options(endpoint_url=seaweedfs.endpoint_url)

    message = expect_unavailable(s3.open_destination("vault", options))

    assert "set access_key and secret_key" in message


def test_a_missing_secret_is_a_config_error() -> None:
    """A secret that cannot be read names its place."""
    source = {"env": "ARCHIVER_TEST_NO_SUCH_VARIABLE"}
    options = make_options(access_key=source, secret_key=source)

    with pytest.raises(ConfigInvalid, match="ARCHIVER_TEST_NO_SUCH_VARIABLE"):
        s3.open_destination("vault", options).prepare()


def test_a_store_that_is_down_is_unavailable() -> None:
    """No connection, after botocore's own retries, is said so with the address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint_url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        options = make_options(endpoint_url=endpoint_url, access_key="any", secret_key="anything")

        message = expect_unavailable(s3.open_destination("vault", options))

    assert endpoint_url in message
    assert "the store is up" in message


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refuse(403, "AccessDenied", "Access Denied."), "AccessDenied: Access Denied; let these"),
        (refuse(403, "RequestTimeTooSkewed"), "clock"),
        (refuse(301, "PermanentRedirect"), "region"),
        (refuse(507, "XMinioStorageFull"), "make room"),
        (refuse(400, "NeverHeardOf"), "check the options"),
        (Answer(status=400, body=b"<html>not XML"), "check the options"),
    ],
)
def test_answers_of_a_store_are_explained(answer: Answer, expected: str) -> None:
    """Each refusal says what the store said and what to do, also with an empty message."""
    with (
        odd_store(lambda _: answer) as (destination, _),
        pytest.raises(DestinationUnavailable, match=re.escape(expected)),
    ):
        put(destination, KEY, [b"whole"], "image/png")


def test_a_busy_store_is_asked_again() -> None:
    """Botocore repeats a put that met a busy store, with the same body."""
    answers = iter([refuse(503, "SlowDown"), None])

    def script(request: Request) -> Answer:
        return next(answers, None) or Answer(headers={"ETag": md5_tag(request.body)})

    with odd_store(script) as (destination, seen):
        receipt = put(destination, KEY, [b"whole"], "image/png")

    assert receipt.verified == "md5 by store"
    assert [request.body for request in seen] == [b"whole", b"whole"]


def test_a_body_that_breaks_off_is_no_end() -> None:
    """A download that ends before its stated length is an error, never a short file."""
    with (
        odd_store(lambda _: Answer(body=b"only the beginn", cut=True)) as (destination, _),
        pytest.raises(DestinationError),
    ):
        fetch(destination, KEY)


def test_a_missing_object_is_told_from_a_missing_bucket() -> None:
    """HEAD says 404 for both, so the bucket is asked for before a file is called missing."""

    def script(request: Request) -> Answer:
        return Answer(status=404 if KEY in request.target else 200)

    with odd_store(script) as (destination, seen):
        assert destination.stat(KEY) is None
        with pytest.raises(CopyMissing), destination.read(KEY):
            pass

    assert [request.target for request in seen[:2]] == [f"/odd/{KEY}", "/odd"]


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


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"bucket": "no spaces"},
        {"bucket": ""},
        {"prefix": "../other"},
        {"prefix": "x" * 200},
        {"endpoint_url": "s3.example.com"},
        {"endpoint_url": "ftp://s3.example.com"},
        {"endpoint_url": "https://user:password@s3.example.com"},
        {"endpoint_url": "http://s3.example.com"},
        {"endpoint_url": "http://10.0.0.1:9000"},
        {"endpoint_url": "http://127.0.0.1.example.com"},
        {"access_key": "only"},
        {"secret_key": "only"},
        {"session_token": "only"},
        {"kms_key_id": "alias/x"},
        {"sse": "AES256", "kms_key_id": "alias/x"},
        {"object_lock": {"mode": "FOREVER", "days": 1}},
        {"object_lock": {"mode": "GOVERNANCE", "days": 0}},
        {"part_size": "4MiB"},
        {"part_size": "6GiB"},
        {"connections": 0},
        {"checksum": "never"},
        {"unknown": 1},
    ],
)
def test_options_that_cannot_work_are_refused(given: dict[str, object]) -> None:
    """A config that would fail or leak later is refused before anything starts."""
    with pytest.raises(ValidationError):
        make_options(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint_url": "https://s3.example.com"},
        {"endpoint_url": "http://127.0.0.1:9000"},
        {"endpoint_url": "http://[::1]:9000"},
        {"endpoint_url": "http://localhost:9000"},
        {"endpoint_url": "http://nas.lan:9000", "allow_http": True},
        {"part_size": "64MiB", "sse": "aws:kms", "kms_key_id": "alias/x"},
    ],
)
def test_options_that_work_are_taken(given: dict[str, object]) -> None:
    """Plain http is fine on this machine, and elsewhere only when it is asked for."""
    assert make_options(**given).type == "s3"


@pytest.mark.parametrize("prefix", ["a/b", "a/b/", "/a/b", "/a/b/"])
def test_a_prefix_is_a_folder(prefix: str) -> None:
    """However the slashes are written, the prefix means the same folder."""
    assert make_options(prefix=prefix).prefix == "a/b/"


def test_an_address_from_the_environment_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 may take the address from the environment: plain http is refused there as well."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.com")
    options = make_options(access_key="any", secret_key="anything")

    message = expect_unavailable(s3.open_destination("vault", options))

    assert "plain http" in message


def test_options_hide_secrets_in_errors() -> None:
    """A mistake beside a secret does not print the secret."""
    with pytest.raises(ValidationError) as caught:
        make_options(access_key="any", secret_key="very-secret-value", bucket="no spaces")

    assert "very-secret-value" not in str(caught.value)
