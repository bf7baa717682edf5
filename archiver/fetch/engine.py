"""Moves one file from a media host to a receiver, over libcurl (pycurl).

Blocking and thread-safe, also for many fibers of one thread (`loop`): a slow destination slows
its own download down and next to nothing is buffered. Redirects are followed by
hand, since keys and addresses are judged at every hop; a body that breaks off is resumed when
the host can prove that it is still the same file. libcurl never decompresses here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin

import certifi
import pycurl

from archiver import __version__
from archiver.errors import (
    AddressForbidden,
    Interrupted,
    LinkRefused,
    MediaError,
    MediaRejected,
    MediaUnavailable,
)
from archiver.fetch.answer import REDIRECTS, Answer, HeaderReader
from archiver.fetch.breaker import Breakers
from archiver.fetch.guard import check_link, is_public
from archiver.fetch.loop import perform
from archiver.fetch.sockets import SocketOpener
from archiver.fetch.transfer import Fetched, Receiver, Transfer
from archiver.fetch.watch import MIN_BYTES_PER_SECOND, SpeedWatch
from archiver.fibers import Turns, aside
from archiver.model import Link

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 30.0
MAX_REDIRECTS = 8
CONNECT_TIMEOUT_SECONDS = 20
RECEIVE_BYTES = 128 << 10
_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Headers that carry an account's key, and the only origin they may be sent to."""

    origin: str
    headers: Mapping[str, str]

    def headers_for(self, url: str) -> Mapping[str, str]:
        """Return the headers when the address is on the origin, else none."""
        is_same = _origin(check_link(self.origin)) == _origin(check_link(url))
        return self.headers if is_same else {}


