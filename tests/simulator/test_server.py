"""The simulator as a whole: hosts, keys, the log of requests, and its command."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from archiver.simulator import PROVIDERS, Recipe, Simulator
from archiver.simulator.__main__ import main
from tests.simulator.receiver import Received, Receiver
from tests.simulator.visitor import MovingClock, Visitor


def test_every_host_has_its_own_port(simulator: Simulator) -> None:
    """Five hosts listen at five addresses, and every provider has a key of its own."""
    assert len({simulator.base_url(name) for name in (*PROVIDERS, "media")}) == 5
    assert len({simulator.api_key(name) for name in PROVIDERS}) == 4


def test_requests_are_logged_without_their_query(simulator: Simulator, visitor: Visitor) -> None:
    """The log says host, method, path, status and whose credentials came."""
    visitor.ask("sync", "/v2/generations", limit=5)
    visitor.fetch(simulator.base_url("oxen") + "/api/ai/generations?page=2")
    first, second = simulator.requests
    assert (first.host, first.method, first.path, first.status) == (
        "sync", "GET", "/v2/generations", 200
    )  # fmt: skip
    assert first.credentials == ("sync",)
    assert (second.status, second.credentials) == (401, ())
    assert simulator.requests.count() == len(simulator.requests) == 2
    assert simulator.requests.count(host="oxen", status=401) == 1
    assert simulator.requests.count_path("/v2/generations") == 1
    assert simulator.requests.leaks() == []


@pytest.mark.parametrize("where", ["authorization", "x-api-key", "cookie", "query"])
def test_a_key_at_the_media_host_is_a_leak(
    simulator: Simulator, visitor: Visitor, where: str
) -> None:
    """A key that reaches the media host is found wherever it stands in the request."""
    url, key = simulator.base_url("media") + "/x", simulator.api_key("oxen")
    if where == "query":
        visitor.fetch(f"{url}?key={key}")
    else:
        visitor.fetch(url, {where: f"Bearer {key}"})
    assert [record.credentials for record in simulator.requests.leaks()] == [("oxen",)]


def test_a_key_at_another_provider_is_a_leak(simulator: Simulator, visitor: Visitor) -> None:
    """A provider's key may reach that provider only; an unknown key is no leak at an API."""
    visitor.fetch(simulator.base_url("sync"), {"x-api-key": simulator.api_key("geminigen")})
    visitor.fetch(simulator.base_url("sync"), {"x-api-key": "wrong"})
    visitor.fetch(simulator.base_url("media"), {"x-api-key": "wrong"})
    assert [record.host for record in simulator.requests.leaks()] == ["sync", "media"]


def test_the_log_is_bounded_and_counts_on(clock: MovingClock) -> None:
    """Only the newest records are kept, and the counts stay exact."""
    with Simulator(clock=clock, log_limit=3) as simulator:
        visitor = Visitor(simulator)
        for page in range(5):
            visitor.ask("geminigen", f"/{page}")
        assert [record.path for record in simulator.requests] == ["/2", "/3", "/4"]
        assert simulator.requests.count("geminigen", "GET", 404) == 5
        simulator.requests.clear()
        assert simulator.requests.count() == 0
        visitor.close()


def test_a_key_can_be_replaced(simulator: Simulator, visitor: Visitor) -> None:
    """After a key was replaced, the old one is refused and the new one works."""
    old = simulator.api_key("neuralbox")
    new = simulator.replace_key("neuralbox")
    url = simulator.base_url("neuralbox") + "/api/v2/user/balance"
    assert visitor.fetch(url, visitor.credentials("neuralbox", old)).status_code == 401
    assert visitor.fetch(url, visitor.credentials("neuralbox", new)).status_code == 200


