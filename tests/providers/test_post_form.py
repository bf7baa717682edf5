"""A form is taken once: sent again only where it certainly was not taken (raw sockets)."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from archiver.errors import (
    AnswerInvalid,
    MakingUncertain,
    ProviderUnavailable,
    RateLimited,
)
from archiver.providers.base import Connection
from archiver.providers.http import ATTEMPTS, HttpApi
from archiver.providers.pace import Pace

CONNECTION = Connection(
    authentication=lambda key: {"x-api-key": key}, refusal=lambda status, body: None
)
FIELDS = {"prompt": "A fjord"}
UNCERTAIN = "may be being made: `archiver run` finds it; look at the provider before asking again"

Behaviour = Callable[[socket.socket], None]


def answer(status: str, body: bytes = b'{"uuid": "u"}', *headers: str) -> Behaviour:
    """Answer once the whole form has come."""
    head = "\r\n".join((f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""))
    return lambda connection: connection.sendall(head.encode() + body)


def hang(connection: socket.socket) -> None:
    """Say nothing until the client gives up."""
    connection.settimeout(10)
    connection.recv(1)


def reset(connection: socket.socket) -> None:
    """Break the connection off."""
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def reset_early(connection: socket.socket) -> None:
    """Break the connection off while the form is on its way."""
    connection.recv(1000)
    reset(connection)


def close(connection: socket.socket) -> None:
    """End the connection in good order, without a word."""


class Service:
    """A service that takes forms, and behaves in turn as it is told, the last way for ever."""

    def __init__(self, *behaviours: Behaviour, reads: bool = True, port: int = 0) -> None:
        self.taken: list[bytes] = []
        self.connections = 0
        self._behaviours = list(behaviours)
        self._reads = reads
        self._listener = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                several = len(self._behaviours) > 1
                behave = self._behaviours.pop(0) if several else self._behaviours[0]
                with connection, contextlib.suppress(OSError):
                    if self._reads:
                        self.taken.append(_read_request(connection))
                    behave(connection)

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=10)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Open services, and close them."""
    opened: list[Service] = []

    def open_one(*behaviours: Behaviour, reads: bool = True) -> Service:
        opened.append(Service(*behaviours, reads=reads))
        return opened[-1]

    yield open_one
    for service in opened:
        service.close()


def post(
    url: str,
    files: Sequence[Path] = (),
    slept: list[float] | None = None,
    patience_seconds: float = 30.0,
) -> object:
    """Send a form to a service; the waits between attempts are only written down."""
    naps = [] if slept is None else slept
    pace = Pace(0, 0, clock=iter(range(10**6)).__next__, sleep=lambda seconds: None)
    api = HttpApi(
        url,
        "k-secret",
        CONNECTION,
        pace,
        sleep=naps.append,
        answer_timeout_seconds=patience_seconds,
    )
    try:
        return api.post_form("/make", FIELDS, files)
    finally:
        api.close()


def test_a_form_is_sent_once(serve: Callable[..., Service], tmp_path: Path) -> None:
    """Fields and files are the parts of one form, with the key in its header and no path."""
    service = serve(answer("200 OK"))
    (tmp_path / "ref.png").write_bytes(b"\x89PNG")

    assert {"uuid": "u"} == post(service.url, [tmp_path / "ref.png"])

    (taken,) = service.taken
    head, _, body = taken.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /make HTTP/1.1\r\n")
    assert b"x-api-key: k-secret" in head
    assert b"content-type: multipart/form-data; boundary=" in head.lower()
    assert b'name="prompt"\r\n\r\nA fjord\r\n' in body
    assert b'name="files"; filename="ref.png"\r\n' in body
    assert b"\x89PNG" in body
    assert str(tmp_path).encode() not in body


def test_a_form_without_files_is_a_form_in_parts(serve: Callable[..., Service]) -> None:
    """The service documents multipart form data, whatever is in it."""
    service = serve(answer("201 Created"))

    post(service.url)

    assert b"multipart/form-data" in service.taken[0]


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (reset, "did not answer"),
        (close, "did not answer"),
        (lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n"), "did not answer"),
        (
            lambda connection: connection.sendall(
                b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"uuid":'
            ),
            "did not answer",
        ),
        (lambda connection: connection.sendall(b"\x00\x01 no http\r\n\r\n"), "did not answer"),
        (answer("500 Internal Server Error", b"<html>oops</html>"), "answered 500"),
        (answer("502 Bad Gateway"), "answered 502"),
        (answer("503 Service Unavailable", b"", "retry-after: 1"), "answered 503"),
        (answer("504 Gateway Timeout"), "answered 504"),
        (answer("408 Request Timeout"), "answered 408"),
        (answer("303 See Other", b"", "location: /made"), "answered 303"),
        (answer("200 OK", b"<html>"), "with an HTML page where JSON was due"),
        (answer("200 OK", b""), "with something else where JSON was due"),
        (answer("204 No Content", b""), "where JSON was due"),
    ],
    ids=range(14),
)
def test_what_may_have_been_taken_is_uncertain_and_never_sent_again(
    serve: Callable[..., Service], behaviour: Behaviour, says: str
) -> None:
    """One making at most: nobody pays twice for an answer that did not come."""
    service = serve(behaviour, answer("200 OK"))

    with pytest.raises(MakingUncertain) as caught:
        post(service.url)

    assert says in str(caught.value)
    assert str(caught.value).endswith(UNCERTAIN)
    assert ("uncertain", 3, False) == (
        caught.value.label,
        caught.value.exit_code,
        caught.value.is_transient,
    )
    assert 1 == len(service.taken)


