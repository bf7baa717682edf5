"""What botocore makes for a bucket: credentials, the client, and the connections of its address.

It reads profiles, roles and environment, and follows them: endpoints, regions, certificates and
proxies. The client asks what is asked seldom; `wire` asks the rest, over connections like its.
"""

from __future__ import annotations

import socket
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from archiver import __version__
from archiver.storage.s3.options import Options

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client
    from urllib3 import HTTPConnectionPool

TOTAL_ATTEMPTS = 3
TIMEOUT_SECONDS = 20
"""A store that never answers costs a request a minute: 3 times 20 s, and pauses of 3 s at most.

It is also what a store may take to complete a large upload: one that is still at it when it is
asked again goes on, and what it says at the next try is checked (`upload`). Each piece of a body
(`wire`) has as long to go out, since urllib3 sends with the timeout for connecting.
"""


def make_session(options: Options) -> Session:
    """Make a session with the credentials of the config, else those of boto3's usual chain."""
    import botocore.session

    session = botocore.session.get_session()
    session.register_component("data_loader", _descriptions())
    if options.access_key is not None and options.secret_key is not None:
        token = options.session_token
        session.set_credentials(
            options.access_key.read(), options.secret_key.read(), token.read() if token else None
        )
    return session


def make_client(session: Session, options: Options) -> S3Client:
    """Make a client: 2 retries with growing pauses are botocore's, and the only ones."""
    from botocore.config import Config

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
    client = session.create_client(
        "s3", endpoint_url=options.endpoint_url, region_name=options.region, config=config
    )
    return cast("S3Client", client)


def make_connections(session: Session, url: str, many: int) -> HTTPConnectionPool:
    """Open the connections to an address, with the certificates and proxies of the session.

    `scheme` and `host` of the pool are those of the proxy where plain http goes through one.
    """
    from botocore.httpsession import ProxyConfiguration, create_urllib3_context, get_cert_path
    from botocore.utils import get_environ_proxies
    from urllib3 import PoolManager, ProxyManager, Timeout
    from urllib3.connection import HTTPConnection

    kept_alive = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options: dict[str, Any] = {
        "timeout": Timeout(connect=TIMEOUT_SECONDS, read=TIMEOUT_SECONDS),
        "maxsize": many,
        "socket_options": [*HTTPConnection.default_socket_options, kept_alive],
    }
    if urlsplit(url).scheme == "https":
        bundle = get_cert_path(session.get_config_variable("ca_bundle") or True)
        options |= {"ssl_context": create_urllib3_context(), "ca_certs": bundle}
        options |= {"cert_reqs": "CERT_REQUIRED"}
    proxies = ProxyConfiguration(get_environ_proxies(url))
    proxy: str | None = proxies.proxy_url_for(url)
    if not proxy:
        return PoolManager(**options).connection_from_url(url)
    headers = proxies.proxy_headers_for(proxy)
    return ProxyManager(proxy, proxy_headers=headers, **options).connection_from_url(url)


@cache
def _descriptions() -> Any:
    """Load what botocore knows of S3 once for all buckets."""
    from archiver.storage.s3.descriptions import Descriptions

    return Descriptions()
