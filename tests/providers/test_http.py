"""The HTTP client against a real server on loopback that misbehaves in every way we know."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from archiver.errors import (
    AnswerInvalid,
    ConfigInvalid,
    CredentialsRejected,
    GenerationNotFound,
    Interrupted,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from archiver.providers import http as client
from archiver.providers.base import Connection
from archiver.providers.http import ATTEMPTS, HttpApi, check_base_url
from archiver.providers.pace import Pace

KEY = "key-that-nobody-may-see"
CONNECTION = Connection(
    authentication=lambda key: {"x-api-key": key}, refusal=lambda status, body: None
)


@dataclass
class Reply:
    """What the server says next."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    write: Callable[[BaseHTTPRequestHandler], object] | None = None


class Server:
    """A server that gives its replies in order, the last one again and again."""

    def __init__(self) -> None:
        self.replies = [Reply()]
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                reply = owner.replies.pop(0) if len(owner.replies) > 1 else owner.replies[0]
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.write is None:
                    self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the client has heard enough
                    (reply.write or (lambda handler: handler.wfile.write(reply.body)))(self)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on loopback."""
    found = Server()
    yield found
    found.close()


@pytest.fixture
def open_api(server: Server) -> Iterator[Callable[..., HttpApi]]:
    """Open clients of the server, and close them."""
    opened: list[HttpApi] = []

    def open_one(connection: Connection = CONNECTION, **options: Any) -> HttpApi:
        pace = Pace(0, 0, sleep=lambda seconds: None, clock=iter(range(10**6)).__next__)
        options.setdefault("sleep", lambda seconds: None)
        opened.append(HttpApi(server.url, KEY, connection, pace, **options))
        return opened[-1]

    yield open_one
    for api in opened:
        api.close()


def test_a_json_answer_is_parsed(server: Server, open_api: Callable[[], HttpApi]) -> None:
    """Path, parameters and key arrive; the document comes back."""
    server.replies = [Reply(body=b'{"a": [1]}')]

    assert open_api().get_json("/v1/list", {"page": 2, "filter": "a b"}) == {"a": [1]}
    ((path, headers),) = server.asked
    assert path in ("/v1/list?page=2&filter=a+b", "/v1/list?page=2&filter=a%20b")
    assert headers["x-api-key"] == KEY
    assert headers["user-agent"].startswith("archiver/")


def test_a_text_answer_is_stripped(server: Server, open_api: Callable[[], HttpApi]) -> None:
    """A bare address comes without the line's end."""
    server.replies = [Reply(body=b" https://h/x \r\n")]

    assert open_api().get_text("/download") == "https://h/x"


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><html></html>", b"", b"{", b"\xff\xfe", b"[" * 9999]
)
def test_what_is_no_json_is_invalid(
    server: Server, open_api: Callable[[], HttpApi], body: bytes
) -> None:
    """A page or a torn document is never read as an empty history."""
    server.replies = [Reply(body=body)]

    with pytest.raises(
        AnswerInvalid, match=r"127\.0\.0\.1:\d+/v1/list answered .* where JSON was due"
    ):
        open_api().get_json("/v1/list")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, AnswerInvalid),
        (401, CredentialsRejected),
        (402, AnswerInvalid),
        (403, CredentialsRejected),
        (404, GenerationNotFound),
        (410, GenerationNotFound),
        (418, AnswerInvalid),
    ],
)
def test_a_refusal_is_told_at_once(
    server: Server, open_api: Callable[[], HttpApi], status: int, error: type[ProviderError]
) -> None:
    """What no retry can help is raised after one request, with its status."""
    server.replies = [Reply(status=status, body=b'{"detail": "because"}')]

    with pytest.raises(error, match="because") as caught:
        open_api().get_json("/v1/list")

    assert (1, status) == (len(server.asked), caught.value.http_status)


def test_an_html_404_is_no_word_about_a_generation(
    server: Server, open_api: Callable[[], HttpApi]
) -> None:
    """A web server's page proves nothing gone."""
    server.replies = [Reply(status=404, body=b"<html>Not Found</html>")]

    with pytest.raises(AnswerInvalid) as caught:
        open_api().get_json("/v1/item")

    assert caught.value.http_status == 404


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 529])
def test_an_outage_is_tried_again(
    server: Server, open_api: Callable[[], HttpApi], status: int
) -> None:
    """A server error that passes is not seen by the caller."""
    server.replies = [Reply(status=status), Reply(status=status), Reply(body=b"[1]")]

    assert open_api().get_json("/v1/list") == [1]
    assert len(server.asked) == 3


def test_an_outage_that_stays_is_told(server: Server, open_api: Callable[[], HttpApi]) -> None:
    """After the last attempt the error says what the server said."""
    server.replies = [Reply(status=503, body=b"<html>busy</html>")]

    with pytest.raises(ProviderUnavailable, match="503"):
        open_api().get_json("/v1/list")
    assert len(server.asked) == ATTEMPTS


