"""The lean way to a bucket asks for the same as boto3's own client does, at the same place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from archiver.errors import DestinationUnavailable
from archiver.model import Digest
from archiver.storage.base import put
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.destination import open_destination
from archiver.storage.s3.page import read_page
from tests.alerts.mailbox import make_certificate
from tests.storage.odd_store import XML, Answer, Request, md5_tag, odd_store, refuse
from tests.storage.places import fetch, list_keys, make_options

KEY = "geminigen/studio/2025/hist_ä b+c.png"
BODY = b"whole"
OF_THE_MOMENT = (
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "expect",  # "100-continue" costs up to a second at stores that do not know it
    "x-amz-date",
)
EVERY_OPTION = {
    "storage_class": "STANDARD_IA",
    "sse": "aws:kms",
    "kms_key_id": "alias/x",
    "object_lock": {"mode": "GOVERNANCE", "days": 1},
    "session_token": {"env": "ARCHIVER_TEST_TOKEN"},
}


def _take(request: Request) -> Answer:
    """Play a store that takes everything."""
    return Answer(headers={"ETag": md5_tag(request.body)})


def _lasting(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in OF_THE_MOMENT}


def _signed(request: Request) -> set[str]:
    """Name the headers that the signature covers."""
    text = request.headers["authorization"].partition("SignedHeaders=")[2]
    return set(text.partition(",")[0].split(";"))


@pytest.mark.parametrize("checksum", ["when_required", "when_supported"])
def test_a_put_says_what_boto3_would_say(checksum: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Method, address, body and headers are the same; only what is of the moment differs."""
    monkeypatch.setenv("ARCHIVER_TEST_TOKEN", "temporary")
    keys = {name: {"env": f"ARCHIVER_TEST_{name.upper()}"} for name in ("access_key", "secret_key")}
    for name in keys:
        monkeypatch.setenv(f"ARCHIVER_TEST_{name.upper()}", name)
    with odd_store(_take, checksum=checksum, **EVERY_OPTION | keys) as (destination, seen):
        bucket: Bucket = destination._bucket
        parameters = {
            "Key": KEY,
            "Metadata": {"sha256": hashlib.sha256(BODY).hexdigest()},
            **bucket.make_write_parameters("image/png"),
        }
        bucket.wire.ask("PutObject", (BODY,), **parameters)
        bucket.client.put_object(Bucket="odd", Body=BODY, **parameters)

    ours, theirs = seen
    assert (ours.method, ours.target, ours.body) == (theirs.method, theirs.target, theirs.body)
    assert _lasting(ours.headers) == _lasting(theirs.headers)
    assert _signed(ours) >= {"x-amz-object-lock-retain-until-date", "x-amz-security-token"}


def test_a_listing_asks_what_boto3_would_ask() -> None:
    """The same question, with names in a form that XML can carry."""
    page = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    with odd_store(lambda _: Answer(headers=XML, body=page)) as (destination, seen):
        assert list_keys(destination, "ä b/") == []
        destination._bucket.client.list_objects_v2(Bucket="odd", Prefix="ä b/", MaxKeys=1000)

    ours, theirs = seen
    assert sorted(ours.target.split("&")) == sorted(theirs.target.split("&"))
    assert _lasting(ours.headers) == _lasting(theirs.headers)