def test_an_answer_that_never_comes_is_uncertain(serve: Callable[..., Service]) -> None:
    """The service took the form and says nothing: it may be at work."""
    service = serve(hang, answer("200 OK"))

    with pytest.raises(MakingUncertain, match=f"did not answer to a form: .*{UNCERTAIN}"):
        post(service.url, patience_seconds=0.3)
    assert 1 == len(service.taken)


def test_an_answer_that_trickles_is_uncertain(serve: Callable[..., Service]) -> None:
    """A body that never ends is no answer."""
    stopped = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" ")
            if stopped.wait(0.05):
                return

    service = serve(trickle)

    with pytest.raises(MakingUncertain, match="did not end in"):
        post(service.url, patience_seconds=0.3)
    stopped.set()
    assert 1 == len(service.taken)


def test_a_break_in_the_middle_of_the_form_is_uncertain(
    serve: Callable[..., Service], tmp_path: Path
) -> None:
    """How much arrived nobody knows: it is not sent again."""
    (tmp_path / "large.png").write_bytes(bytes(20_000_000))
    service = serve(reset_early, reads=False)

    with pytest.raises(MakingUncertain, match="did not answer"):
        post(service.url, [tmp_path / "large.png"])
    assert 1 == service.connections


@pytest.fixture
def closed_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_refused_connection_is_tried_again_and_then_told(closed_port: int) -> None:
    """Nothing was sent, so nothing can have been taken."""
    slept: list[float] = []

    with pytest.raises(
        ProviderUnavailable, match=r"cannot be reached: Connection refused; nothing was sent"
    ):
        post(f"http://127.0.0.1:{closed_port}", slept=slept)
    assert ATTEMPTS - 1 == len(slept)


def test_a_service_that_comes_back_makes_it_once(closed_port: int) -> None:
    """The first attempt finds nobody, the second one does."""
    begun: list[Service] = []
    pace = Pace(0, 0, sleep=lambda seconds: None)
    url = f"http://127.0.0.1:{closed_port}"

    def nap(seconds: float) -> None:
        begun.append(Service(answer("200 OK"), port=closed_port))

    api = HttpApi(url, "k-secret", CONNECTION, pace, sleep=nap)
    assert {"uuid": "u"} == api.post_form("/make", FIELDS, [])

    api.close()
    (service,) = begun
    service.close()
    assert 1 == len(service.taken)


def test_a_429_is_sent_again_after_its_wait(serve: Callable[..., Service], tmp_path: Path) -> None:
    """It was refused: the whole form goes out once more, and is made once."""
    (tmp_path / "ref.png").write_bytes(b"\x89PNG" * 50_000)
    service = serve(answer("429 Too Many Requests", b"{}", "retry-after: 3"), answer("200 OK"))
    slept: list[float] = []

    assert {"uuid": "u"} == post(service.url, [tmp_path / "ref.png"], slept)

    assert [3.0] == slept
    bodies = [taken.partition(b"\r\n\r\n")[2] for taken in service.taken]
    assert [b"\x89PNG" * 50_000 in body for body in bodies] == [True, True]


def test_a_429_for_long_is_told(serve: Callable[..., Service]) -> None:
    """Nobody waits an hour for it: nothing was taken."""
    service = serve(answer("429 Too Many Requests", b"{}", "retry-after: 3600"))

    with pytest.raises(RateLimited) as caught:
        post(service.url)
    assert (3600.0, 1) == (caught.value.retry_after_seconds, len(service.taken))


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable", "404 Not Found"])
def test_a_refusal_is_final(serve: Callable[..., Service], status: str) -> None:
    """What the service refuses is not sent again, and is not uncertain."""
    service = serve(answer(status, b'{"detail": "no"}'))

    with pytest.raises(AnswerInvalid, match="no"):
        post(service.url)
    assert 1 == len(service.taken)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_no_redirect_takes_the_form_elsewhere(serve: Callable[..., Service], status: str) -> None:
    """Neither the key nor the form follows one."""
    service = serve(answer(status, b"", "location: http://other.example.com/x"))

    with pytest.raises(AnswerInvalid, match=r"redirects to other\.example\.com"):
        post(service.url)
    assert 1 == len(service.taken)


def test_every_attempt_has_a_connection_of_its_own(serve: Callable[..., Service]) -> None:
    """One that is kept open could be closed by the service while the form is on its way."""
    service = serve(answer("200 OK"))
    pace = Pace(0, 0, sleep=lambda seconds: None)
    api = HttpApi(service.url, "k-secret", CONNECTION, pace)

    for _ in range(3):
        api.post_form("/make", FIELDS, [])
    api.close()

    assert (3, 3) == (service.connections, len(service.taken))
