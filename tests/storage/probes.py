"""What one store does with the requests on which stores differ, each as one word or two."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PLAIN = "probe-plain"
VERSIONED = "probe-versioned"
LOCKED = "probe-locked"
PART = b"p" * 5 * 1024**2
LATER = datetime.now(UTC) + timedelta(days=1)


def open_buckets(client: S3Client) -> None:
    """Make the buckets that the store can make."""
    client.create_bucket(Bucket=PLAIN)
    client.put_object(Bucket=PLAIN, Key="here", Body=b"here")
    client.put_object(Bucket=PLAIN, Key="large", Body=PART + b"end")
    client.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    client.create_bucket(Bucket=VERSIONED)


def _refuses(request: Callable[..., object], **parameters: object) -> str:
    try:
        request(**parameters)
    except ClientError as error:
        return f"refused ({error.response['Error']['Code']})"
    return "taken"


def probe_wrong_md5(client: S3Client) -> str:
    """Send a body with another's Content-MD5."""
    wrong = base64.b64encode(bytes(16)).decode()
    return _refuses(client.put_object, Bucket=PLAIN, Key="m", Body=b"1", ContentMD5=wrong)


def probe_wrong_sha256(client: S3Client) -> str:
    """Send a body with another's SHA-256."""
    wrong = base64.b64encode(bytes(32)).decode()
    return _refuses(client.put_object, Bucket=PLAIN, Key="s", Body=b"1", ChecksumSHA256=wrong)


def probe_sha256_shown(client: S3Client) -> str:
    """Look for the SHA-256 in the answer to the put that carried it."""
    right = base64.b64encode(hashlib.sha256(b"1").digest()).decode()
    answer = client.put_object(Bucket=PLAIN, Key="r", Body=b"1", ChecksumSHA256=right)
    return "yes" if answer.get("ChecksumSHA256") == right else "no"


def probe_conditional_put(client: S3Client) -> str:
    """Put over a file on condition that there is none."""
    return _refuses(client.put_object, Bucket=PLAIN, Key="here", Body=b"2", IfNoneMatch="*")


def probe_conditional_put_versioned(client: S3Client) -> str:
    """Do the same in a bucket with object lock, which keeps versions."""
    end = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": LATER}
    tag = base64.b64encode(hashlib.md5(b"1", usedforsecurity=False).digest()).decode()
    request: dict[str, Any] = {"Bucket": LOCKED, "Key": "c", "Body": b"1", "ContentMD5": tag, **end}
    client.put_object(**request)
    return _refuses(client.put_object, **request, IfNoneMatch="*")


def probe_conditional_copy(client: S3Client) -> str:
    """Copy onto a file on condition that there is none."""
    source = {"Bucket": PLAIN, "Key": "large"}
    return _refuses(
        client.copy_object, Bucket=PLAIN, Key="here", CopySource=source, IfNoneMatch="*"
    )


def _join(client: S3Client, bucket: str, key: str, **parameters: Any) -> Any:
    begun = client.create_multipart_upload(Bucket=bucket, Key=key, **parameters)
    target: dict[str, Any] = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
    tag = client.upload_part(**target, PartNumber=1, Body=b"1")["ETag"]
    target["MultipartUpload"] = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    return target


def probe_conditional_multipart(client: S3Client) -> str:
    """Complete an upload onto a file on condition that there is none."""
    target = _join(client, PLAIN, "here")
    return _refuses(client.complete_multipart_upload, **target, IfNoneMatch="*")


def probe_multipart_tag(client: S3Client) -> str:
    """Look at the ETag of what was joined: only the usual one proves the parts."""
    client.complete_multipart_upload(**_join(client, PLAIN, "joined"))
    found = client.head_object(Bucket=PLAIN, Key="joined")["ETag"].strip('"')
    part = hashlib.md5(b"1", usedforsecurity=False).digest()
    usual = f"{hashlib.md5(part, usedforsecurity=False).hexdigest()}-1"
    return "usual" if found == usual else "other" if found else "empty"


def probe_part_copy(client: S3Client) -> str:
    """Copy a part of a file into an upload."""
    begun = client.create_multipart_upload(Bucket=PLAIN, Key="copied")
    answer = client.upload_part_copy(
        Bucket=PLAIN,
        Key="copied",
        UploadId=begun["UploadId"],
        PartNumber=1,
        CopySource={"Bucket": PLAIN, "Key": "large"},
        CopySourceRange="bytes=0-9",
    )
    return "yes" if answer.get("CopyPartResult", {}).get("ETag") else "no (empty part)"