@pytest.mark.parametrize(
    ("given", "origin", "folder"),
    [
        ({}, "https://bucket.s3.eu-central-1.amazonaws.com", ""),
        ({"addressing_style": "path"}, "https://s3.eu-central-1.amazonaws.com", "/bucket"),
        ({"endpoint_url": "https://s3.example.com"}, "https://s3.example.com", "/bucket"),
        (
            {"endpoint_url": "https://s3.example.com", "addressing_style": "virtual"},
            "https://bucket.s3.example.com",
            "",
        ),
        ({"endpoint_url": "http://localhost:9000/under"}, "http://localhost:9000", "/under/bucket"),
    ],
)
def test_a_bucket_is_where_botocore_says(
    given: dict[str, object], origin: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses follow region and style; no request is made to find them out."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    with closing(Bucket("vault", make_options(region="eu-central-1", **given))) as bucket:
        route = bucket.wire.route

    assert (route.origin, route.folder, route.region) == (origin, folder, "eu-central-1")


def test_a_bucket_in_another_region_is_followed() -> None:
    """A store that names the bucket's own region is asked again, signed for that one."""

    def script(request: Request) -> Answer:
        if "/eu-west-3/s3/" in request.headers["authorization"]:
            return _take(request)
        refusal = refuse(301, "PermanentRedirect")
        refusal.headers["x-amz-bucket-region"] = "eu-west-3"
        return refusal

    with odd_store(script, region="us-east-1") as (destination, seen):
        receipts = [put(destination, f"{number}.png", [BODY], "image/png") for number in range(2)]
        methods = [request.method for request in seen]

    assert ["md5 by store"] * 2 == [receipt.verified for receipt in receipts]
    assert methods[0] == "PUT"
    assert methods[-2:] == ["PUT", "PUT"]
    assert methods.count("PUT") == 3


def test_a_bucket_that_needs_another_signature_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory bucket is told so before anything is sent, and not at the first file."""
    monkeypatch.setenv("AWS_S3_DISABLE_EXPRESS_SESSION_AUTH", "true")
    options = {"bucket": "things--euc1-az1--x-s3", "region": "eu-central-1"}
    with (
        odd_store(_take, **options) as (destination, seen),
        pytest.raises(DestinationUnavailable, match="general purpose bucket"),
    ):
        put(destination, KEY, [BODY], "image/png")

    assert seen == []


def test_over_tls_the_certificates_of_the_profile_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """$AWS_CA_BUNDLE vouches for a store; what TLS and an MD5 protect is not hashed once more."""
    certificate = make_certificate(tmp_path)
    with odd_store(_take, certificate=certificate) as (destination, seen):
        with pytest.raises(DestinationUnavailable, match=r"CERTIFICATE_VERIFY_FAILED.*AWS_CA_BUND"):
            put(destination, KEY, [BODY], "image/png")
        destination.close()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        put(destination, KEY, [BODY], "image/png")
        assert fetch(destination, KEY) == b""

    assert ["UNSIGNED-PAYLOAD", hashlib.sha256(b"").hexdigest()] == [
        request.headers["x-amz-content-sha256"] for request in seen
    ]


def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http goes through it with the whole address, signed for the store behind it."""
    with odd_store(_take) as (behind, seen):
        monkeypatch.setenv("http_proxy", str(behind._bucket.options.endpoint_url))
        monkeypatch.setenv("no_proxy", "")
        options = behind._bucket.options.model_copy(
            update={"endpoint_url": "http://store.invalid:9000", "allow_http": True}
        )
        with closing(open_destination("vault", options)) as destination:
            put(destination, "1.png", [BODY], "image/png")

    assert [("http://store.invalid:9000/odd/1.png", "store.invalid:9000")] == [
        (request.target, request.headers["host"]) for request in seen
    ]


def test_each_request_is_signed_with_the_newest_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Temporary credentials are renewed by botocore; none of them is kept here."""
    with odd_store(_take) as (destination, seen):
        put(destination, "1.png", [BODY], "image/png")
        session = destination._bucket._session
        assert session is not None
        credentials = session.get_credentials()
        assert credentials is not None
        credentials.access_key = "renewed"
        put(destination, "2.png", [BODY], "image/png")

    assert ["testkey", "renewed"] == [
        request.headers["authorization"].partition("Credential=")[2].partition("/")[0]
        for request in seen
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html></html>",
        b"<ListBucketResult>",
        b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>',
    ],
)
def test_what_is_no_whole_listing_is_an_error(text: bytes) -> None:
    """Files must not be called missing because an answer was cut or came from somebody else."""
    with (
        odd_store(lambda _: Answer(headers=XML, body=text)) as (destination, _),
        pytest.raises(DestinationUnavailable, match="listing"),
    ):
        list_keys(destination)


def test_a_listing_that_goes_in_circles_is_an_error() -> None:
    """A store that repeats a page for ever is not followed for ever."""
    text = b"<IsTruncated>true</IsTruncated><NextContinuationToken>1</NextContinuationToken>"
    page = b"<ListBucketResult>%b</ListBucketResult>" % text
    with (
        odd_store(lambda _: Answer(headers=XML, body=page)) as (destination, _),
        pytest.raises(DestinationUnavailable, match="circles"),
    ):
        list_keys(destination)


def test_names_in_a_page_are_read_as_they_were_written() -> None:
    """Quoted names are unquoted, others are left alone; times have their zone."""
    one = b"<Contents><Key>a+b%2B</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
    one += b"<Size>7</Size></Contents>"
    start = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    quoted = b"<EncodingType>url</EncodingType>"

    plain = read_page(start + one + b"</ListBucketResult>")
    unquoted = read_page(start + quoted + one + b"</ListBucketResult>")

    assert [("a+b%2B", 7)] == [found[:2] for found in plain.objects]
    assert [("a b+", 7)] == [found[:2] for found in unquoted.objects]
    assert unquoted.objects[0][2].isoformat() == "2026-01-02T03:04:05+00:00"
    assert unquoted.next_token is None


def test_what_a_receipt_says_is_what_the_store_showed() -> None:
    """Version and tag come from the answer's headers."""
    digest = Digest(size_bytes=len(BODY), sha256=hashlib.sha256(BODY).hexdigest())

    def script(request: Request) -> Answer:
        if request.method == "GET":
            return Answer(body=BODY)
        return Answer(headers={"etag": md5_tag(request.body), "x-amz-version-id": "v7"})

    with odd_store(script) as (destination, seen):
        receipt = put(destination, KEY, [BODY], "image/png")
        body = fetch(destination, KEY)

    assert (digest, "v7") == (receipt.digest, receipt.version_id)
    assert body == BODY
    assert "/odd/geminigen/studio/2025/hist_%C3%A4%20b%2Bc.png" == seen[0].target