def test_one_connection_serves_many_requests(simulator: Simulator) -> None:
    """Connections are kept alive, also when requests come before their turn."""
    parts = urlsplit(simulator.base_url("media"))
    with socket.create_connection(
        (parts.hostname or "", parts.port or 0), timeout=10
    ) as connection:
        connection.sendall(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n")
        received = b""
        while part := connection.recv(65_536):
            received += part
    assert received.count(b"HTTP/1.1 404 Not Found") == 2
    assert [record.path for record in simulator.requests] == ["/a", "/b"]


def test_no_http_is_answered_with_400(simulator: Simulator) -> None:
    """What is no HTTP request is refused, and the connection closed."""
    parts = urlsplit(simulator.base_url("oxen"))
    with socket.create_connection(
        (parts.hostname or "", parts.port or 0), timeout=10
    ) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        received = b""
        while part := connection.recv(65_536):
            received += part
    assert received.startswith(b"HTTP/1.1 400")


def test_many_clients_at_once(simulator: Simulator) -> None:
    """Eight clients at once get what one would, and every request is counted."""
    simulator.world.populate("geminigen", 400, Recipe().plain(size_bytes=10_000))
    links = [simulator.media_url(item.files[0]) for item in simulator.world.items("geminigen")]

    def fetch_all(part: list[str]) -> bool:
        with httpx.Client(trust_env=False) as client:
            return all(client.get(u).content == simulator.expected(u).read() for u in part)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(fetch_all, [links[start::8] for start in range(8)]))
    assert simulator.requests.count("media", "GET", 200) == 400


def test_a_stop_leaves_nothing_running(clock: MovingClock) -> None:
    """Stopping closes listeners and connections, ends the threads, and may be done twice."""
    before = threading.active_count()
    simulator = Simulator(clock=clock).start()
    visitor = Visitor(simulator)
    assert visitor.ask("sync", "/v2/errors").status_code == 200
    simulator.stop()
    simulator.stop()
    visitor.close()
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(5)
    assert threading.active_count() == before


def test_the_command_serves_until_interrupted() -> None:
    """`python -m archiver.simulator --json` prints where it serves, and ends well on SIGINT."""
    command = [sys.executable, "-m", "archiver.simulator", "--json", "--count", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        document = json.loads(process.stdout.readline())
        sync = document["providers"]["sync"]
        with httpx.Client(trust_env=False, headers={"x-api-key": sync["api_key"]}) as client:
            count = client.get(f"{sync['base_url']}/v2/generations/count").json()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert count == {"count": 3}


def test_the_command_sends_webhooks() -> None:
    """With `--webhook` it tells what proves a webhook, and sends one when an image is there."""
    with Receiver() as receiver:
        command = [sys.executable, "-m", "archiver.simulator", "--json", "--count", "3"]
        command += ["--making-seconds", "0.1", "--webhook", f"geminigen={receiver.url}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            document = json.loads(process.stdout.readline())
            geminigen = document["providers"]["geminigen"]
            wish = {"prompt": (None, "p"), "model": (None, "imagen-4")}
            with httpx.Client(trust_env=False) as client:
                url = f"{geminigen['base_url']}/uapi/v1/generate_image"
                headers = {"x-api-key": geminigen["api_key"]}
                row = client.post(url, files=wish, headers=headers).json()
            wait_for(receiver.received)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        assert receiver.received[0].document["data"]["uuid"] == row["uuid"]
    assert list(document["webhooks"]) == ["geminigen"]
    assert document["webhooks"]["geminigen"]["public_key"].startswith("-----BEGIN PUBLIC KEY")


def wait_for(received: list[Received]) -> None:
    """Wait until something came; 20 s at most."""
    for _ in range(400):
        if received:
            return
        time.sleep(0.05)


@pytest.mark.parametrize("value", ["sync", "nobody=http://127.0.0.1/", "sync=https://x/"])
def test_the_command_refuses_other_addresses(value: str) -> None:
    """`--webhook` takes a provider and an http address."""
    with pytest.raises(SystemExit, match="2"):
        main(["--webhook", value])


def test_a_stop_ends_webhooks(clock: MovingClock) -> None:
    """Stopping ends the threads that send, also while one waits to send again."""
    before = threading.active_count()
    with Simulator(clock=clock) as simulator:
        simulator.webhooks.retry_after_seconds = 600
        simulator.webhooks.register("sync", "http://127.0.0.1:9/hooks/lips")
        simulator.world.add("sync")
        with pytest.raises(TimeoutError, match="still being sent"):
            simulator.webhooks.settle(0.1)
    assert threading.active_count() == before
