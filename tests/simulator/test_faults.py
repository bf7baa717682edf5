"""Each scripted fault reaches the client as it was meant, and counts itself."""

from __future__ import annotations

import httpx
import pytest

from archiver.simulator import Simulator, faults
from tests.simulator.visitor import Visitor, raw_exchange

SIZE = 300_000


def unchunk(data: bytes) -> bytes:
    """Join chunks that lack their last, empty one."""
    whole = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        assert int(size, 16) > 0
        whole, data = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole


@pytest.fixture
def link(simulator: Simulator) -> str:
    """Return a link to an image of 300,000 bytes."""
    item = simulator.world.add("geminigen", kind="image", size_bytes=SIZE)
    return simulator.media_url(item.files[0])


def test_statuses_and_bodies(simulator: Simulator, visitor: Visitor, link: str) -> None:
    """Faults that replace the answer come in the order in which they were scripted."""
    add = simulator.faults.add
    add(faults.status(503, b"later", Retry_After="7"))
    add(faults.rate_limited("3"))
    add(faults.page_instead())
    add(faults.json_instead())
    answers = [visitor.fetch(link) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [503, 429, 200, 200, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert answers[1].headers["retry-after"] == "3"
    assert answers[2].headers["content-type"] == "text/html"
    assert answers[3].headers["content-type"] == "image/png"
    assert answers[3].content.startswith(b"{")
    assert answers[4].content == simulator.expected(link).read()
    assert simulator.faults.unexercised() == []


def test_a_fault_is_only_for_what_it_matches(
    simulator: Simulator, visitor: Visitor, link: str
) -> None:
    """Host, method and path patterns choose the requests; `skip` lets the first ones pass."""
    add = simulator.faults.add
    api = add(faults.status(500), host="geminigen", path="/uapi/*", times=None)
    head = add(faults.status(501), host="media", method="HEAD")
    second = add(faults.status(502), host="media", method="GET", skip=1)
    assert visitor.ask("geminigen", "/uapi/v1/account").status_code == 500
    assert visitor.ask("geminigen", "/uapi/v1/histories").status_code == 500
    assert [visitor.fetch(link).status_code for _ in range(3)] == [200, 502, 200]
    assert visitor.ask("oxen", "/api/ai/generations").status_code == 200
    assert (api.fired, head.fired, second.fired) == (2, 0, 1)
    assert simulator.faults.unexercised() == [head]
    simulator.faults.clear()
    assert visitor.ask("geminigen", "/uapi/v1/account").status_code == 200


@pytest.mark.parametrize(
    ("framing", "header"),
    [
        ("length", b"Content-Length: 300000"),
        ("close", b""),
        ("chunked", b"Transfer-Encoding: chunked"),
    ],
)
def test_a_cut_body(simulator: Simulator, link: str, framing: str, header: bytes) -> None:
    """A body is cut at the byte, whatever marks its end."""
    simulator.faults.add(faults.cut(1000, framing=framing))  # type: ignore[arg-type]
    head, body, was_reset = raw_exchange(link)
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert header in head
    assert (b"Content-Length" in head) == (framing == "length")
    assert not was_reset
    received = unchunk(body) if framing == "chunked" else body
    assert received == simulator.expected(link).read()[:1000]


@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_a_whole_body_without_length(
    simulator: Simulator, visitor: Visitor, link: str, framing: str
) -> None:
    """A whole body may come without Content-Length."""
    simulator.faults.add(faults.unframed(framing))  # type: ignore[arg-type]
    answer = visitor.fetch(link)
    assert "content-length" not in answer.headers
    assert answer.content == simulator.expected(link).read()


@pytest.mark.parametrize("after_bytes", [None, 1000])
def test_a_reset(simulator: Simulator, link: str, after_bytes: int | None) -> None:
    """A connection is reset before any answer, or in the middle of a body."""
    simulator.faults.add(faults.reset(after_bytes))
    head, _, was_reset = raw_exchange(link)
    assert was_reset
    assert (after_bytes is None) <= (head == b"")
    assert [record.status for record in simulator.requests] == [0 if after_bytes is None else 200]


def test_wrong_lengths(simulator: Simulator, link: str) -> None:
    """Content-Length states more or less than the body has."""
    for error in (10, -10):
        simulator.faults.add(faults.wrong_length(error))
        head, body, _ = raw_exchange(link)
        assert f"Content-Length: {SIZE + error}".encode() in head
        assert len(body) == SIZE


def test_an_empty_body(simulator: Simulator, visitor: Visitor, link: str) -> None:
    """A success without any byte still has its media type."""
    simulator.faults.add(faults.empty())
    answer = visitor.fetch(link)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("image/")


def test_an_endless_body(simulator: Simulator, link: str) -> None:
    """An endless body sends more than any file has, until the client goes."""
    simulator.faults.add(faults.endless())
    received = 0
    with httpx.Client(trust_env=False) as client, client.stream("GET", link) as answer:
        for part in answer.iter_raw():
            received += len(part)
            if received > 20_000_000:
                break
    assert received > 20_000_000


def test_a_stop_ends_what_is_endless(simulator: Simulator, link: str) -> None:
    """Stopping the simulator ends endless, trickling and waiting answers."""
    for fault in (faults.endless(), faults.trickle(10), faults.slow(3600)):
        simulator.faults.add(fault)
    with httpx.Client(trust_env=False) as client:
        streams = [client.stream("GET", link) for _ in range(2)]
        for stream in streams:
            stream.__enter__()
        simulator.stop()
        for stream in streams:
            stream.__exit__(None, None, None)


def test_a_trickle(simulator: Simulator, link: str) -> None:
    """A trickling body arrives in small parts, and unchanged."""
    simulator.faults.add(faults.trickle(3_000_000))
    parts = []
    with httpx.Client(trust_env=False) as client, client.stream("GET", link) as answer:
        parts = list(answer.iter_raw())
    assert b"".join(parts) == simulator.expected(link).read()


def test_slow_answers(simulator: Simulator, visitor: Visitor, link: str) -> None:
    """A slow answer outlasts the patience of a client, and later ones are quick again."""
    simulator.faults.add(faults.slow(3600))
    with pytest.raises(httpx.ReadTimeout), httpx.Client(trust_env=False) as client:
        client.get(link, timeout=0.05)
    assert visitor.fetch(link).status_code == 200


def test_ranges_gone_wrong(simulator: Simulator, visitor: Visitor, link: str) -> None:
    """A range is ignored, answered with another one, or answered under a false name."""
    add, wanted = simulator.faults.add, {"Range": "bytes=1000-1999"}
    whole = simulator.expected(link).read()
    add(faults.range_ignored())
    add(faults.wrong_range(5))
    add(faults.false_range(5))
    ignored, wrong, false = (visitor.fetch(link, wanted) for _ in range(3))
    assert (ignored.status_code, ignored.content) == (200, whole)
    assert wrong.headers["content-range"] == "bytes 1005-1999/300000"
    assert wrong.content == false.content == whole[1005:2000]
    assert false.headers["content-range"] == "bytes 1000-1999/300000"


def test_the_world_changes_meanwhile(simulator: Simulator, visitor: Visitor) -> None:
    """A listing can shift between two pages."""
    simulator.world.populate("geminigen", 4)
    simulator.faults.add(
        faults.meanwhile(lambda: simulator.world.add("geminigen")), path="*/histories", skip=1
    )
    pages = [
        visitor.document("geminigen", "/uapi/v1/histories", items_per_page=2, page=page)["result"]
        for page in (1, 2)
    ]
    assert pages[0][1]["uuid"] == pages[1][0]["uuid"]


def test_a_host_goes_down_and_comes_back(simulator: Simulator, visitor: Visitor, link: str) -> None:
    """A host that is down refuses connections, and comes back at the same address."""
    assert visitor.fetch(link).status_code == 200
    simulator.take_down("media")
    with pytest.raises(httpx.TransportError):
        visitor.fetch(link)
    simulator.bring_up("media")
    assert visitor.fetch(link).status_code == 200
