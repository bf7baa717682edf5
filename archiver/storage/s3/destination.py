"""A destination in a bucket of any S3-compatible store (promises 1, 2, 5, 8 and 10).

Stores differ, so nothing is assumed of one: a receipt's `verified` says what it has shown.
botocore is loaded at the first request only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from archiver.keys import validate_key
from archiver.model import Stored
from archiver.storage.base import Capabilities, Created
from archiver.storage.checks import check_prefix
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.errors import code_of
from archiver.storage.s3.new import copy_object, create_object
from archiver.storage.s3.options import ObjectLock, Options
from archiver.storage.s3.page import list_objects
from archiver.storage.s3.past import S3Past
from archiver.storage.s3.read import find_object, read_object, thaw_object
from archiver.storage.s3.upload import S3Upload

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import MultipartUploadTypeDef

__all__ = ["ObjectLock", "Options", "S3Destination", "open_destination"]

_PROBE_KEY = ".archiver/probe"


def open_destination(name: str, options: Options) -> S3Destination:
    """Open a bucket; no request is made and no secret read before the first use."""
    return S3Destination(name, options)


class S3Destination:
    """Keeps files as objects under one prefix of a bucket."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.capabilities = Capabilities(
            durable=True, buffer_bytes=options.part_size, may_keep_past=True, may_freeze=True
        )
        self._bucket = Bucket(name, options)

    def prepare(self) -> None:
        """Prove that the bucket is there and that an upload may begin; it is never created.

        An upload that is begun and aborted shows the right to write without leaving an object,
        which object lock would keep for years.
        """
        bucket = self._bucket
        with bucket.errors():
            bucket.client.head_bucket(Bucket=bucket.options.bucket)
            probe = bucket.client.create_multipart_upload(
                Bucket=bucket.options.bucket,
                Key=bucket.make_name(_PROBE_KEY),
                **bucket.make_write_parameters("application/octet-stream"),
            )
            self._abort(bucket.make_name(_PROBE_KEY), probe["UploadId"])

    def begin(self, key: str, media_type: str) -> S3Upload:
        """Keep the port's promise; the first request is made when a part is full."""
        return S3Upload(self._bucket, validate_key(key), media_type)

    def create(self, key: str, body: bytes, media_type: str) -> Created:
        """Keep the port's promise, as far as the store can."""
        return create_object(self._bucket, validate_key(key), body, media_type)

    def set_aside(self, key: str, aside_key: str) -> None:
        """Keep the port's promise; the store copies by itself."""
        copy_object(self._bucket, validate_key(key), validate_key(aside_key))

    def read(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """Keep the port's promise; a body that ends early is an error."""
        return read_object(self._bucket, validate_key(key))

    def stat(self, key: str) -> Stored | None:
        """Keep the port's promise; a missing bucket is an error, not a missing file."""
        found = find_object(self._bucket, validate_key(key))
        return (
            None if found is None else _describe(key, found["ContentLength"], found["LastModified"])
        )

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Keep the port's promise, one page of names in memory at a time."""
        check_prefix(prefix)
        return self._list(prefix)

    def _list(self, prefix: str) -> Iterator[Stored]:
        bucket = self._bucket
        for name, size_bytes, modified_at in list_objects(bucket, bucket.make_name(prefix)):
            key = bucket.make_key(name)
            if key is not None:
                yield _describe(key, size_bytes, modified_at)

    def as_of(self, moment: datetime) -> S3Past:
        """Keep the port's promise; one request tells whether versions are kept."""
        past = S3Past(self._bucket, self.capabilities, moment)
        past.prepare()
        return past

    def request_thaw(self, key: str, days: int) -> None:
        """Keep the port's promise."""
        thaw_object(self._bucket, validate_key(key), days)

    def clean(self, older_than_seconds: float) -> int:
        """Abort multipart uploads under the prefix that no upload of this process holds."""
        bucket = self._bucket
        newest_dead_at = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        removed = 0
        with bucket.errors():
            pages = bucket.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=bucket.options.bucket, Prefix=bucket.options.prefix
            )
            for page in pages:
                for upload in page.get("Uploads", ()):
                    if self._is_dead(upload, newest_dead_at):
                        removed += self._abort(upload["Key"], upload["UploadId"])
        return removed

    def _is_dead(self, upload: MultipartUploadTypeDef, newest_dead_at: datetime) -> bool:
        return (
            upload["Initiated"] <= newest_dead_at
            and upload["UploadId"] not in self._bucket.live_uploads
            and self._bucket.make_key(upload["Key"]) is not None
        )

    def _abort(self, name: str, upload_id: str) -> bool:
        from botocore.exceptions import ClientError

        bucket = self._bucket
        try:
            bucket.client.abort_multipart_upload(
                Bucket=bucket.options.bucket, Key=name, UploadId=upload_id
            )
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise
            return False
        return True

    def close(self) -> None:
        """Give back all connections."""
        self._bucket.close()


def _describe(key: str, size_bytes: int, modified_at: datetime) -> Stored:
    return Stored(key=key, size_bytes=size_bytes, modified_at=modified_at.astimezone(UTC))
