"""One request on its way, once: signed by botocore's signer, sent by urllib3 (promises 2 and 8).

What goes wrong is said in botocore's words, so that `errors` explains it like all else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import urllib3.exceptions as theirs
from botocore import exceptions as ours
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.parsers import create_parser

from archiver.storage.s3.proof import Body
from archiver.storage.s3.route import Route

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

PIECE_BYTES = 256 << 10
"""What is sent at a time: each has the whole timeout, so a slow line is no dead one."""
_UNSIGNED = "UNSIGNED-PAYLOAD"


class Way:
    """The connections on a route, and how requests are signed there; all threads share it."""

    def __init__(self, route: Route, credentials: Credentials, pool: HTTPConnectionPool) -> None:
        self.route = route
        self._credentials = credentials
        self._pool = pool
        self._is_relayed = pool.proxy is not None and pool.scheme == "http"

    def close(self) -> None:
        """Give back all connections."""
        self._pool.close()

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: Body, *, is_read: bool
    ) -> BaseHTTPResponse:
        """Make a request; returns its answer, with the whole body when that is to be read."""
        url = self.route.origin + target
        signed = self._sign(method, url, headers, body)
        pieces: Any = None  # urllib3 sends views as well, and copies none
        if method == "PUT":
            signed["Content-Length"] = str(sum(map(len, body)))
            pieces = _cut(body)
        with _errors_of_botocore(url):
            return self._pool.urlopen(
                method,
                url if self._is_relayed else target,
                body=pieces,
                headers=signed,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=is_read,
                decode_content=False,
            )

    def _sign(
        self, method: str, url: str, headers: Mapping[str, str], body: Body
    ) -> dict[str, str]:
        request = AWSRequest(method, url, {"User-Agent": self.route.user_agent, **headers})
        payload = _hash(body, headers, is_open=url.startswith("http:"))
        credentials = self._credentials.get_frozen_credentials()
        _Signer(credentials, self.route.region, payload).add_auth(request)
        return dict(request.headers.items())


class _Signer(S3SigV4Auth):
    """Signs for a body whose hash is known."""

    def __init__(self, credentials: Any, region: str, payload: str) -> None:
        super().__init__(credentials, "s3", region)
        self._payload = payload

    def payload(self, request: AWSRequest) -> str:
        """Say what is signed of the body."""
        return self._payload


def _hash(body: Body, headers: Mapping[str, str], *, is_open: bool) -> str:
    """Say what is signed of a body: its SHA-256, unless TLS and an MD5 keep it as it is."""
    known = headers.get("x-amz-checksum-sha256")
    if known is not None:
        return base64.b64decode(known).hex()
    if any(body) and not is_open:
        return _UNSIGNED
    sha256 = hashlib.sha256()
    for piece in body:
        sha256.update(piece)
    return sha256.hexdigest()


def _cut(body: Body) -> Iterator[memoryview]:
    for chunk in body:
        view = memoryview(chunk)
        yield from (view[start : start + PIECE_BYTES] for start in range(0, len(view), PIECE_BYTES))


@contextmanager
def _errors_of_botocore(url: str) -> Iterator[None]:
    """Name an error of urllib3 as botocore's client does."""
    try:
        yield
    except theirs.SSLError as error:
        raise ours.SSLError(endpoint_url=url, error=error) from error
    except theirs.NewConnectionError as error:
        raise ours.EndpointConnectionError(endpoint_url=url, error=error) from error
    except theirs.ProxyError as error:
        raise ours.ProxyConnectionError(proxy_url="the proxy", error=error) from error
    except theirs.ConnectTimeoutError as error:
        raise ours.ConnectTimeoutError(endpoint_url=url, error=error) from error
    except theirs.ReadTimeoutError as error:
        raise ours.ReadTimeoutError(endpoint_url=url, error=error) from error
    except theirs.ProtocolError as error:
        raise ours.ConnectionClosedError(endpoint_url=url, error=error) from error
    except (theirs.HTTPError, OSError) as error:
        raise ours.HTTPClientError(error=error) from error


def make_error(response: BaseHTTPResponse, operation: str) -> ours.ClientError:
    """Read a refusal."""
    with _errors_of_botocore(response.url or ""):
        body = response.data
    told = {"status_code": response.status, "headers": response.headers, "body": body}
    return ours.ClientError(_parser().parse(told, None), operation)


@cache
def _parser() -> Any:
    return create_parser("rest-xml")
