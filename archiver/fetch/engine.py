"""Moves one file from a media host to a receiver, over libcurl (pycurl).

Blocking and thread-safe: each worker thread keeps one handle with its connections, so a slow
destination slows its own download down and nothing is buffered. Redirects are followed by
hand, since keys and addresses are judged at every hop; a body that breaks off is resumed when
the host can prove that it is still the same file. libcurl never decompresses here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, quote, urljoin

import certifi
import pycurl

from archiver import __version__
from archiver.errors import (
    AddressForbidden,
    Interrupted,
    MediaError,
    MediaRejected,
    MediaUnavailable,
)
from archiver.fetch.answer import REDIRECTS, Answer, HeaderReader, judge
from archiver.fetch.breaker import Breakers
from archiver.fetch.guard import check_link, is_public
from archiver.fetch.sockets import SocketOpener
from archiver.fetch.watch import MIN_BYTES_PER_SECOND, SpeedWatch
from archiver.model import Link

ATTEMPTS = 4
PROGRESS_BYTES = 8 << 20
"""An attempt that brought the file on by so much does not count: large files break off often."""
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 30.0
MAX_REDIRECTS = 8
CONNECT_TIMEOUT_SECONDS = 20
RECEIVE_BYTES = 256 << 10
RANGE_NOT_SATISFIABLE = 416
MAX_IGNORED_BYTES = 64 << 10
"""Of the body of an error or a redirect; behind that the connection is worth less."""
_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;=~"


class Receiver(Protocol):
    """Takes the body of one file. Errors it raises end the transfer and reach the caller."""

    def restart(self) -> None:
        """Forget every byte so far: the body begins anew. Called before the first byte too."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Headers that carry an account's key, and the only origin they may be sent to."""

    origin: str
    headers: Mapping[str, str]

    def headers_for(self, url: str) -> Mapping[str, str]:
        """Return the headers when the address is on the origin, else none."""
        is_same = _origin(check_link(self.origin)) == _origin(check_link(url))
        return self.headers if is_same else {}


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80}.get(parts.scheme, 443)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a transfer may cost. Zero bytes a second means no limit."""

    max_file_bytes: int = 20 * 1000**3
    bytes_per_second: int = 0
    per_host: int = 8
    allow_private_hosts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """How a file came: the host's validator, and the bytes that were received."""

    etag: str | None
    size_bytes: int


