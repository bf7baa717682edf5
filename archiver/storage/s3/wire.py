"""The requests that are made by the thousand: put, part, get, head and list.

botocore's client needs 1.4 ms of CPU for each, most of it to find out the same thing again. So it
is asked once where a bucket is (`route`) and what its words are (`words`), and the requests then
go their own way (`way`) for 0.6 ms. It still follows a bucket that turns out to be elsewhere.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from botocore import exceptions as botocore
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from archiver.storage.s3.client import TOTAL_ATTEMPTS, make_connections
from archiver.storage.s3.errors import code_of
from archiver.storage.s3.proof import Body
from archiver.storage.s3.route import Route, find_route, prepare_routes
from archiver.storage.s3.way import Way, make_error
from archiver.storage.s3.words import Words

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client
    from urllib3 import BaseHTTPResponse

# As botocore's standard mode has them: botocore/retries/standard.py
_PAUSE_SECONDS, _BUSY_PAUSE_SECONDS = 0.05, 1.0
_PASSING_STATUS = (429, 500, 502, 503, 504)
_PASSING = ("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete")
_BUSY = (
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
_ELSEWHERE_STATUS = (301, 302, 307)
_ELSEWHERE = (
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
)


class Wire:
    """Asks for the objects of one bucket, in boto3's words; all threads share it."""

    def __init__(self, session: Session, client: S3Client, bucket: str, connections: int) -> None:
        prepare_routes(client)
        self._session = session
        self._client = client
        self._bucket = bucket
        self._connections = connections
        self._words: dict[str, Words] = {}
        self._lock = threading.Lock()
        self._way = self._find_way()

    def _find_way(self) -> Way:
        route = find_route(self._client, self._bucket)
        credentials = self._session.get_credentials()
        if credentials is None:
            raise botocore.NoCredentialsError
        pool = make_connections(self._session, route.origin, self._connections)
        return Way(route, credentials, pool)

    @property
    def route(self) -> Route:
        """Where the bucket is asked for now."""
        return self._way.route

    def close(self) -> None:
        """Give back all connections."""
        self._way.close()

    def ask(self, operation: str, body: Body = (), /, **parameters: Any) -> dict[str, Any]:
        """Make a request; returns what the headers of the answer tell."""
        response = self._send(operation, body, parameters)
        return self._words_of(operation).read(response.headers)

    def fetch(self, operation: str, /, **parameters: Any) -> bytes:
        """Make a request; returns the body of the answer."""
        return self._send(operation, (), parameters).data

    def open(self, operation: str, /, **parameters: Any) -> StreamingBody:
        """Make a request; returns the body of the answer, to be read and closed."""
        response = self._send(operation, (), parameters, is_read=False)
        size_bytes = response.headers.get("Content-Length")
        return StreamingBody(cast("Any", response), cast("Any", size_bytes))

    def _words_of(self, operation: str) -> Words:
        words = self._words.get(operation)
        if words is None:
            model = self._client.meta.service_model.operation_model(operation)
            words = self._words[operation] = Words(model)
        return words

    def _send(
        self, operation: str, body: Body, parameters: dict[str, Any], *, is_read: bool = True
    ) -> BaseHTTPResponse:
        """Make a request, and again where that may help."""
        words = self._words_of(operation)
        headers = words.make_headers(parameters)
        attempt = 1
        while True:
            way = self._way
            target = words.make_target(way.route.folder, parameters)
            try:
                response = way.send(words.method, target, headers, body, is_read=is_read)
                if response.status < 300:
                    return response
                raise make_error(response, operation)
            except (ClientError, botocore.ConnectionError, botocore.HTTPClientError) as error:
                if attempt == TOTAL_ATTEMPTS or not self._may_help(error, words, way, attempt):
                    raise
            attempt += 1

    def _may_help(self, error: Exception, words: Words, way: Way, attempt: int) -> bool:
        """Tell whether to ask again, after a pause or on another way."""
        if isinstance(error, ClientError) and _is_elsewhere(error, words.method):
            return self._has_other_way(way)
        pause_seconds = _pause_after(error)
        time.sleep(random.random() * pause_seconds * 2 ** (attempt - 1))  # noqa: S311 - no secret
        return bool(pause_seconds)

    def _has_other_way(self, way: Way) -> bool:
        """Have botocore follow the bucket to its region; tell whether that is another than was."""
        with self._lock:
            if self._way is way:
                with suppress(ClientError):
                    self._client.head_bucket(Bucket=self._bucket)
                if find_route(self._client, self._bucket) != way.route:
                    self._way = self._find_way()
            return self._way is not way


def _is_elsewhere(error: ClientError, method: str) -> bool:
    """Tell whether a bucket is in another region; the answer to a HEAD has no body that says so."""
    code = code_of(error)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in _ELSEWHERE_STATUS or code in _ELSEWHERE or (method == "HEAD" and code == "400")


def _pause_after(error: Exception) -> float:
    """Return the longest first pause after an error that may pass, else 0."""
    if not isinstance(error, ClientError):
        return _PAUSE_SECONDS
    code = code_of(error)
    if code in _BUSY:
        return _BUSY_PAUSE_SECONDS
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return _PAUSE_SECONDS if code in _PASSING or status in _PASSING_STATUS else 0.0
