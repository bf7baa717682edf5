"""The one HTTP client for provider APIs (httpx): credentials, pace, retries, checked answers.

Keeps promise 8 for keys: they go to the account's own base URL only, never across a redirect
(none is followed). Media never passes here: see archiver.fetch.
"""

from __future__ import annotations

import json
import random
import re
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from archiver import __version__
from archiver.errors import (
    AnswerInvalid,
    ArchiverError,
    ConfigInvalid,
    CredentialsRejected,
    GenerationNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from archiver.providers.base import Connection, Parameters, validate_base_url
from archiver.providers.pace import DAY_SECONDS, Pace
from archiver.redaction import hide_in_text, remember_secret

MAX_ANSWER_BYTES = 64 << 20
ANSWER_TIMEOUT_SECONDS = 120.0
LONGEST_WAIT_SECONDS = 60.0
ATTEMPTS = 4
RETRY_WITHIN_SECONDS = 90.0
"""No attempt begins later: an API that hangs costs a call two read timeouts, not four."""
FIRST_RETRY_SECONDS = 0.5
_TIMEOUT = httpx.Timeout(connect=15.0, read=60.0, write=30.0, pool=60.0)
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
        self._client = httpx.Client(
            base_url=base_url,
            headers={
                "user-agent": f"archiver/{__version__}",
                "accept": "application/json, text/plain;q=0.5",
                **connection.authentication(api_key),
            },
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            verify=_trusted(),
            transport=transport,
        )

    def get_json(self, path: str, parameters: Parameters | None = None) -> object:
        """Fetch a JSON document; an HTML page or other text is AnswerInvalid."""
        return self._get(path, parameters, lambda body: _parse_json(body, self._where(path)))

    def get_text(self, path: str, parameters: Parameters | None = None) -> str:
        """Fetch a short text answer."""
        return self._get(path, parameters, lambda body: body.decode("utf-8", "replace").strip())

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def _get(
        self, path: str, parameters: Parameters | None, read: Callable[[bytes], Answer]
    ) -> Answer:
        began_at = time.monotonic()
        for attempt in range(1, self._attempts + 1):
            try:
                return self._get_once(path, parameters, read)
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
                self.clock_skew_seconds = _clock_skew_seconds(answer.headers)
                return answer.status_code, answer.headers, self._read_body(path, answer)
        except httpx.TimeoutException:
            raise ProviderUnavailable(f"{self._where(path)} did not answer in time") from None
        except httpx.InvalidURL as error:
            raise AnswerInvalid(f"{path!r} makes no address: {error}") from None
        except httpx.HTTPError as error:
            reason = _ERRNO.sub("", hide_in_text(str(error))) or type(error).__name__
            raise ProviderUnavailable(
                f"{self._where(path)} cannot be reached: {reason}; the next run tries again"
            ) from None

    def _refuse(
        self, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> ArchiverError:
        where = self._where(path)
        own = self._connection.refusal(status, _json_or_none(body))
        if isinstance(own, ArchiverError):
            return own
        says = f"{where} answered {status}{_quote(body)}"
        if status == 429:
            wait = _retry_after_seconds(headers)
            self._pace.pause(wait)
            return RateLimited(says, retry_after_seconds=wait, http_status=status)
        if status >= 500 or status in (408, 425):
            wait = _retry_after_seconds(headers, default=None)
            return ProviderUnavailable(says, retry_after_seconds=wait, http_status=status)
        if 300 <= status < 400:
            target = _host_of(headers.get("location", ""))
            says = f"{where} redirects to {target}: if the API moved, set base_url"
        return _for_good(status, says, is_api=_is_object(body))

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
def _trusted() -> ssl.SSLContext:
    """The authorities that may vouch for a host, loaded once a process: it takes 40 ms."""
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


def _parse_json(body: bytes, where: str) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        kind = "an HTML page" if _is_html(body) else "something else"
        raise AnswerInvalid(
            f"{where} answered with {kind} where JSON was due{_quote(body)}"
        ) from None


def _for_good(status: int, says: str, *, is_api: bool) -> ProviderError:
    """Make the error of an answer that stays; a web server's own 404 proves nothing gone."""
    if status in (401, 403):
        return CredentialsRejected(f"{says}; check the account's api_key", http_status=status)
    if status in (404, 410) and is_api:
        return GenerationNotFound(says, http_status=status)
    return AnswerInvalid(says, http_status=status)


def _is_object(body: bytes) -> bool:
    """Tell the API's own word, a JSON object, from what some gateway before it says."""
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _is_html(body: bytes) -> bool:
    start = body[:2000].lower()
    return b"<html" in start or b"<!doctype" in start


def _host_of(location: str) -> str:
    try:
        return urlsplit(location).hostname or "another place"
    except ValueError:
        return "another place"


def _json_or_none(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _quote(body: bytes) -> str:
    words = " ".join(hide_in_text(body[:2000].decode("utf-8", "replace")).split())
    shown = "".join(character for character in words if character.isprintable())[:160]
    return f": {shown}" if shown else ""


def _clock_skew_seconds(headers: Mapping[str, str]) -> float | None:
    """Compare the time an answer tells, and the age a cache adds to it, with this machine's."""
    age = headers.get("age", "")
    try:
        told = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return None
    return told + (float(age) if age.isascii() and age.isdecimal() else 0.0) - time.time()


def _retry_after_seconds(headers: Mapping[str, str], default: float | None = 20.0) -> float | None:
    """Read Retry-After, in seconds or as a date; at most a day is believed."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), DAY_SECONDS)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return default
    return min(max(seconds, 0.0), DAY_SECONDS)