class MediaEngine:
    """Fetches files. One engine serves all threads of a process; `stopping` ends all it does.

    `is_allowed` judges the addresses that sockets are opened to, unless private ones are allowed.
    """

    def __init__(
        self,
        limits: Limits,
        stopping: threading.Event | None = None,
        is_allowed: Callable[[str], bool] = is_public,
    ) -> None:
        self._limits = limits
        self._stopping = stopping or threading.Event()
        self._is_allowed = is_allowed
        self._local = threading.local()
        self._lock = threading.Lock()
        self._hosts: dict[str, threading.Semaphore] = {}
        self._breakers = Breakers()
        self._requests = 0

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._requests

    def fetch(
        self, link: Link, receiver: Receiver, credentials: Credentials | None = None
    ) -> Fetched:
        """Bring one file to the receiver, whole as far as HTTP can tell; raises MediaError."""
        transfer = _Transfer(receiver, self._limits.max_file_bytes)
        used = credentials if link.with_credentials else None
        url = quote(link.url.strip(), safe=_URL_CHARACTERS, errors="replace")
        host = check_link(url).netloc
        self._breakers.check(host)
        attempt = 1
        while True:
            try:
                fetched = self._follow(url, transfer, used)
                self._breakers.worked(host)
                return fetched
            except MediaUnavailable as error:
                attempt = 1 if transfer.has_come_on() else attempt
                wait = error.retry_after_seconds or FIRST_WAIT_SECONDS * 4 ** (attempt - 1)
                is_over = attempt == ATTEMPTS or wait > LONGEST_WAIT_SECONDS
                if self._stopping.is_set() or (not is_over and self._stopping.wait(wait)):
                    raise Interrupted("the transfer was stopped") from None
                if is_over:
                    self._breakers.failed(host)
                    raise
            attempt += 1

    def _follow(self, url: str, transfer: _Transfer, credentials: Credentials | None) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            parts = check_link(url)
            headers = dict(credentials.headers_for(url)) if credentials else {}
            credentials = credentials if headers else None  # a way that left us never comes back
            with self._host(parts.hostname or ""):
                answer = self._request(url, transfer, headers)
            if answer.status not in REDIRECTS:
                return transfer.end(answer)
            url = _redirected(url, answer)
        raise AddressForbidden(f"the link redirects more than {MAX_REDIRECTS} times")

    def _request(self, url: str, transfer: _Transfer, headers: dict[str, str]) -> Answer:
        with self._lock:
            self._requests += 1
        handle, reader = self._handle(), HeaderReader()
        opener = SocketOpener(self._is_address_allowed)
        watch = SpeedWatch(self._stopping, min_bytes_per_second=self._slowest)
        headers.update(transfer.resume_headers())

        def receive(chunk: bytes) -> int:
            return transfer.receive(reader.answer, chunk, watch)

        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
        handle.setopt(pycurl.HEADERFUNCTION, reader.feed)
        handle.setopt(pycurl.WRITEFUNCTION, receive)
        handle.setopt(pycurl.XFERINFOFUNCTION, watch.tick)
        handle.setopt(pycurl.OPENSOCKETFUNCTION, opener)
        try:
            handle.perform()
        except pycurl.error as error:
            if not reader.answer.has_no_file:
                raise transfer.failure or opener.failure or _explain(*error.args) from None
        finally:
            opener.release()
        return reader.answer

    def _handle(self) -> pycurl.Curl:
        handle: pycurl.Curl | None = getattr(self._local, "handle", None)
        if handle is None:
            handle = self._local.handle = pycurl.Curl()
        handle.reset()
        for option, value in _OPTIONS.items():
            handle.setopt(option, value)
        handle.setopt(pycurl.CAINFO, os.environ.get("SSL_CERT_FILE") or certifi.where())
        handle.setopt(pycurl.MAX_RECV_SPEED_LARGE, self._limits.bytes_per_second)
        return handle

    def _is_address_allowed(self, address: str) -> bool:
        return self._limits.allow_private_hosts or self._is_allowed(address)

    @property
    def _slowest(self) -> int:
        """A host is not blamed for a speed that is our own limit."""
        ours = self._limits.bytes_per_second
        return min(MIN_BYTES_PER_SECOND, ours // 2) if ours else MIN_BYTES_PER_SECOND

    def _host(self, name: str) -> threading.Semaphore:
        with self._lock:
            return self._hosts.setdefault(name, threading.Semaphore(self._limits.per_host))


_OPTIONS: Mapping[int, int | str] = {
    pycurl.NOSIGNAL: 1,
    pycurl.NOPROGRESS: 0,
    pycurl.FOLLOWLOCATION: 0,
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.PROXY: "",
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.CONNECTTIMEOUT: CONNECT_TIMEOUT_SECONDS,
    pycurl.BUFFERSIZE: RECEIVE_BYTES,
    pycurl.USERAGENT: f"archiver/{__version__}",
}


def _redirected(url: str, answer: Answer) -> str:
    """Say where a redirect leads; what that address may be is judged before it is asked."""
    location = answer.header("location")
    if location is None:
        raise MediaRejected(
            f"the media host answered {answer.status} without an address", http_status=answer.status
        )
    try:
        return urljoin(url, quote(location.encode("iso-8859-1"), safe=_URL_CHARACTERS))
    except ValueError:
        raise AddressForbidden("the link redirects to what is no valid address") from None


def _explain(code: int, reason: str = "") -> MediaError:
    if code == pycurl.E_URL_MALFORMAT:
        return AddressForbidden("the link is no valid address")
    if code == pycurl.E_ABORTED_BY_CALLBACK:
        return MediaUnavailable("the media host stopped sending")
    return MediaUnavailable(f"the transfer failed: {reason or f'libcurl error {code}'}")


class _Transfer:
    """One file on its way, over as many connections as it takes."""

    def __init__(self, receiver: Receiver, max_bytes: int) -> None:
        self._receiver = receiver
        self._max_bytes = max_bytes
        self._received_bytes = 0
        self._most_bytes = 0
        self._ignored_bytes = 0
        self._body: Answer | None = None
        self._validator: str | None = None
        self.failure: Exception | None = None

    def has_come_on(self) -> bool:
        """Tell whether the file is further than at any earlier call, by a good part."""
        came_bytes = self._received_bytes - self._most_bytes
        self._most_bytes = max(self._most_bytes, self._received_bytes)
        return came_bytes >= PROGRESS_BYTES

    def resume_headers(self) -> Mapping[str, str]:
        """Ask for the rest, on the condition that it is still the same file."""
        self._body, self.failure, self._ignored_bytes = None, None, 0
        if self._received_bytes and self._validator:
            return {"Range": f"bytes={self._received_bytes}-", "If-Range": self._validator}
        return {}

    def receive(self, answer: Answer, chunk: bytes, watch: SpeedWatch) -> int:
        """Pass a part of a body on; returns other than its length to end the transfer."""
        if answer.has_no_file:
            self._ignored_bytes += len(chunk)
            return len(chunk) if self._ignored_bytes <= MAX_IGNORED_BYTES else -1
        try:
            with watch.paused():
                self._begin(answer)
                self._take(chunk)
        except Exception as error:
            self.failure = error
            return -1
        return len(chunk)

    def end(self, answer: Answer) -> Fetched:
        """Judge the whole answer; raises MediaError unless the file came completely."""
        if answer.status == RANGE_NOT_SATISFIABLE:
            self._received_bytes, self._validator = 0, None
        judge(answer)
        self._begin(answer)
        expected = answer.total_bytes
        if expected is not None and expected != self._received_bytes:
            raise MediaUnavailable(
                f"the host announced {expected} bytes and sent {self._received_bytes}"
            )
        return Fetched(etag=answer.header("etag"), size_bytes=self._received_bytes)

    def _begin(self, answer: Answer) -> None:
        if self._body is answer:
            return
        judge(answer)
        if answer.status != 206:
            self._received_bytes, self._validator = 0, answer.validator
            self._receiver.restart()
        elif not answer.continues(self._received_bytes, self._validator):
            self._received_bytes, self._validator = 0, None
            raise MediaUnavailable("the host resumed with another part or another file")
        if answer.total_bytes is not None and answer.total_bytes > self._max_bytes:
            raise MediaRejected(
                f"{answer.total_bytes} bytes is over the limit of {self._max_bytes}"
            )
        self._body = answer

    def _take(self, chunk: bytes) -> None:
        self._received_bytes += len(chunk)
        if self._received_bytes > self._max_bytes:
            raise MediaRejected(f"the body is longer than the limit of {self._max_bytes} bytes")
        self._receiver.write(chunk)