def probe_versions(client: S3Client) -> str:
    """Switch on versioning, overwrite, and count."""
    try:
        client.put_bucket_versioning(
            Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"}
        )
    except ClientError as error:
        return f"no ({error.response['Error']['Code']})"
    for body in (b"1", b"2"):
        client.put_object(Bucket=VERSIONED, Key="v", Body=body)
    found = client.list_object_versions(Bucket=VERSIONED, Prefix="v")["Versions"]
    return "yes" if len(found) == 2 else "no"


def probe_lock(client: S3Client) -> str:
    """Try to delete a version that was put with a lock."""
    found: Mapping[str, Any] = client.head_object(Bucket=LOCKED, Key="c")
    if "VersionId" not in found:
        return "no (says it does)" if "ObjectLockMode" in found else "no"
    version = found["VersionId"]
    deleted = _refuses(client.delete_object, Bucket=LOCKED, Key="c", VersionId=version)
    return "yes" if deleted.startswith("refused") else "no"


def probe_multipart_lock(client: S3Client) -> str:
    """Look for the lock at a file whose upload began with one."""
    end = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": LATER}
    client.complete_multipart_upload(**_join(client, LOCKED, "joined", **end))
    found: Mapping[str, Any] = client.head_object(Bucket=LOCKED, Key="joined")
    if "VersionId" not in found:
        return "no"
    return "yes" if "ObjectLockMode" in found else "dropped in silence"


def _echo(client: S3Client, name: str, **parameters: Any) -> str:
    try:
        client.put_object(Bucket=PLAIN, Key="echo", Body=b"1", **parameters)
    except ClientError as error:
        return f"refused ({error.response['Error']['Code']})"
    return "told back" if client.head_object(Bucket=PLAIN, Key="echo").get(name) else "dropped"


def probe_storage_class(client: S3Client) -> str:
    """Put with a storage class."""
    return _echo(client, "StorageClass", StorageClass="STANDARD_IA")


def probe_sse_s3(client: S3Client) -> str:
    """Put with encryption by the store's own key."""
    return _echo(client, "ServerSideEncryption", ServerSideEncryption="AES256")


def probe_sse_kms(client: S3Client) -> str:
    """Put with encryption by a named key."""
    return _echo(
        client, "ServerSideEncryption", ServerSideEncryption="aws:kms", SSEKMSKeyId="a-key"
    )


def probe_order(client: S3Client) -> str:
    """List names whose order differs by bytes, by UTF-16 and by folders."""
    names = ["o/\U0001f431", "o/\uff5e", "o/B", "o/a/b", "o/a-b"]
    for name in names:
        client.put_object(Bucket=PLAIN, Key=name, Body=b"")
    found = client.list_objects_v2(Bucket=PLAIN, Prefix="o/")["Contents"]
    in_bytes = sorted(names, key=lambda name: name.encode())
    return "bytes" if [one["Key"] for one in found] == in_bytes else "other"


def probe_wrong_secret(client: S3Client) -> str:
    """Read with the right name and a wrong secret."""
    from tests.servers import make_s3_client

    wrong = make_s3_client(client.meta.endpoint_url, "testkey", "wrong")
    try:
        return _refuses(wrong.head_object, Bucket=PLAIN, Key="here")
    finally:
        wrong.close()


PROBES: dict[str, Callable[[S3Client], str]] = {
    "wrong Content-MD5": probe_wrong_md5,
    "wrong SHA-256": probe_wrong_sha256,
    "SHA-256 told back": probe_sha256_shown,
    "`If-None-Match: *` on a put": probe_conditional_put,
    "the same where versions are kept": probe_conditional_put_versioned,
    "the same on a copy": probe_conditional_copy,
    "the same on a multipart upload": probe_conditional_multipart,
    "ETag of a multipart upload": probe_multipart_tag,
    "copy of a part": probe_part_copy,
    "versions": probe_versions,
    "object lock": probe_lock,
    "lock on a multipart upload": probe_multipart_lock,
    "storage class": probe_storage_class,
    "SSE-S3": probe_sse_s3,
    "SSE-KMS": probe_sse_kms,
    "order of a listing": probe_order,
    "wrong secret": probe_wrong_secret,
}
