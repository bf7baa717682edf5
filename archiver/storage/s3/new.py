"""Objects that must not replace another (promises 2 and 7): made once, or set aside.

`If-None-Match: *` is kept by AWS, SeaweedFS and others, ignored in silence by some
(`rclone serve s3`; Ceph 16 for copies) and refused by Swift: docs/stores.md. So nothing is
assumed: only a store that refuses the same put a second time has shown that it keeps it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from archiver.errors import CopyDamaged, CopyExists, CopyMissing
from archiver.storage.base import Created
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.errors import code_of
from archiver.storage.s3.lock import ensure_lock, make_lock_parameters
from archiver.storage.s3.proof import Checksum
from archiver.storage.s3.read import find_object

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef

Answer = TypeVar("Answer")

COPY_BYTES = 256 * 1024**2
"""What is copied in one request, where AWS allows 5 GiB: the answer comes only at its end."""
MAX_COPY_BYTES = 5 * 1024**3
MAX_PARTS = 10_000
_NO_CONDITIONS = ("NotImplemented", "501")


def create_object(bucket: Bucket, key: str, body: bytes, media_type: str) -> Created:
    """Put a small object where there is none, and say how sure that is."""
    if find_object(bucket, key) is not None:
        return Created.EXISTS
    checksum = Checksum.of((body,), sends_sha256=bucket.sends_sha256)
    put = partial(bucket.wire.ask, "PutObject", (body,))
    request = {
        "Key": bucket.make_name(key),
        "Metadata": {"sha256": hashlib.sha256(body).hexdigest()},
        **bucket.make_write_parameters(media_type),
        **checksum.parameters,
    }
    with bucket.errors(key):
        try:
            _ask_if_none(put, key, **request)
        except CopyExists:
            return Created.EXISTS
        try:
            _ask_if_none(put, key, **request)
        except CopyExists:
            return Created.NEW
    return Created.UNPROVEN


def copy_object(bucket: Bucket, key: str, aside_key: str) -> None:
    """Have the store copy an object to a free name, with the options of any new object."""
    found = find_object(bucket, key)
    if found is None:
        raise CopyMissing(f"{bucket.where}: there is no {key}")
    if find_object(bucket, aside_key) is not None:
        raise CopyExists(f"{bucket.where}: there is a file {aside_key} already")
    with bucket.errors(key):
        if found["ContentLength"] <= COPY_BYTES or not _copy_parts(bucket, key, aside_key, found):
            copy_whole(bucket, key, aside_key)
    copied = find_object(bucket, aside_key)
    if copied is None or copied["ContentLength"] != found["ContentLength"]:
        raise CopyDamaged(
            f"{bucket.where}: the store did not copy {key} whole to {aside_key}; nothing else "
            "was changed"
        )
    ensure_lock(bucket, aside_key, copied)


def copy_whole(bucket: Bucket, key: str, aside_key: str) -> None:
    """Copy in one request, on condition that the name is free."""
    parameters = bucket.make_write_parameters("")
    del parameters["ContentType"]  # the object's own goes along
    for name in make_lock_parameters(bucket.options.object_lock):
        del parameters[name]  # `ensure_lock` follows: moto refuses a lock that comes with a copy
    _ask_if_none(
        bucket.client.copy_object,
        aside_key,
        **_name(bucket, aside_key),
        CopySource=_source(bucket, key),
        **parameters,
    )


def _copy_parts(bucket: Bucket, key: str, aside_key: str, found: dict[str, Any]) -> bool:
    """Copy a large object in parts; False where the store takes no part for a copy."""
    parameters = bucket.make_write_parameters(found["ContentType"])
    target = _name(bucket, aside_key)
    upload_id = bucket.client.create_multipart_upload(
        **target, **parameters, Metadata=found["Metadata"]
    )["UploadId"]
    bucket.live_uploads.add(upload_id)
    try:
        parts = _copy_each_part(
            bucket, key, found["ContentLength"], target | {"UploadId": upload_id}
        )
        if parts:
            _ask_if_none(
                bucket.client.complete_multipart_upload,
                aside_key,
                **target,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
            )
            upload_id = ""
    finally:
        bucket.live_uploads.discard(upload_id)
        if upload_id:
            with suppress(Exception):  # what stays is found by `clean`
                bucket.client.abort_multipart_upload(**target, UploadId=upload_id)
    return bool(parts)


def _copy_each_part(
    bucket: Bucket, key: str, size_bytes: int, target: dict[str, Any]
) -> list[CompletedPartTypeDef]:
    part_bytes = max(COPY_BYTES, -(-size_bytes // MAX_PARTS))
    parts: list[CompletedPartTypeDef] = []
    for start in range(0, size_bytes, part_bytes):
        end = min(start + part_bytes, size_bytes) - 1
        answer = bucket.client.upload_part_copy(
            **target,
            PartNumber=len(parts) + 1,
            CopySource=_source(bucket, key),
            CopySourceRange=f"bytes={start}-{end}",
        )
        tag = answer.get("CopyPartResult", {}).get("ETag")
        if not tag:  # `rclone serve s3` took it for an empty part
            return []
        parts.append({"PartNumber": len(parts) + 1, "ETag": tag})
    return parts


def _ask_if_none(request: Callable[..., Answer], key: str, **parameters: Any) -> Answer:
    """Make a request on condition that its key is free; without, where the store knows none."""
    from botocore.exceptions import ClientError

    try:
        return request(**parameters, IfNoneMatch="*")
    except ClientError as error:
        code = code_of(error)
        if code in ("PreconditionFailed", "412"):
            raise CopyExists(f"there is a file {key} already") from error
        if code not in _NO_CONDITIONS:
            raise
        return request(**parameters)


def _name(bucket: Bucket, key: str) -> dict[str, Any]:
    return {"Bucket": bucket.options.bucket, "Key": bucket.make_name(key)}


def _source(bucket: Bucket, key: str) -> CopySourceTypeDef:
    return {"Bucket": bucket.options.bucket, "Key": bucket.make_name(key)}
