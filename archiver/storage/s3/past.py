"""A versioned bucket as it was at a moment: `restore --as-of` (promise 7).

Of each name the newest version counts that was there by then; where that is a delete marker,
there was no file. Stores tell times of versions in whole seconds, most of them: of two in one
second the latest wins, and a file before a delete marker, since it is asked for what was there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from archiver.errors import CopyMissing, DestinationUnavailable
from archiver.keys import validate_key
from archiver.model import Stored
from archiver.storage.base import Capabilities
from archiver.storage.checks import check_prefix
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.read import read_object, thaw_object

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import (
        DeleteMarkerEntryTypeDef,
        ListObjectVersionsOutputTypeDef,
        ObjectVersionTypeDef,
    )

_KEEPS_VERSIONS = ("Enabled", "Suspended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object, or the mark that it was deleted."""

    key: str
    version_id: str
    modified_at: datetime
    size_bytes: int | None
    is_latest: bool

    @property
    def rank(self) -> tuple[datetime, bool, bool]:
        """Order versions of one name by time."""
        return self.modified_at, self.is_latest, self.size_bytes is not None


class S3Past:
    """Reads a bucket at a moment; nothing can be written there."""

    def __init__(self, bucket: Bucket, capabilities: Capabilities, moment: datetime) -> None:
        self.name = bucket.name
        self.capabilities = capabilities
        self._bucket = bucket
        self._moment = moment
        self._when = f"{bucket.where} at {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"

    def prepare(self) -> None:
        """Prove that the bucket keeps versions; raises DestinationUnavailable when it does not."""
        bucket = self._bucket
        with bucket.errors():
            answer = bucket.client.get_bucket_versioning(Bucket=bucket.options.bucket)
        if answer.get("Status") not in _KEEPS_VERSIONS:
            raise DestinationUnavailable(
                f"{bucket.where} keeps no earlier versions: switch on versioning for the next "
                "time, and read what is there without --as-of"
            )

    def _refuse(self) -> NoReturn:
        raise DestinationUnavailable(f"{self._when} is the past: it can only be read")

    def begin(self, key: str, media_type: str) -> NoReturn:
        """Refuse."""
        self._refuse()

    def create(self, key: str, body: bytes, media_type: str) -> NoReturn:
        """Refuse."""
        self._refuse()

    def set_aside(self, key: str, aside_key: str) -> NoReturn:
        """Refuse."""
        self._refuse()

    def clean(self, older_than_seconds: float) -> NoReturn:
        """Refuse."""
        self._refuse()

    @contextmanager
    def read(self, key: str) -> Iterator[Iterator[bytes]]:
        """Keep the port's promise, for the version of then."""
        version = self._require(key)
        with read_object(self._bucket, key, VersionId=version.version_id) as chunks:
            yield chunks

    def stat(self, key: str) -> Stored | None:
        """Keep the port's promise, for the version of then."""
        version = self._find(validate_key(key))
        return None if version is None else _describe(version)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Keep the port's promise, for what was there then; one page of names in memory."""
        check_prefix(prefix)
        return self._list(prefix)

    def _list(self, prefix: str) -> Iterator[Stored]:
        for versions in _group_by_key(self._bucket, prefix):
            version = _find_newest(versions, self._moment)
            if version is not None:
                yield _describe(version)

    def request_thaw(self, key: str, days: int) -> None:
        """Keep the port's promise, for the version of then."""
        thaw_object(self._bucket, key, days, VersionId=self._require(key).version_id)

    def as_of(self, moment: datetime) -> S3Past:
        """Open another moment of the same bucket."""
        return S3Past(self._bucket, self.capabilities, moment)

    def close(self) -> None:
        """Give back all connections."""
        self._bucket.close()

    def _require(self, key: str) -> Version:
        version = self._find(validate_key(key))
        if version is None:
            raise CopyMissing(f"{self._when}: there was no {key}")
        return version

    def _find(self, key: str) -> Version | None:
        for versions in _group_by_key(self._bucket, key):
            if versions[0].key == key:  # the first, but SeaweedFS orders folder by folder
                return _find_newest(versions, self._moment)
        return None


def _group_by_key(bucket: Bucket, prefix: str) -> Iterator[list[Version]]:
    """Gather all versions of each key; only those of a page's last one may go on behind it."""
    held: dict[str, list[Version]] = {}
    with bucket.errors():
        pages = bucket.client.get_paginator("list_object_versions").paginate(
            Bucket=bucket.options.bucket, Prefix=bucket.make_name(prefix)
        )
        for page in pages:
            for version in _read_page(bucket, page):
                held.setdefault(version.key, []).append(version)
            last_key = bucket.make_key(page.get("NextKeyMarker", ""))
            for key in [key for key in held if key != last_key]:
                yield held.pop(key)
    yield from held.values()


def _read_page(bucket: Bucket, page: ListObjectVersionsOutputTypeDef) -> Iterator[Version]:
    for found in page.get("Versions", ()):
        yield from _make_version(bucket, found, found["Size"])
    for marker in page.get("DeleteMarkers", ()):
        yield from _make_version(bucket, marker, None)


def _make_version(
    bucket: Bucket, found: ObjectVersionTypeDef | DeleteMarkerEntryTypeDef, size_bytes: int | None
) -> Iterator[Version]:
    key = bucket.make_key(found["Key"])
    if key is not None:
        yield Version(
            key=key,
            version_id=found["VersionId"],
            modified_at=found["LastModified"].astimezone(UTC),
            size_bytes=size_bytes,
            is_latest=found["IsLatest"],
        )


def _find_newest(versions: list[Version], moment: datetime) -> Version | None:
    """Choose what was there at that moment; None where there was no file."""
    known = [version for version in versions if version.modified_at <= moment]
    newest = max(known, key=lambda version: version.rank, default=None)
    return newest if newest is not None and newest.size_bytes is not None else None


def _describe(version: Version) -> Stored:
    return Stored(
        key=version.key, size_bytes=version.size_bytes or 0, modified_at=version.modified_at
    )
