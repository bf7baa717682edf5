"""The one HTTP client for provider APIs (httpx): credentials, pace, retries, checked answers.

Keeps promise 8 for keys: they go to the account's own base URL only, never across a redirect
(none is followed). Media never passes here: see archiver.fetch.
"""

from __future__ import annotations

import random
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from archiver import __version__
from archiver.errors import (
    AnswerInvalid,
    ArchiverError,
    ConfigInvalid,
    GenerationNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from archiver.providers import answers
from archiver.providers.base import Connection, Parameters, validate_base_url
from archiver.providers.forms import Form, open_form
from archiver.providers.making import uncertain
from archiver.providers.pace import Pace
from archiver.redaction import hide_in_text, remember_secret

MAX_ANSWER_BYTES = 64 << 20
ANSWER_TIMEOUT_SECONDS = 120.0
LONGEST_WAIT_SECONDS = 60.0
ATTEMPTS = 4
RETRY_WITHIN_SECONDS = 90.0
"""No attempt begins later: an API that hangs costs a call two read timeouts, not four."""
FIRST_RETRY_SECONDS = 0.5
_TIMEOUT = httpx.Timeout(connect=15.0, read=60.0, write=30.0, pool=60.0)
_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
_PERHAPS_TAKEN = (303, 408)
"""A form may have been taken: "see there what became of it", and a gateway that lost patience."""
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
Answer = TypeVar("Answer")


class HttpApi:
    """The `Api` of one account over one pooled connection.

    `sleep` waits between attempts; it may raise to end the call. `clock_skew_seconds` says how far
    ahead of this machine's clock the host's was at its last answer, if it told the time.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        connection: Connection,
        pace: Pace,
        *,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = ATTEMPTS,
        answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        check_base_url(base_url)
        check_key(api_key)
        remember_secret(api_key)
        self._answer_timeout_seconds = answer_timeout_seconds
        self._pace = pace
        self._sleep = sleep
        self._attempts = attempts
        self.clock_skew_seconds: float | None = None
        self._connection = connection
        headers = {
            "user-agent": f"archiver/{__version__}",
            "accept": "application/json, text/plain;q=0.5",
            **connection.authentication(api_key),
        }
        self._open_client = partial(
            httpx.Client,
            base_url=base_url,
            headers=headers,
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            verify=_trusted(urlsplit(base_url).scheme),
            transport=transport,
        )
        self._client = self._open_client()

    def get_json(self, path: str, parameters: Parameters | None = None) -> object:
        """Fetch a JSON document; an HTML page or other text is AnswerInvalid."""
        return self._get(path, parameters, lambda body: answers.parse_json(body, self._where(path)))

    def get_text(self, path: str, parameters: Parameters | None = None) -> str:
        """Fetch a short text answer."""
        return self._get(path, parameters, lambda body: body.decode("utf-8", "replace").strip())

    def post_form(self, path: str, fields: Mapping[str, str], files: Sequence[Path]) -> object:
        """Send a form once it is taken, and never twice; see `Api`.

        Each attempt has a connection of its own: an old one may turn out to be closed only when
        the form is on its way, and then nobody could tell whether it arrived.
        """
        with ExitStack() as stack:
            form = open_form(fields, files, stack)
            return self._persist(lambda: self._post_once(path, form))

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def _get(
        self, path: str, parameters: Parameters | None, read: Callable[[bytes], Answer]
    ) -> Answer:
        return self._persist(lambda: self._get_once(path, parameters, read))

    def _persist(self, attempt_once: Callable[[], Answer]) -> Answer:
        """Attempt something until it succeeds, or fails in a way that no waiting heals."""
        began_at = time.monotonic()
        for attempt in range(1, self._attempts + 1):
            try:
                return attempt_once()
            except ProviderError as error:
                wait = _wait_before_retry(error, attempt)
                is_late = time.monotonic() + (wait or 0.0) > began_at + RETRY_WITHIN_SECONDS
                if wait is None or is_late or attempt == self._attempts:
                    raise
            self._sleep(wait)
        raise AssertionError("unreachable: the last attempt raises")

    def _get_once(
        self, path: str, parameters: Parameters | None, read: Callable[[bytes], Answer]
    ) -> Answer:
        self._pace.wait()
        status, headers, body = self._fetch(path, parameters)
        if status == 200:
            return read(body)
        raise self._refuse(path, status, headers, body)

    def _fetch(
        self, path: str, parameters: Parameters | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            with self._client.stream("GET", path, params=parameters) as answer:
                return self._receive(path, answer)
        except httpx.TimeoutException:
            raise ProviderUnavailable(f"{self._where(path)} did not answer in time") from None
        except httpx.InvalidURL as error:
            raise AnswerInvalid(f"{path!r} makes no address: {error}") from None
        except httpx.HTTPError as error:
            raise self._unreachable(path, error, "the next run tries again") from None

    def _post_once(self, path: str, form: Form) -> object:
        self._pace.wait()
        where = self._where(path)
        try:
            status, headers, body = self._send(path, form)
        except _NOTHING_SENT as error:
            raise self._unreachable(path, error, "nothing was sent") from None
        except (httpx.HTTPError, OSError, ProviderError) as error:
            raise uncertain(f"{where} did not answer to a form: {_reason(error)}") from None
        if status >= 500 or status in _PERHAPS_TAKEN:
            raise uncertain(f"{where} answered {status}{answers.quote(body)}")
        if not 200 <= status < 300:
            raise _as_refusal(self._refuse(path, status, headers, body))
        try:
            return answers.parse_json(body, where)
        except AnswerInvalid as error:
            raise uncertain(str(error)) from None

    def _send(self, path: str, form: Form) -> tuple[int, Mapping[str, str], bytes]:
        timeout = httpx.Timeout(**_TIMEOUT.as_dict() | {"read": self._answer_timeout_seconds})
        with (
            self._open_client(timeout=timeout) as client,
            client.stream("POST", path, files=form) as answer,
        ):
            return self._receive(path, answer)

    def _receive(self, path: str, answer: httpx.Response) -> tuple[int, Mapping[str, str], bytes]:
        self.clock_skew_seconds = answers.clock_skew_seconds(answer.headers)
        return answer.status_code, answer.headers, self._read_body(path, answer)

    def _unreachable(self, path: str, error: httpx.HTTPError, so: str) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self._where(path)} cannot be reached: {_reason(error)}; {so}")

    def _refuse(
        self, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> ArchiverError:
        where = self._where(path)
        own = self._connection.refusal(status, answers.json_or_none(body))
        if isinstance(own, RateLimited):  # a stated wait says more than a rule
            stated = answers.retry_after_seconds(headers, default=own.retry_after_seconds)
            own.retry_after_seconds = stated
        if isinstance(own, ArchiverError):
            return own
        says = f"{where} answered {status}{answers.quote(body)}"
        if status == 429:
            wait = answers.retry_after_seconds(headers)
            self._pace.pause(wait)
            return RateLimited(says, retry_after_seconds=wait, http_status=status)
        if status >= 500 or status in (408, 425):
            wait = answers.retry_after_seconds(headers, default=None)
            return ProviderUnavailable(says, retry_after_seconds=wait, http_status=status)
        if 300 <= status < 400:
            target = answers.host_of(headers.get("location", ""))
            says = f"{where} redirects to {target}: if the API moved, set base_url"
        return answers.error_for_good(status, says, is_api=answers.is_object(body))

    def _read_body(self, path: str, answer: httpx.Response) -> bytes:
        """Read a body that is bounded in bytes and, against a server that trickles, in time."""
        body, deadline = bytearray(), time.monotonic() + self._answer_timeout_seconds
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                limit = f"{MAX_ANSWER_BYTES >> 20} MiB"
                raise AnswerInvalid(f"{self._where(path)} answers with more than {limit}")
            if time.monotonic() > deadline:
                seconds = f"{self._answer_timeout_seconds:.0f} s"
                raise ProviderUnavailable(f"{self._where(path)} did not end in {seconds}")
        return bytes(body)

    def _where(self, path: str) -> str:
        return f"{self._client.base_url.netloc.decode()}{urlsplit(path).path}"


@cache
def _trusted(scheme: str) -> ssl.SSLContext:
    """The authorities that may vouch for a host, loaded once a process: it takes 40 ms.

    Where no TLS is spoken (on loopback) nobody may.
    """
    if scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context(trust_env=False)


def check_base_url(base_url: str) -> None:
    """Refuse an address over which a key would travel in the clear (promise 8)."""
    try:
        validate_base_url(base_url)
    except ValueError as error:
        raise ConfigInvalid(f"base_url {error}") from None


def check_key(api_key: str) -> None:
    """Refuse a key that no header can carry, without showing it."""
    if not api_key.isascii() or not api_key.isprintable():
        raise ConfigInvalid("the api_key holds characters that no key may have")


def _reason(error: Exception) -> str:
    return _ERRNO.sub("", hide_in_text(str(error))) or type(error).__name__


def _as_refusal(error: ArchiverError) -> ArchiverError:
    """A form that nobody takes is no generation that is gone: the address is wrong."""
    if isinstance(error, GenerationNotFound):
        return AnswerInvalid(
            f"{error}; if the API moved, set base_url", http_status=error.http_status
        )
    return error


def _wait_before_retry(error: ProviderError, attempt: int) -> float | None:
    """Say how long to wait: what the server says, else doubling with jitter. None: no retry."""
    if not error.is_transient:
        return None
    wait = error.retry_after_seconds
    if wait is not None:
        return wait if wait <= LONGEST_WAIT_SECONDS else None
    if isinstance(error, RateLimited):
        return None
    doubled: float = FIRST_RETRY_SECONDS * 2 ** (attempt - 1)
    return doubled * random.uniform(1.0, 2.0)  # noqa: S311  # no secret
