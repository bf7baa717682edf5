"""A bucket, tried out by `doctor`: see `archiver.storage.trial`."""

from __future__ import annotations

import hashlib
import time
from email.utils import parsedate_to_datetime
from typing import Any

from archiver.errors import CopyDamaged, DestinationError
from archiver.storage.s3.bucket import Bucket
from archiver.storage.s3.destination import S3Destination
from archiver.storage.s3.errors import code_of
from archiver.storage.s3.options import Options
from archiver.storage.s3.proof import Checksum
from archiver.storage.s3.read import find_object
from archiver.storage.trial import Surroundings, check_trial_key

_SENT = b"what archiver sends to see whether the store looks at it"
_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound")


def open_trial(name: str, options: Options) -> S3Trial:
    """Open a bucket to try it out; no request is made and no secret read yet."""
    return S3Trial(name, options)


class S3Trial(S3Destination):
    """A bucket in which something can be removed; what is tried there carries no lock."""

    def __init__(self, name: str, options: Options) -> None:
        super().__init__(name, options.model_copy(update={"object_lock": None}))
        self._locking = _HearingBucket(name, options)
        self._bucket: _HearingBucket = _HearingBucket(name, self._bucket.options)

    @property
    def clock_skew_seconds(self) -> float | None:
        """Keep the port's promise; a refusal tells the time as well."""
        heard = self._bucket.clock_skew_seconds
        return self._locking.clock_skew_seconds if heard is None else heard

    def prepare(self) -> None:
        """Begin an upload as the config wants it, with its lock, and take it back."""
        unlocked = self._bucket
        self._bucket = self._locking
        try:
            super().prepare()
        finally:
            self._bucket = unlocked

    def look_around(self) -> Surroundings:
        """Ask for the bucket's lock; what it costs and how full it is, no store tells."""
        wants_lock = self._locking.options.object_lock is not None
        has_lock, locks_all = self._ask_for_lock()
        return Surroundings(
            place=self._bucket.options.place,
            wants_lock=wants_lock,
            has_lock=has_lock,
            locks_all=locks_all,
        )

    def _ask_for_lock(self) -> tuple[bool | None, bool]:
        """Tell whether objects can be locked, and whether all are; None where it is not told."""
        from botocore.exceptions import ClientError

        bucket = self._bucket
        try:
            with bucket.errors():
                try:
                    answer = bucket.client.get_object_lock_configuration(
                        Bucket=bucket.options.bucket
                    )
                except ClientError as error:
                    return (False if code_of(error) in _NO_LOCK else None), False
        except DestinationError:
            return None, False
        found = answer.get("ObjectLockConfiguration", {})
        return found.get("ObjectLockEnabled") == "Enabled", "Rule" in found

    def refuses_damaged(self, key: str) -> bool:
        """Send one thing with the checksum of another."""
        bucket = self._bucket
        other = Checksum.of((_SENT[::-1],), sends_sha256=bucket.sends_sha256)
        try:
            with bucket.errors(key):
                bucket.wire.ask(
                    "PutObject",
                    (_SENT,),
                    Key=bucket.make_name(check_trial_key(key)),
                    Metadata={"sha256": hashlib.sha256(_SENT).hexdigest()},
                    **bucket.make_write_parameters("application/octet-stream"),
                    **other.parameters,
                )
        except CopyDamaged:
            return True
        return False

    def remove(self, key: str) -> bool:
        """Remove every version; what is locked stays, and so does what may not be deleted."""
        name = self._bucket.make_name(check_trial_key(key))
        try:
            versions = self._versions(name)
            if not versions and find_object(self._bucket, key) is None:
                return True  # to delete what is not there leaves a mark in a versioned bucket
            for version in versions or [{}]:
                self._delete(name, **version)
            return find_object(self._bucket, key) is None and not self._versions(name)
        except DestinationError:
            return False

    def _versions(self, name: str) -> list[dict[str, str]]:
        """Name all versions and delete marks of an object; none where the store keeps none."""
        from botocore.exceptions import ClientError

        bucket = self._bucket
        with bucket.errors():
            try:
                answer = bucket.client.list_object_versions(
                    Bucket=bucket.options.bucket, Prefix=name
                )
            except ClientError:  # not known there, or not allowed: then there is but one
                return []
        found: list[Any] = [*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())]
        return [
            {"VersionId": one["VersionId"]}
            for one in found
            if one["Key"] == name and one.get("VersionId", "null") != "null"
        ]

    def _delete(self, name: str, **version: str) -> None:
        bucket = self._bucket
        with bucket.errors():
            bucket.client.delete_object(Bucket=bucket.options.bucket, Key=name, **version)

    def close(self) -> None:
        """Give back all connections."""
        super().close()
        self._locking.close()


class _HearingBucket(Bucket):
    """A bucket that listens to the time which the store tells with every answer."""

    clock_skew_seconds: float | None = None

    @property
    def client(self) -> Any:
        """The one client, with an ear at its answers."""
        client = super().client
        client.meta.events.register("after-call.s3", self._hear, unique_id="clock")
        return client

    def _hear(self, parsed: dict[str, Any], **_: Any) -> None:
        told = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        try:
            self.clock_skew_seconds = parsedate_to_datetime(told).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return
