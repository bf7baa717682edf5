"""Destinations under test, each with a way to look and reach behind the port."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from archiver.keys import TEMPORARY_PREFIX
from archiver.model import Digest
from archiver.storage import memory
from archiver.storage.base import Destination, read_whole
from archiver.storage.local import destination as local
from archiver.storage.local import trial as local_trial
from archiver.storage.s3 import destination as s3
from archiver.storage.s3 import trial as s3_trial
from archiver.storage.trial import Trial

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 5 * 1024**2
SHARED_BUCKET = "shared"
_numbers = itertools.count()


class Place(Protocol):
    """A destination, and what only a test may do to it."""

    knows_age: bool
    """Whether the place tells when an upload began (moto says 2010)."""

    refuses_second: bool
    """Whether the place can refuse to replace a file (`rclone serve s3` cannot)."""

    @property
    def destination(self) -> Destination:
        """The destination under test."""

    def open_trial(self) -> Trial:
        """Open the same place to try it out, as `doctor` does."""

    def put_raw(self, name: str, data: bytes) -> None:
        """Place a file under any name, past the port."""

    def leave_leftover(self, key: str) -> bool:
        """Leave what an upload that died would leave; False where that is nothing."""

    def count_leftovers(self) -> int:
        """Count what unfinished uploads hold."""


class MemoryPlace:
    """A destination in memory."""

    knows_age = True
    refuses_second = True

    def __init__(self) -> None:
        self.destination = memory.open_destination("ram", memory.Options(type="memory"))

    def open_trial(self) -> Trial:
        """Share the dictionary."""
        trial = memory.MemoryTrial("ram")
        trial.files = self.destination.files
        return trial

    def put_raw(self, name: str, data: bytes) -> None:
        """Add to the dictionary itself."""
        self.destination.files[name] = (data, datetime.now(UTC))

    def leave_leftover(self, key: str) -> bool:
        """Leave nothing: there is nothing to leave."""
        return False

    def count_leftovers(self) -> int:
        """Count nothing."""
        return 0


class LocalPlace:
    """A destination in a directory."""

    knows_age = True
    refuses_second = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.options = local.Options(type="local", path=root)
        self.destination = local.open_destination("disk", self.options)

    def open_trial(self) -> Trial:
        """Open the same directory."""
        return local_trial.open_trial("disk", self.options)

    def put_raw(self, name: str, data: bytes) -> None:
        """Write the file as any program would."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def leave_leftover(self, key: str) -> bool:
        """Leave a temporary file of a process that is gone (no pid is that large)."""
        folder = key.rpartition("/")[0]
        self.put_raw(f"{folder}/{TEMPORARY_PREFIX}4194304-0123456789abcdef", b"half a fi")
        return True

    def count_leftovers(self) -> int:
        """Count temporary files."""
        return sum(1 for path in self.root.rglob(f"{TEMPORARY_PREFIX}*"))


class S3Place:
    """A destination under a prefix of its own; a bucket is costly at SeaweedFS, so it is shared."""

    def __init__(
        self,
        client: S3Client,
        access_key: str,
        secret_key: str,
        *,
        knows_age: bool,
        refuses_second: bool = True,
        bucket: str = SHARED_BUCKET,
        **options: object,
    ) -> None:
        self.knows_age = knows_age
        self.refuses_second = refuses_second
        self.bucket = bucket
        self.prefix = f"generations-{next(_numbers)}/"
        self.client = client
        given = {
            "type": "s3",
            "bucket": self.bucket,
            "prefix": self.prefix,
            "endpoint_url": client.meta.endpoint_url,
            "access_key": access_key,
            "secret_key": secret_key,
            "part_size": PART_BYTES,
            **options,
        }
        self.options = s3.Options.model_validate(given)
        self.destination = s3.open_destination("vault", self.options)

    def open_trial(self) -> Trial:
        """Open the same prefix; the caller closes it."""
        return s3_trial.open_trial("vault", self.options)

    def create_bucket(self, *, with_object_lock: bool = False, with_versions: bool = False) -> None:
        """Create the bucket, unless an earlier test did."""
        if self.bucket not in {found["Name"] for found in self.client.list_buckets()["Buckets"]}:
            self.client.create_bucket(
                Bucket=self.bucket, ObjectLockEnabledForBucket=with_object_lock
            )
        if with_versions:
            self.client.put_bucket_versioning(
                Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
            )

    def put_raw(self, name: str, data: bytes) -> None:
        """Put the object as any program would."""
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)

    def leave_leftover(self, key: str) -> bool:
        """Leave an unfinished multipart upload."""
        self.client.create_multipart_upload(Bucket=self.bucket, Key=self.prefix + key)
        return True

    def count_leftovers(self) -> int:
        """Count unfinished multipart uploads."""
        found = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.prefix)
        return len(found.get("Uploads", ()))


def make_data(size_bytes: int, seed: int = 0) -> bytes:
    """Make bytes that are the same in every run and differ from place to place."""
    return hashlib.shake_128(f"{seed}/{size_bytes}".encode()).digest(size_bytes)


def make_digest(data: bytes) -> Digest:
    """Say what whole bytes are."""
    return Digest(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def fetch(destination: Destination, key: str) -> bytes:
    """Read a file back, as `restore` does."""
    return read_whole(destination, key, 1 << 30)


def list_keys(destination: Destination, prefix: str = "") -> list[str]:
    """List keys in order."""
    return sorted(found.key for found in destination.list(prefix))


def make_options(**given: object) -> s3.Options:
    """Validate options as the config does."""
    return s3.Options.model_validate({"type": "s3", "bucket": "bucket", **given})
