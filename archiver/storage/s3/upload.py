"""One file on its way into a bucket: in one request, or in parts when it is large (promise 10).

At most one part is held in memory, out of what all uploads share (`storage/memory_budget.py`).
Parts go up from the thread that writes, so a slow store slows its source down. What was stored is
proven by what the store itself answers, and the receipt says no more than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from archiver.errors import CopyDamaged, CopyMissing, DestinationUnavailable
from archiver.model import Digest, Receipt
from archiver.storage.base import Chunk
from archiver.storage.checks import Tally
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.errors import code_of
from archiver.storage.s3.lock import ensure_lock
from archiver.storage.s3.part import PartBuffer
from archiver.storage.s3.proof import Body, Checksum, Part, prove_parts, tag_of

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MAX_PARTS = 10_000


class S3Upload:
    """Collects one part at a time; what fits into one part is put whole at `commit`."""

    def __init__(self, bucket: Bucket, key: str, media_type: str) -> None:
        self._bucket = bucket
        self._key = key
        self._media_type = media_type
        self._tally = Tally(bucket.name, key)
        self._object: dict[str, Any] = {
            "Bucket": bucket.options.bucket,
            "Key": bucket.make_name(key),
        }
        self._buffer = PartBuffer(bucket.options.part_size)
        self._upload_id = ""
        self._parts: list[Part] = []

    def write(self, chunk: Chunk) -> None:
        """Keep the port's promise; a full part goes up when the byte behind it comes."""
        self._tally.refuse_if_over()
        with self._ending():
            self._collect(memoryview(chunk).cast("B"))

    def takes(self, size_bytes: int) -> bool:
        """Keep the port's promise: a part that is full has to go up first."""
        return self._buffer.takes(size_bytes)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Abort at an error; a store that did not answer just now is not asked once more."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, DestinationUnavailable) and error.http_status is None:
                self._forget_upload()
            self.abort()
            raise

    def _collect(self, rest: memoryview) -> None:
        while rest:
            if not self._buffer.room:
                self._send_part()
            room = self._buffer.room
            self._buffer.add(rest[:room])
            rest = rest[room:]

    def _send_part(self) -> None:
        number = len(self._parts) + 1
        if number > MAX_PARTS:
            raise DestinationUnavailable(
                f"{self._bucket.where}: {self._key} needs more than {MAX_PARTS} parts; "
                "raise part_size"
            )
        with self._bucket.errors():
            if not self._upload_id:
                self._create()
            with self._counted() as body:
                checksum = Checksum.of(body, sends_sha256=self._bucket.sends_sha256)
                answer = self._bucket.wire.ask(
                    "UploadPart",
                    body,
                    Key=self._object["Key"],
                    UploadId=self._upload_id,
                    PartNumber=number,
                    **checksum.parameters,
                )
        self._parts.append(Part(number, tag_of(answer), checksum, checksum.proven_by(answer)))
        self._buffer.clear()

    @contextmanager
    def _counted(self) -> Iterator[Body]:
        """Show what is to be sent, hashed as it lies there: only that is what the store gets."""
        with self._buffer.in_use() as body:
            for piece in body:
                self._tally.add(piece)
            yield body

    def _create(self) -> None:
        parameters = self._bucket.make_write_parameters(self._media_type)
        if self._bucket.sends_sha256:
            parameters["ChecksumAlgorithm"] = "SHA256"
        answer = self._bucket.client.create_multipart_upload(**self._object, **parameters)
        self._upload_id = answer["UploadId"]
        self._bucket.live_uploads.add(self._upload_id)

    def commit(self, digest: Digest) -> Receipt:
        """Keep the port's promise."""
        with self._ending():
            self._tally.refuse_if_over()
            if self._upload_id:
                self._send_part()
                self._tally.check(digest)
                answer, verified = self._complete(digest)
            else:
                answer, verified = self._put(digest)
        self.abort()
        return Receipt(
            destination=self._bucket.name,
            key=self._key,
            digest=digest,
            stored_at=datetime.now(UTC),
            verified=verified,
            etag=tag_of(answer) or None,
            version_id=answer.get("VersionId"),
        )

    def _put(self, digest: Digest) -> tuple[Mapping[str, Any], str]:
        with self._bucket.errors(), self._counted() as body:
            self._tally.check(digest)
            checksum = (
                Checksum(sha256=bytes.fromhex(digest.sha256))
                if self._bucket.sends_sha256
                else Checksum.of(body, sends_sha256=False)
            )
            answer = self._bucket.wire.ask(
                "PutObject",
                body,
                Key=self._object["Key"],
                Metadata={"sha256": digest.sha256},
                **self._bucket.make_write_parameters(self._media_type),
                **checksum.parameters,
            )
        proof = checksum.proven_by(answer)
        if proof:
            return answer, f"{proof} by store"
        self._look_at(digest)
        return answer, "size"

    def _complete(self, digest: Digest) -> tuple[Mapping[str, Any], str]:
        from botocore.exceptions import ClientError

        parts: list[CompletedPartTypeDef] = [part.as_listed() for part in self._parts]
        answer: Mapping[str, Any] = {}
        with self._bucket.errors():
            try:
                answer = self._bucket.client.complete_multipart_upload(
                    **self._object, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
                )
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise
        self._forget_upload()
        found = self._look_at(digest)
        ensure_lock(self._bucket, self._key, found)
        verified = prove_parts(self._parts, {**found, **answer})
        if not answer and verified == "size":
            # An earlier try may have completed it while its answer got lost; this is not it.
            raise DestinationUnavailable(
                f"{self._bucket.where}: the store forgot the upload of {self._key}; "
                "it is tried again later"
            )
        return answer or found, verified

    def _look_at(self, digest: Digest) -> Mapping[str, Any]:
        """Ask for the stored object. A wrong one is not deleted: the answer may be an old one's."""
        mode: dict[str, Any] = {"ChecksumMode": "ENABLED"} if self._bucket.sends_sha256 else {}
        try:
            with self._bucket.errors(self._key):
                found = self._bucket.wire.ask("HeadObject", Key=self._object["Key"], **mode)
        except CopyMissing:
            raise DestinationUnavailable(
                f"{self._bucket.where}: {self._key} is not there after it was stored; "
                "it is tried again later"
            ) from None
        if found["ContentLength"] != digest.size_bytes:
            raise CopyDamaged(
                f"{self._bucket.where}: {self._key} has {found['ContentLength']} bytes after "
                f"{digest.size_bytes} were stored; check it with `archiver verify`"
            )
        return found

    def abort(self) -> None:
        """Keep the port's promise."""
        if self._tally.is_over:
            return
        self._tally.is_over = True
        self._buffer.close()
        upload_id = self._forget_upload()
        if upload_id:
            with suppress(Exception):  # what stays is found by `clean`
                self._bucket.client.abort_multipart_upload(**self._object, UploadId=upload_id)

    def _forget_upload(self) -> str:
        upload_id, self._upload_id = self._upload_id, ""
        self._bucket.live_uploads.discard(upload_id)
        return upload_id
