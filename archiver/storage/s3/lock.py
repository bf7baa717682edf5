"""Object lock: every new object is kept by the store itself until a day (promise 7).

The lock goes with the request that makes an object. Some stores (Ceph 16) drop it in silence when
an object is made of parts, so what is in parts is looked at, and locked where it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectLockRetentionTypeDef

    from archiver.storage.s3.bucket import Bucket
    from archiver.storage.s3.options import ObjectLock


def make_lock_parameters(lock: ObjectLock | None) -> dict[str, Any]:
    """Say the lock as a request that makes an object does."""
    if lock is None:
        return {}
    return {"ObjectLockMode": lock.mode, "ObjectLockRetainUntilDate": _make_end(lock)}


def ensure_lock(bucket: Bucket, key: str, found: Mapping[str, Any]) -> None:
    """Lock an object that should be locked and does not show it."""
    lock = bucket.options.object_lock
    if lock is None or "ObjectLockMode" in found:
        return
    version = {"VersionId": found["VersionId"]} if "VersionId" in found else {}
    retention: ObjectLockRetentionTypeDef = {
        "Mode": lock.mode,
        "RetainUntilDate": _make_end(lock),
    }
    with bucket.errors(key):
        bucket.client.put_object_retention(
            Bucket=bucket.options.bucket,
            Key=bucket.make_name(key),
            Retention=retention,
            ChecksumAlgorithm="SHA256",
            **version,
        )


def _make_end(lock: ObjectLock) -> datetime:
    return datetime.now(UTC) + timedelta(days=lock.days)
