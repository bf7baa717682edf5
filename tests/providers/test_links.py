"""Addresses become links and assets, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Kind, Link, Role
from archiver.providers.links import distinct, file_name, link, make_asset, same_origin
from archiver.redaction import clean_text

API = "https://api.example.com"


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        " ",
        "images/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "//h/x",
        "http://",
        "http://[::1",
        "https://h:99999999/x",
        "https://h/\x00",
        "https://h/\ud800",
    ],
)
def test_what_cannot_be_fetched_is_no_link(value: object) -> None:
    """Only an absolute http(s) address that a client can use is a link."""
    assert link(value) is None


def test_a_relative_address_needs_a_base() -> None:
    """A path is resolved where its base is known."""
    assert Link(url="https://cdn.example.com/a/b.png") == link(
        "b.png", "https://cdn.example.com/a/"
    )


def test_a_redacted_address_is_no_link() -> None:
    """An address that lost its signature could only be refused."""
    assert link(clean_text("https://h/x?X-Amz-Signature=5ec7e7")) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://api.example.com.evil.example/x",
        "https://api.example.com@evil.example/x",
        "http://api.example.com/x",
        "https://api.example.com:8443/x",
        "https://cdn.api.example.com/x",
        "https://h:bad/",
        "",
    ],
)
def test_other_origins_get_no_key(address: str) -> None:
    """Scheme, host and port must all be the API's own."""
    assert not same_origin(address, API)


@pytest.mark.parametrize("address", [f"{API}/x", f"{API}:443/x", "https://API.example.com/x"])
def test_the_apis_own_origin_gets_the_key(address: str) -> None:
    """The default port and the case of a host make no difference."""
    found = link(address, credentials_for=API)

    assert found is not None
    assert found.with_credentials


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://h/a/b.png?x=1", "b.png"),
        ("https://h/a/b%20c.png", "b c.png"),
        ("https://h/result", None),
        ("https://h/.png", None),
        ("https://h/" + "x" * 300 + ".png", None),
    ],
)
def test_a_file_name_has_a_suffix(address: str, name: str | None) -> None:
    """The last part of a path is a name only where it looks like one."""
    assert name == file_name(address)


def test_an_asset_has_each_address_once() -> None:
    """Sources keep their order, and none stands twice."""
    found = make_asset(
        "k", Role.OUTPUT, None, [link("https://h/a.mp4"), None, link("https://h/a.mp4")]
    )

    assert found is not None
    assert (Kind.VIDEO, (Link(url="https://h/a.mp4"),)) == (found.kind, found.sources)


def test_nothing_to_fetch_is_no_asset() -> None:
    """An asset without a source would never be kept."""
    assert make_asset("k", Role.OUTPUT, Kind.IMAGE, [None]) is None


@pytest.mark.parametrize(
    ("queries", "kept"),
    [
        (("X-Amz-Signature=a1", "X-Amz-Signature=b2"), ["k"]),
        (("", "X-Amz-Signature=b2"), ["k"]),
        (("file=1", "file=2"), ["k", "k:2"]),
    ],
)
def test_one_file_is_one_asset(queries: tuple[str, str], kept: list[str]) -> None:
    """Signatures make no difference between files; other queries may."""
    links = [link(f"https://h/a.png?{query}".rstrip("?")) for query in queries]

    found = distinct(make_asset("k", Role.OUTPUT, Kind.IMAGE, [source]) for source in links)

    assert kept == [asset.key for asset in found]


@given(value=st.text(), base=st.sampled_from(["", API, f"{API}/a/"]))
def test_no_text_breaks_a_link(value: str, base: str) -> None:
    """Whatever a provider writes for an address, nothing is raised."""
    found = link(value, base, credentials_for=API)

    if found is not None:
        asset = make_asset("k", Role.OUTPUT, None, [found])
        assert asset is not None
        assert (asset,) == distinct([asset, asset])
