"""One bucket with a prefix: its client, its names and what every write to it carries."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from archiver import __version__
from archiver.errors import DestinationUnavailable
from archiver.secrets import SecretSource
from archiver.storage.checks import is_key
from archiver.storage.s3.errors import Where, s3_errors
from archiver.storage.s3.lock import make_lock_parameters
from archiver.storage.s3.options import Options, is_private_way

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TOTAL_ATTEMPTS = 3
TIMEOUT_SECONDS = 20
"""A store that never answers costs a request a minute: 3 times 20 s, and pauses of 3 s at most.

It is also what a store may take to complete a large upload: one that is still at it when it is
asked again goes on, and what it says at the next try is checked (`upload`). Each piece of a part
(`part`) has as long to go out, since urllib3 sends with the timeout for connecting.
"""
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


class Bucket:
    """What destination and uploads share. The client is made at first use and thread-safe."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.options = options
        self.live_uploads: set[str] = set()
        self._client: S3Client | None = None
        self._lock = threading.Lock()
        self.where = Where(name, options.bucket, options.endpoint_url)

    @property
    def client(self) -> S3Client:
        """The one client; raises DestinationUnavailable when it cannot be made."""
        with self._lock:
            if self._client is None:
                with self.errors():
                    self._client = _make_client(self.options)
                self._refuse_open_way(self._client.meta.endpoint_url)
            return self._client

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
            client, self._client = self._client, None
        if client is not None:
            client.close()

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


def _make_client(options: Options) -> S3Client:
    """Make a client: 2 retries with growing pauses are botocore's, and the only ones."""
    import botocore.session
    from botocore.config import Config
    from botocore.handlers import add_expect_header

    config = Config(
        retries={"mode": "standard", "total_max_attempts": TOTAL_ATTEMPTS},
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        max_pool_connections=options.connections,
        tcp_keepalive=True,
        # Trailing CRC32s break other stores (LIBRARIES: boto3 1.44); we send our own checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": options.addressing_style},
        user_agent_extra=f"archiver/{__version__}",
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", _descriptions())
    client = session.create_client(
        "s3",
        endpoint_url=options.endpoint_url,
        region_name=options.region,
        aws_access_key_id=_read(options.access_key),
        aws_secret_access_key=_read(options.secret_key),
        aws_session_token=_read(options.session_token),
        config=config,
    )
    # What is read like a file would wait up to a second for "100 Continue" before each part.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return cast("S3Client", client)


@cache
def _descriptions() -> Any:
    """Load what botocore knows of S3 once for all buckets: 12 MiB."""
    from botocore.loaders import create_loader

    return create_loader()


def _read(source: SecretSource | None) -> str | None:
    return None if source is None else source.read()
