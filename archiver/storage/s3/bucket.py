"""One bucket with a prefix: who asks it, its names and what every write to it carries."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from archiver.errors import DestinationUnavailable
from archiver.storage.checks import is_key
from archiver.storage.s3.client import make_client, make_session
from archiver.storage.s3.errors import Where, s3_errors
from archiver.storage.s3.lock import make_lock_parameters
from archiver.storage.s3.options import Options, is_private_way

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

    from archiver.storage.s3.wire import Wire

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


class Bucket:
    """What destination and uploads share. All is made at first use and thread-safe.

    `client` asks what is asked seldom, `wire` what is asked for every file.
    """

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.options = options
        self.live_uploads: set[str] = set()
        self._session: Session | None = None
        self._client: S3Client | None = None
        self._wire: Wire | None = None
        self._lock = threading.RLock()
        self.where = Where(name, options.bucket, options.endpoint_url)

    @property
    def client(self) -> S3Client:
        """The one client; raises DestinationUnavailable when it cannot be made."""
        with self._lock:
            if self._client is None:
                with self.errors():
                    self._client = make_client(self._open_session(), self.options)
                self._refuse_open_way(self._client.meta.endpoint_url)
            return self._client

    @property
    def wire(self) -> Wire:
        """The one wire; raises DestinationUnavailable when it cannot be made."""
        with self._lock:
            if self._wire is None:
                from archiver.storage.s3.wire import Wire

                client, options = self.client, self.options
                with self.errors():
                    self._wire = Wire(
                        self._open_session(), client, options.bucket, options.connections
                    )
            return self._wire

    def _open_session(self) -> Session:
        if self._session is None:
            self._session = make_session(self.options)
        return self._session

    def _refuse_open_way(self, url: str) -> None:
        """Check the address again: it may come from $AWS_ENDPOINT_URL and not from the config."""
        if not self.options.allow_http and not is_private_way(url):
            self._client = None
            raise DestinationUnavailable(
                f"{self.where}: {url} is plain http to another machine; use https, or set "
                "allow_http = true"
            )

    def close(self) -> None:
        """Give back all connections."""
        with self._lock:
            kept = (self._client, self._wire)
            self._session = self._client = self._wire = None
        for one in kept:
            if one is not None:
                one.close()

    def errors(self, key: str | None = None) -> AbstractContextManager[None]:
        """Turn errors of the requests inside into ours; `key` is the file they are about."""
        return s3_errors(self.where, key)

    def make_name(self, key: str) -> str:
        """Return the object's name in the bucket."""
        return self.options.prefix + key

    def make_key(self, name: str) -> str | None:
        """Return the key of an object found in the bucket, or None for one that is not ours."""
        key = name.removeprefix(self.options.prefix)
        return key if name.startswith(self.options.prefix) and is_key(key) else None

    @property
    def sends_sha256(self) -> bool:
        """Whether writes carry a SHA-256; otherwise they carry Content-MD5, known everywhere."""
        if self.options.checksum != "auto":
            return self.options.checksum == "when_supported"
        return (urlsplit(self.client.meta.endpoint_url).hostname or "").endswith(_AWS_DOMAINS)

    def make_write_parameters(self, media_type: str) -> dict[str, Any]:
        """Say what every new object carries, whether it is put whole or in parts."""
        options = self.options
        parameters: dict[str, object] = {
            "ContentType": media_type,
            "StorageClass": options.storage_class,
            "ServerSideEncryption": options.sse,
            "SSEKMSKeyId": options.kms_key_id,
        }
        chosen = {name: value for name, value in parameters.items() if value is not None}
        return chosen | make_lock_parameters(options.object_lock)