def _host_of(parts: SplitResult) -> str:
    """Name a host with its port, however the link spells it."""
    _, name, port = _origin(parts)
    return f"{(name or '').rstrip('.')}:{port}"


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80}.get(parts.scheme, 443)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a transfer may cost. Zero bytes a second means no limit."""

    max_file_bytes: int = 20 * 1000**3
    bytes_per_second: int = 0
    concurrency: int = 16
    per_host: int = 8
    allow_private_hosts: bool = False


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
        self._turns = Turns(limits.concurrency)
        self._hosts: dict[str, Turns] = {}
        self._breakers = Breakers()
        self._requests = 0
        self._counted_requests = 0

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._requests

    def count_requests(self) -> int:
        """Say how many requests were made since this was last asked, by whatever thread."""
        with self._lock:
            counted, self._counted_requests = self._counted_requests, self._requests
            return self._counted_requests - counted

    def fetch(
        self, link: Link, receiver: Receiver, credentials: Credentials | None = None
    ) -> Fetched:
        """Bring one file to the receiver, whole as far as HTTP can tell; raises MediaError."""
        transfer = Transfer(receiver, self._limits.max_file_bytes)
        used = credentials if link.with_credentials else None
        url = quote(link.url.strip(), safe=_URL_CHARACTERS, errors="replace")
        attempt = 1
        while True:
            route: list[str] = []
            try:
                return self._follow(url, transfer, used, route)
            except MediaUnavailable as error:
                attempt = 1 if transfer.has_come_on() else attempt
                wait = error.retry_after_seconds or FIRST_WAIT_SECONDS * 4 ** (attempt - 1)
                is_over = not route or attempt == ATTEMPTS or wait > LONGEST_WAIT_SECONDS
                if self._stopping.is_set() or (not is_over and aside(self._stopping.wait, wait)):
                    raise Interrupted("the transfer was stopped") from None
                if is_over:
                    self._blame(route)
                    raise
            attempt += 1

    def _blame(self, route: list[str]) -> None:
        """Count a failure against the last host of a way; an empty one was not asked at all."""
        for host in route[-1:]:
            self._breakers.failed(host)

    def _follow(
        self, url: str, transfer: Transfer, credentials: Credentials | None, route: list[str]
    ) -> Fetched:
        """Ask for a file where the link leads; `route` gets the hosts that were asked."""
        for _ in range(MAX_REDIRECTS + 1):
            parts = check_link(url)
            host = _host_of(parts)
            if resting := self._breakers.refusal(host):
                route.clear()
                raise resting
            route.append(host)
            headers = dict(credentials.headers_for(url)) if credentials else {}
            credentials = credentials if headers else None  # a way that left us never comes back
            with self._turn_at(parts.hostname or ""), self._turns:
                answer = self._request(url, transfer, headers)
            if answer.status not in REDIRECTS:
                return self._end(transfer, answer, route)
            url = _redirected(url, answer)
        raise AddressForbidden(f"the link redirects more than {MAX_REDIRECTS} times")

    def _end(self, transfer: Transfer, answer: Answer, route: list[str]) -> Fetched:
        """Judge the last answer; a host that refuses or sends no file is well, all the same."""
        try:
            fetched = transfer.end(answer)
        except (LinkRefused, MediaRejected):
            self._breakers.worked(route)
            raise
        self._breakers.worked(route)
        return fetched

    def _request(self, url: str, transfer: Transfer, headers: dict[str, str]) -> Answer:
        with self._lock:
            self._requests += 1
        reader = HeaderReader()
        opener = SocketOpener(self._is_address_allowed)
        watch = SpeedWatch(self._stopping, min_bytes_per_second=self._slowest)
        headers.update(transfer.resume_headers())

        def receive(chunk: bytes) -> int:
            return transfer.receive(reader.answer, chunk, watch)

        with self._a_handle() as handle:
            handle.setopt(pycurl.URL, url)
            handle.setopt(pycurl.HTTPHEADER, _lines_of(headers))
            handle.setopt(pycurl.HEADERFUNCTION, reader.feed)
            handle.setopt(pycurl.OPENSOCKETFUNCTION, opener)
            try:
                perform(handle, receive, watch, self._limits.bytes_per_second)
            except pycurl.error as error:
                if not reader.answer.has_no_file:
                    raise transfer.failure or opener.failure or _explain(*error.args) from None
            finally:
                opener.release()
        return reader.answer

    @contextmanager
    def _a_handle(self) -> Iterator[pycurl.Curl]:
        """Lend a handle of this thread, without anything of its last request but connections."""
        mine: list[pycurl.Curl] | None = getattr(self._local, "handles", None)
        if mine is None:
            mine = self._local.handles = []
        handle = mine.pop() if mine else pycurl.Curl()
        handle.reset()
        for option, value in _OPTIONS.items():
            handle.setopt(option, value)
        handle.setopt(pycurl.CAINFO, os.environ.get("SSL_CERT_FILE") or certifi.where())
        try:
            yield handle
        finally:
            mine.append(handle)

    def _is_address_allowed(self, address: str) -> bool:
        return self._limits.allow_private_hosts or self._is_allowed(address)

    @property
    def _slowest(self) -> int:
        """A host is not blamed for a speed that is our own limit."""
        ours = self._limits.bytes_per_second
        return min(MIN_BYTES_PER_SECOND, ours // 2) if ours else MIN_BYTES_PER_SECOND

    def _turn_at(self, host: str) -> Turns:
        with self._lock:
            return self._hosts.setdefault(host, Turns(self._limits.per_host))


_OPTIONS: Mapping[int, int | str] = {
    pycurl.NOSIGNAL: 1,
    pycurl.FOLLOWLOCATION: 0,
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.PROXY: "",
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.CONNECTTIMEOUT: CONNECT_TIMEOUT_SECONDS,
    pycurl.BUFFERSIZE: RECEIVE_BYTES,
    pycurl.USERAGENT: f"archiver/{__version__}",
}


def _lines_of(headers: Mapping[str, str]) -> list[bytes]:
    """Write headers as they came: an ETag may hold bytes beyond ASCII (RFC 9110, 8.8.3)."""
    return [f"{name}: {value}".encode("iso-8859-1") for name, value in headers.items()]


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
