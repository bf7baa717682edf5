"""What a store has shown, and what a receipt may say of it: stores differ, lie and forget."""

from __future__ import annotations

import hashlib

import pytest

from archiver.errors import (
    CopyDamaged,
    DestinationUnavailable,
)
from archiver.storage.base import put
from tests.servers import SeaweedFS
from tests.storage.odd_store import (
    XML,
    Answer,
    Request,
    make_multipart_script,
    odd_store,
    refuse,
)
from tests.storage.places import (
    PART_BYTES,
    S3Place,
    make_data,
)

KEY = "geminigen/studio/hist_abc123.png"


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
