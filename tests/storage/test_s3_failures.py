"""S3 stores that are not there, refuse or break off: each error says what to do."""

from __future__ import annotations

import re
import socket
import threading

import pytest

from archiver.errors import (
    ConfigInvalid,
    CopyMissing,
    DestinationError,
    DestinationUnavailable,
)
from archiver.storage.base import put
from archiver.storage.s3 import client as s3_client
from archiver.storage.s3 import destination as s3
from archiver.storage.s3.client import TIMEOUT_SECONDS, TOTAL_ATTEMPTS
from tests.servers import SeaweedFS
from tests.storage.odd_store import (
    XML,
    Answer,
    Request,
    md5_tag,
    odd_store,
    refuse,
)
from tests.storage.places import (
    S3Place,
    fetch,
    make_options,
)

KEY = "geminigen/studio/hist_abc123.png"


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
    """A put that met a busy store is made once more, with the same body."""
    answers = iter([refuse(503, "SlowDown"), None])

    def script(request: Request) -> Answer:
        return next(answers, None) or Answer(headers={"ETag": md5_tag(request.body)})

    with odd_store(script) as (destination, seen):
        receipt = put(destination, KEY, [b"whole"], "image/png")

    assert receipt.verified == "md5 by store"
    assert [request.body for request in seen] == [b"whole", b"whole"]


def test_a_store_that_never_answers_costs_a_minute_a_request() -> None:
    """That is the bound that docs/design.md states for what one destination may cost another."""
    pauses_seconds = sum(2**attempt for attempt in range(TOTAL_ATTEMPTS - 1))

    assert TOTAL_ATTEMPTS * TIMEOUT_SECONDS + pauses_seconds <= 65


def test_a_store_that_did_not_answer_is_not_asked_to_abort(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An upload that failed for want of an answer costs its time once; `clean` finds what stays."""
    monkeypatch.setattr(s3_client, "TIMEOUT_SECONDS", 0.2)
    released = threading.Event()

    def script(request: Request) -> Answer:
        if request.method == "PUT":
            released.wait(20)
        if request.method == "DELETE":
            return Answer(status=204)
        text = "<InitiateMultipartUploadResult><UploadId>u1</UploadId>"
        return Answer(headers=XML, body=f"{text}</InitiateMultipartUploadResult>".encode())

    with odd_store(script) as (destination, seen):
        upload = destination.begin(KEY, "image/png")
        with pytest.raises(DestinationUnavailable, match="timeout"):
            for _ in range(2):
                upload.write(bytes(5 << 20))
        upload.abort()
        released.set()

    assert ["POST"] + ["PUT"] * TOTAL_ATTEMPTS == [request.method for request in seen]


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
