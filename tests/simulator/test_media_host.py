"""The media host serves what a link allows, in whole or in part, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archiver.simulator import Item, Simulator
from tests.simulator.visitor import MovingClock, Visitor


@pytest.fixture
def item(simulator: Simulator) -> Item:
    """Add one image with a signed file of 50,000 bytes."""
    return simulator.world.add("geminigen", kind="image", size_bytes=50_000)


@pytest.fixture
def link(simulator: Simulator, item: Item) -> str:
    """Return a fresh signed link to it."""
    return simulator.media_url(item.files[0])


def test_the_host_stands_apart(simulator: Simulator) -> None:
    """The media host has another address than the APIs."""
    assert simulator.base_url("media").startswith("http://127.0.0.2:")
    assert simulator.base_url("oxen").startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Expires=3600", "X-Amz-Expires=360000"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host&download=1"),
        ("/geminigen/images/", "/geminigen/images//"),
    ],
)
def test_an_altered_link_is_403(visitor: Visitor, link: str, old: str, new: str) -> None:
    """Any change of a signed link, even one more parameter, breaks its signature."""
    response = visitor.fetch(link.replace(old, new))
    assert response.status_code == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in response.content


def test_a_link_expires(visitor: Visitor, link: str, clock: MovingClock) -> None:
    """A signed link works to the last second of its life, then answers 403 with XML."""
    clock.move(seconds=3599)
    assert visitor.fetch(link).status_code == 200
    clock.move(seconds=1)
    response = visitor.fetch(link)
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/xml"
    assert b"Request has expired" in response.content


def test_a_bare_path_is_refused(visitor: Visitor, link: str) -> None:
    """A signed file cannot be fetched without its query."""
    assert visitor.fetch(link.partition("?")[0]).status_code == 403


def test_head_tells_what_get_gives(visitor: Visitor, link: str) -> None:
    """HEAD answers the headers of GET without a body."""
    got, told = visitor.fetch(link), visitor.fetch(link, method="HEAD")
    names = ("content-length", "content-type", "etag", "accept-ranges", "last-modified")
    assert [got.headers[name] for name in names] == [told.headers[name] for name in names]
    assert told.content == b""
    assert int(told.headers["content-length"]) == len(got.content) == 50_000


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, 50_000),
        ("bytes=49999-", 49_999, 50_000),
        ("bytes=-7", 49_993, 50_000),
        ("bytes=10-999999", 10, 50_000),
    ],
)
def test_ranges(visitor: Visitor, link: str, wanted: str, start: int, stop: int) -> None:
    """A satisfiable range is answered with 206, its Content-Range and just these bytes."""
    whole = visitor.fetch(link).content
    part = visitor.fetch(link, {"Range": wanted})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/50000"
    assert part.content == whole[start:stop]


@pytest.mark.parametrize("wanted", ["bytes=50000-", "bytes=-0", "bytes=9-3"])
def test_unsatisfiable_ranges(visitor: Visitor, link: str, wanted: str) -> None:
    """A range outside the file is 416 and says how long the file is."""
    response = visitor.fetch(link, {"Range": wanted})
    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */50000"


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "items=0-1", "bytes=-", "nonsense"])
def test_other_ranges_are_ignored(visitor: Visitor, link: str, wanted: str) -> None:
    """What is no single byte range is answered with the whole file."""
    assert visitor.fetch(link, {"Range": wanted}).status_code == 200


def test_if_range_guards_against_another_file(
    simulator: Simulator, visitor: Visitor, item: Item, link: str
) -> None:
    """A range of a file that has changed meanwhile is answered with the whole new file."""
    before = visitor.fetch(link)
    resume = {"Range": "bytes=100-", "If-Range": before.headers["etag"]}
    assert visitor.fetch(link, resume).status_code == 206
    simulator.world.rewrite("geminigen", item.id)
    after = visitor.fetch(link, resume)
    assert after.status_code == 200
    assert after.content != before.content
    assert after.headers["etag"] != before.headers["etag"]


@pytest.mark.parametrize("status", [404, 410])
def test_media_past_its_retention_is_gone(
    simulator: Simulator, visitor: Visitor, item: Item, clock: MovingClock, status: int
) -> None:
    """After 30 days GeminiGen's media is gone, whatever the link."""
    simulator.switches.gone_status = 410 if status == 410 else 404
    clock.move(days=30, seconds=-1)
    assert visitor.fetch(simulator.media_url(item.files[0])).status_code == 200
    clock.move(seconds=1)
    assert visitor.fetch(simulator.media_url(item.files[0])).status_code == status


def test_unfinished_and_deleted_media_is_404(simulator: Simulator, visitor: Visitor) -> None:
    """There is no file before its item is complete, nor after it was deleted."""
    item = simulator.world.add("neuralbox", state="processing", kind="image")
    url = simulator.media_url(item.files[0])
    assert visitor.fetch(url).status_code == 404
    simulator.world.finish("neuralbox", item.id)
    assert visitor.fetch(url).status_code == 200
    simulator.world.delete("neuralbox", item.id)
    assert visitor.fetch(url).status_code == 404


def test_links_live_as_long_as_the_switch_says(
    simulator: Simulator, visitor: Visitor, item: Item, clock: MovingClock
) -> None:
    """The life of a provider's links can be set."""
    simulator.switches.link_life_seconds["geminigen"] = 5
    detail = visitor.document("geminigen", f"/uapi/v1/history/{item.id}")
    clock.now += timedelta(seconds=5)
    assert visitor.fetch(detail["generate_result"]).status_code == 403


def test_a_large_file_is_streamed(simulator: Simulator, visitor: Visitor) -> None:
    """The end of a hundred-gigabyte video can be fetched at once."""
    item = simulator.world.add("geminigen", kind="video", size_bytes=100 * 10**9)
    link = simulator.media_url(item.files[0])
    assert visitor.fetch(link, method="HEAD").headers["content-length"] == str(100 * 10**9)
    tail = visitor.fetch(link, {"Range": "bytes=-2000"})
    assert b"moov" in tail.content
