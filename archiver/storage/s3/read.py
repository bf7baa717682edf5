"""One object as it is now, or as it was: found, read, and thawed (promises 1 and 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from archiver.errors import CopyMissing
from archiver.storage.base import READ_BYTES
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.errors import code_of

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import RestoreRequestTypeDef

_FROZEN_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
_IS_ASKED_OR_THAWED = ("RestoreAlreadyInProgress", "InvalidObjectState")


def find_object(bucket: Bucket, key: str, **version: Any) -> dict[str, Any] | None:
    """Look at an object; None when there is none. A missing bucket is no missing object."""
    try:
        with bucket.errors(key):
            return bucket.wire.ask("HeadObject", Key=bucket.make_name(key), **version)
    except CopyMissing:
        with bucket.errors():
            bucket.client.head_bucket(Bucket=bucket.options.bucket)
        return None


@contextmanager
def read_object(bucket: Bucket, key: str, **version: Any) -> Iterator[Iterator[bytes]]:
    """Open an object: its bytes in chunks. A body that ends early is an error."""
    with bucket.errors(key):
        body = bucket.wire.open("GetObject", Key=bucket.make_name(key), **version)
    try:
        yield _chunks(bucket, body, key)
    finally:
        body.close()


def _chunks(bucket: Bucket, body: StreamingBody, key: str) -> Iterator[bytes]:
    while True:
        with bucket.errors(key):
            chunk = body.read(READ_BYTES)
        if not chunk:
            return
        yield chunk


def thaw_object(bucket: Bucket, key: str, days: int, **version: Any) -> None:
    """Ask for a frozen object; does nothing for one that can be read."""
    found: Mapping[str, Any] | None = find_object(bucket, key, **version)
    if found is None:
        raise CopyMissing(f"{bucket.where}: there is no {key}")
    request: RestoreRequestTypeDef = {"GlacierJobParameters": {"Tier": "Standard"}}
    if found.get("StorageClass") in _FROZEN_CLASSES:
        request["Days"] = days
    elif "ArchiveStatus" not in found:  # intelligent tiering freezes too, and takes no days
        return
    _ask_for(bucket, key, RestoreRequest=request, **version)


def _ask_for(bucket: Bucket, key: str, **request: Any) -> None:
    from botocore.exceptions import ClientError

    name = bucket.make_name(key)
    with bucket.errors(key):
        try:
            bucket.client.restore_object(Bucket=bucket.options.bucket, Key=name, **request)
        except ClientError as error:
            if code_of(error) not in _IS_ASKED_OR_THAWED:
                raise
