from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus

import pytest

from archiver.daemon.endpoint import AT_ONCE, SECONDS_A_CONNECTION, Answer, Endpoint, pages
from archiver.errors import AddressInUse
from tests.daemon.manager import free_port, get, until


def _broken() -> Answer:
    raise RuntimeError("secret inside")


ROUTES = {
    "/healthz": lambda: Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"stale\n"),
    "/metrics": lambda: Answer(HTTPStatus.OK, b"a 1\n", "text/plain; version=0.0.4"),
    "/broken": _broken,
}


@pytest.fixture
def port() -> Iterator[int]:
    """Serve the routes at a free port."""
    number = free_port()
    endpoint = Endpoint(f"127.0.0.1:{number}", pages(ROUTES))
    yield number
    endpoint.close()


def ask(port: int, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
    """Send one request; gives status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_each_route_answers_with_its_status_type_and_body(port: int) -> None:
    """What a route says is what is sent, whatever follows a question mark."""
    assert (503, "stale\n") == get(port, "/healthz")
    status, headers, body = ask(port, "GET", "/metrics?x=1")
    assert (200, "text/plain; version=0.0.4", b"a 1\n") == (status, headers["Content-Type"], body)


def test_head_tells_the_length_and_sends_no_body(port: int) -> None:
    """Load balancers ask with HEAD."""
    status, headers, body = ask(port, "HEAD", "/metrics")
    assert (200, "4", b"") == (status, headers["Content-Length"], body)


def test_an_unknown_path_names_the_known_ones(port: int) -> None:
    """Whoever guesses learns what there is."""
    status, body = get(port, "/")
    assert (404, "there is nothing here; see /broken /healthz /metrics\n") == (status, body)


@pytest.mark.parametrize(
    ("method", "status"), [("POST", 405), ("PUT", 405), ("DELETE", 405), ("NONSENSE", 501)]
)
def test_nothing_can_be_written(port: int, method: str, status: int) -> None:
    """Only GET and HEAD are answered."""
    assert status == ask(port, method, "/metrics")[0]


def test_a_bug_in_a_route_is_an_error_without_its_inside(port: int) -> None:
    """The log tells more, the answer does not."""
    status, body = get(port, "/broken")
    assert (500, "internal error; see the log\n") == (status, body)


def test_connections_that_say_nothing_keep_nobody_out_for_ever(port: int) -> None:
    """Beyond its bound it hangs up at once, and answers again when one has gone."""
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(AT_ONCE)]
    until(lambda: get(port, "/metrics")[0] == 0, "a connection too many is hung up on")
    silent.pop().close()

    until(lambda: get(port, "/metrics")[0] == 200, "one that went makes room")
    for one in silent:
        one.close()


def test_connections_that_trickle_keep_nobody_out_for_ever(port: int) -> None:
    """A byte now and then puts no end off: a health check would fail for as long as they like."""
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(AT_ONCE)]

    def is_answered() -> bool:
        for one in slow:
            with suppress(OSError):  # hung up on
                one.send(b"x")
        return get(port, "/metrics")[0] == 200

    until(is_answered, "who asks properly is answered", 3 * SECONDS_A_CONNECTION)
    for one in slow:
        one.close()


def test_many_at_once_are_answered(port: int) -> None:
    """A few probes at the same moment all get their answer."""
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(get(port, "/metrics")[0])) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert [200] * 16 == answers


def test_a_port_in_use_is_told_with_what_to_do(port: int) -> None:
    """The message names the address and the option."""
    with pytest.raises(AddressInUse) as refused:
        Endpoint(f"127.0.0.1:{port}", pages(ROUTES))

    assert (
        f"127.0.0.1:{port} is in use by another program (or another archiver daemon): "
        'set daemon.listen to a free port, or to "" for no health and metrics'
    ) == str(refused.value)


def test_an_address_that_is_not_ours_is_told() -> None:
    """Another machine's address cannot be listened at."""
    with pytest.raises(AddressInUse, match=r"cannot listen at 192\.0\.2\.1:8786: .*daemon\.listen"):
        Endpoint("192.0.2.1:8786", pages(ROUTES))


def test_the_address_is_free_again_after_close() -> None:
    """A reload may go back to it at once."""
    number = free_port()
    for _ in range(3):
        endpoint = Endpoint(f"127.0.0.1:{number}", pages(ROUTES))
        assert 200 == get(number, "/metrics")[0]
        endpoint.close()


def test_ipv6_is_listened_at_where_the_machine_has_it() -> None:
    """Brackets hold an IPv6 address."""
    try:
        endpoint = Endpoint("[::1]:0", pages(ROUTES))
    except AddressInUse as error:
        pytest.skip(f"no IPv6 here: {error}")
    endpoint.close()