def test_a_client_that_asks_once_does_not_try_again(
    server: Server, open_api: Callable[..., HttpApi]
) -> None:
    """`doctor` tells what is now."""
    server.replies = [Reply(503), Reply()]

    with pytest.raises(ProviderUnavailable):
        open_api(attempts=1).get_json("/things")

    assert 1 == len(server.asked)


@pytest.mark.parametrize(("age", "ahead_seconds"), [(None, 0), ("360", 360), ("old", 0)])
def test_the_host_s_clock_is_compared_with_ours(
    server: Server, open_api: Callable[..., HttpApi], age: str | None, ahead_seconds: int
) -> None:
    """Its Date, and what a cache adds to it, say how far ahead it is; before, nothing is known."""
    server.replies = [Reply(headers={} if age is None else {"age": age})]
    api = open_api()
    before = api.clock_skew_seconds

    api.get_json("/things")

    assert before is None
    assert api.clock_skew_seconds is not None
    assert abs(api.clock_skew_seconds - ahead_seconds) < 30


def test_waits_between_attempts_double(server: Server, open_api: Callable[..., HttpApi]) -> None:
    """Each wait is at least twice the shortest one before it, with jitter on top."""
    server.replies = [Reply(status=503)]
    slept: list[float] = []

    with pytest.raises(ProviderUnavailable):
        open_api(sleep=slept.append).get_json("/v1/list")

    shortest = [0.5, 1.0, 2.0]
    assert len(shortest) == len(slept)
    assert all(low <= one <= 2 * low for low, one in zip(shortest, slept, strict=True))


def test_a_wait_between_attempts_ends_at_once_when_it_is_stopped(
    server: Server, open_api: Callable[..., HttpApi]
) -> None:
    """What the wait raises ends the call: nothing is asked any more."""

    def stop(seconds: float) -> None:
        raise Interrupted("stopped")

    server.replies = [Reply(status=503)]

    with pytest.raises(Interrupted):
        open_api(sleep=stop).get_json("/v1/list")

    assert 1 == len(server.asked)


def test_a_call_begins_no_attempt_after_its_time(
    server: Server, open_api: Callable[..., HttpApi]
) -> None:
    """A wait that would end beyond the bound of a call is not waited for."""
    server.replies = [Reply(status=503, headers={"retry-after": "60"})]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        monkey.setattr(client, "RETRY_WITHIN_SECONDS", client.RETRY_WITHIN_SECONDS - seconds)

    with pytest.MonkeyPatch.context() as monkey, pytest.raises(ProviderUnavailable):
        open_api(sleep=sleep).get_json("/v1/list")

    assert [60.0] == slept


def test_retry_after_is_honoured(server: Server, open_api: Callable[[], HttpApi]) -> None:
    """A 429 with a short wait is tried again."""
    server.replies = [Reply(status=429, headers={"retry-after": "1"}), Reply(body=b"[1]")]

    assert open_api().get_json("/v1/list") == [1]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3000", 3000.0),
        ("999999999999", 86400.0),
        (formatdate(time.time() + 10**7, usegmt=True), 86400.0),
    ],
    ids=["seconds", "too many seconds", "date"],  # the date differs between test processes
)
def test_a_long_retry_after_is_told(
    server: Server, open_api: Callable[[], HttpApi], value: str, seconds: float
) -> None:
    """A wait that would hang the run is raised with its length, a day at most."""
    server.replies = [Reply(status=429, headers={"retry-after": value})]

    with pytest.raises(RateLimited) as caught:
        open_api().get_json("/v1/list")

    assert (1, seconds) == (len(server.asked), caught.value.retry_after_seconds)


@pytest.mark.parametrize("value", ["", "soon", "-5", "²", "1.5"])
def test_a_senseless_retry_after_is_twenty_seconds(
    server: Server, open_api: Callable[[], HttpApi], value: str
) -> None:
    """A 429 that does not say when is given a fair pause."""
    server.replies = [Reply(status=429, headers={"retry-after": value.encode().decode("latin-1")})]

    with pytest.raises(RateLimited) as caught:
        open_api().get_json("/v1/list")

    assert caught.value.retry_after_seconds == 20.0


def test_a_429_holds_the_whole_account_back(server: Server) -> None:
    """The pause is the account's, not the request's."""
    server.replies = [Reply(status=429, headers={"retry-after": "30"}), Reply()]
    slept: list[float] = []
    pace = Pace(0, 0, clock=lambda: 1000.0 + sum(slept), sleep=slept.append)
    api = HttpApi(server.url, KEY, CONNECTION, pace, sleep=lambda seconds: None)

    api.get_json("/v1/list")
    api.close()

    assert slept == [30.0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    server: Server, open_api: Callable[[], HttpApi], status: int
) -> None:
    """The key never travels on: a redirect is an error that names where it led."""
    other = Server()
    try:
        server.replies = [Reply(status=status, headers={"location": f"{other.url}/x?token=abc"})]

        with pytest.raises(AnswerInvalid, match=r"redirects to 127\.0\.0\.1") as caught:
            open_api().get_json("/v1/list")
    finally:
        other.close()

    assert other.asked == []
    assert "token" not in str(caught.value)


@pytest.mark.parametrize("location", ["", "http://[::1", "//h", "/elsewhere"])
def test_any_redirect_is_an_error_of_the_provider(
    server: Server, open_api: Callable[[], HttpApi], location: str
) -> None:
    """Also one that leads nowhere."""
    server.replies = [Reply(status=302, headers={"location": location})]

    with pytest.raises(ProviderError, match=r"redirects to|location header"):
        open_api().get_json("/v1/list")


def test_an_oversized_answer_is_left(
    server: Server, open_api: Callable[[], HttpApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with what a server sends."""
    server.replies = [Reply(body=b" " * (3 << 20))]
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 1 << 20)

    with pytest.raises(AnswerInvalid, match="more than 1 MiB"):
        open_api().get_json("/v1/list")


def test_a_trickle_is_bounded(server: Server, open_api: Callable[..., HttpApi]) -> None:
    """A server that sends a byte now and then does not hold a run for ever."""

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        for _ in range(200):
            handler.wfile.write(b" ")
            time.sleep(0.01)

    server.replies = [Reply(write=trickle)]

    with pytest.raises(ProviderUnavailable, match="did not end"):
        open_api(answer_timeout_seconds=0.1).get_json("/v1/list")


def test_a_torn_body_is_tried_again(server: Server, open_api: Callable[[], HttpApi]) -> None:
    """A connection that breaks in the middle is an outage, not half a document."""
    torn = Reply(headers={"content-length": "50"}, write=lambda handler: handler.wfile.write(b"[1"))
    server.replies = [torn, Reply(body=b"[1]")]

    assert open_api().get_json("/v1/list") == [1]


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """A refused connection says which host, and can be tried later."""
    api = HttpApi("http://127.0.0.1:9", KEY, CONNECTION, Pace(0, 0), sleep=lambda seconds: None)

    with pytest.raises(ProviderUnavailable, match=r"127\.0\.0\.1:\d+/v1/list cannot be reached"):
        api.get_json("/v1/list")
    api.close()


def test_a_providers_own_word_comes_first(
    server: Server, open_api: Callable[[Connection], HttpApi]
) -> None:
    """Where a service departs from HTTP's meanings, its refusal decides."""
    own = Connection(
        authentication=CONNECTION.authentication,
        refusal=lambda status, body: CredentialsRejected(f"{status} {body}"),
    )
    server.replies = [Reply(status=404, body=b'{"code": "NO_KEY"}')]

    with pytest.raises(CredentialsRejected, match="NO_KEY"):
        open_api(own).get_json("/v1/list")


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500])
def test_the_key_is_in_no_message(
    server: Server, open_api: Callable[[], HttpApi], status: int
) -> None:
    """A server that echoes what it was sent cannot put the key into a log."""
    body = f"<html>you sent {KEY} and https://h/x?X-Amz-Signature=5ec7e7".encode()
    server.replies = [Reply(status=status, body=body, headers={"retry-after": "100"})]

    with pytest.raises(ProviderError) as caught:
        open_api().get_json("/v1/list", {"cursor": "c"})

    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    shown = " ".join(f"{error} {error!r}" for error in chain if error)
    assert KEY not in shown
    assert "5ec7e7" not in shown


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "ftp://api.example.com",
        "https://",
        "https://user:password@api.example.com",
        "api.example.com",
        "",
        "https://[::1",
        "https://h:99999999",
    ],
)
def test_a_key_never_travels_in_the_clear(base_url: str) -> None:
    """Only https, or http to this machine, and no user in the address."""
    with pytest.raises(ConfigInvalid) as caught:
        check_base_url(base_url)

    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    ["https://api.example.com", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"],
)
def test_https_and_loopback_are_allowed(base_url: str) -> None:
    """The real hosts, a gateway of one's own, and the simulator."""
    check_base_url(base_url)


@pytest.mark.parametrize("key", ["k\u00e4y-secret", "key\r\nx: y", "key\x00"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    """The error is about the config and does not show the key."""
    with pytest.raises(ConfigInvalid) as caught:
        HttpApi("http://127.0.0.1:9", key, CONNECTION, Pace(0, 0))

    assert key not in str(caught.value)


def test_the_environments_proxy_is_not_used(
    server: Server, open_api: Callable[[], HttpApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key goes to the provider's own host, whatever the environment says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert open_api().get_json("/v1/list") == {}


def test_another_transport_can_be_put_in() -> None:
    """A caller may give its own transport, as httpx has it."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=[1]))
    api = HttpApi("https://api.example.com", KEY, CONNECTION, Pace(0, 0), transport=transport)

    assert api.get_json("/v1/list") == [1]
    api.close()
