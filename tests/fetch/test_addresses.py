"""Where the media engine goes and where it does not, and who sees a key (promise 8)."""

from __future__ import annotations

import pytest

from archiver.errors import (
    AddressForbidden,
    MediaError,
    MediaRejected,
)
from archiver.fetch.engine import (
    MAX_REDIRECTS,
    Credentials,
    Limits,
    MediaEngine,
)
from archiver.model import Link
from tests.fetch.asking import BODY, SHA256, fetch, make_engine
from tests.fetch.conftest import MakeHost
from tests.fetch.hosts import (
    Patience,
    Request,
    Taker,
    always,
    in_turn,
    whole,
)

FORBIDDEN_NAMES = [
    "127.0.0.1",
    "localhost",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "0",
    "0.0.0.0",  # noqa: S104  # asked for, not bound
    "127.0.0.1.",
    "%31%32%37.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::1%25lo]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "127.000.000.001",
    "017700000001",
    "LOCALHOST.",
]


@pytest.mark.parametrize("name", FORBIDDEN_NAMES)
def test_no_spelling_of_loopback_opens_a_socket(make_host: MakeHost, name: str) -> None:
    """However an address is written, it is judged as what it is, before a socket opens."""
    host = make_host(always(*whole(BODY)))
    engine = MediaEngine(Limits(), Patience())

    with pytest.raises(AddressForbidden, match="not public"):
        fetch(host.url(name=name), engine=engine)

    assert host.connections == 0


@pytest.mark.parametrize(
    "name",
    [
        "１２７.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "ⓛocalhost",
        "127.0.0.1%00.example.com",
    ],  # as strangers write them
)
def test_no_foreign_spelling_of_loopback_opens_a_socket(make_host: MakeHost, name: str) -> None:
    """Digits and dots of other scripts lead nowhere, or to an address that is judged."""
    host = make_host(always(*whole(BODY)))

    with pytest.raises(MediaError):
        fetch(host.url(name=name), engine=MediaEngine(Limits(), Patience()))

    assert host.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.png",
        "gopher://127.0.0.1/a.png",
        "data:image/png;base64,AAAA",
        "//127.0.0.1/a.png",
        "a.png",
        "",
        "http://",
        "http:///a.png",
        "http://user@127.0.0.1/a.png",
        "http://:secret@127.0.0.1/a.png",
        "http://[::1/a.png",
        "http://127.0.0.1:99999/a.png",
        "http://127.0.0.1:port/a.png",
        "http://a b/c.png",
        "http://a\x00b/c.png",
    ],
)
def test_a_link_that_is_no_web_address_is_forbidden(url: str) -> None:
    """Only http and https, with a host and without a user, are asked at all."""
    with pytest.raises(AddressForbidden):
        fetch(url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_relative_redirect_is_followed(make_host: MakeHost, status: int) -> None:
    """A redirect leads on from the address that answered, and its own body is no file."""
    moved = whole(b"moved", status, location="../b.png?x=1")
    host, taker = make_host(in_turn(moved, whole(BODY))), Taker()

    fetch(host.url("/one/two/a.png"), taker)

    assert [request.path for request in host.requests] == ["/one/two/a.png", "/one/b.png?x=1"]
    assert taker.sha256 == SHA256


def test_a_redirect_may_lead_to_another_host(make_host: MakeHost) -> None:
    """A media host may send on to its store."""
    store = make_host(always(*whole(BODY)), "127.0.0.2")
    host, taker = make_host(always(*whole(b"", 302, location=store.url("/s.png")))), Taker()

    fetch(host.url(), taker)

    assert taker.sha256 == SHA256
    assert store.requests[0].headers["host"] == f"127.0.0.2:{store.port}"


def test_a_redirect_with_foreign_letters_is_followed(make_host: MakeHost) -> None:
    """Bytes beyond ASCII in a Location are sent back as they came, percent-encoded."""
    location = "/猫 1.png".encode().decode("iso-8859-1")
    host = make_host(in_turn(whole(b"", 302, location=location), whole(BODY)))

    fetch(host.url())

    assert host.requests[1].path == "/%E7%8C%AB%201.png"


def test_a_redirect_to_a_forbidden_address_opens_no_socket(make_host: MakeHost) -> None:
    """Every hop is judged: a public host cannot send us into the private network."""
    inner = make_host(always(*whole(BODY)), "127.0.0.3")
    outer = make_host(always(*whole(b"", 302, location=inner.url())))
    engine = MediaEngine(Limits(), Patience(), is_allowed=lambda address: address == "127.0.0.1")

    with pytest.raises(AddressForbidden, match=r"127\.0\.0\.3"):
        fetch(outer.url(), engine=engine)

    assert (outer.connections, inner.connections) == (1, 0)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.png",
        "http://user:pass@127.0.0.1/",
        "http://[",
        "http://127.0.0.1:99999/",
        "http://[::1]]/",
    ],
)
def test_a_redirect_to_no_web_address_is_forbidden(make_host: MakeHost, location: str) -> None:
    """A redirect cannot lead to a file of this machine, another protocol or nonsense."""
    host = make_host(always(*whole(b"", 302, location=location)))

    with pytest.raises(AddressForbidden):
        fetch(host.url())

    assert len(host.requests) == 1


def test_a_redirect_without_an_address_is_rejected(make_host: MakeHost) -> None:
    """It leads nowhere, and asking again would not help."""
    host = make_host(always(*whole(b"", 302)))

    with pytest.raises(MediaRejected, match="302 without an address"):
        fetch(host.url())

    assert len(host.requests) == 1


def test_a_redirect_that_turns_in_a_circle_ends(make_host: MakeHost) -> None:
    """A loop is left after a few hops."""
    host = make_host(always(*whole(b"", 302, location="/again")))

    with pytest.raises(AddressForbidden, match="redirects more than"):
        fetch(host.url())

    assert len(host.requests) == MAX_REDIRECTS + 1


def test_proxies_of_the_environment_are_not_used(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would connect where the guard cannot look."""
    trap, host = make_host(always(*whole(b"trap"))), make_host(always(*whole(BODY)))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, trap.url(""))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert fetch(host.url()).size_bytes == len(BODY)
    assert trap.connections == 0


def make_credentials(origin: str) -> Credentials:
    """Make the credentials of an account whose API is at the origin."""
    return Credentials(origin=origin, headers={"x-api-key": "the key"})


def keys_seen(requests: list[Request]) -> list[str | None]:
    """Tell which key came with each request."""
    return [request.headers.get("x-api-key") for request in requests]


def test_a_key_goes_to_its_own_origin(make_host: MakeHost) -> None:
    """A file on the API's own host is asked for with the account's key."""
    host = make_host(always(*whole(BODY)))
    link = Link(url=host.url(), with_credentials=True)

    make_engine().fetch(link, Taker(), make_credentials(host.url("")))

    assert keys_seen(host.requests) == ["the key"]


def test_a_link_without_need_gets_no_key(make_host: MakeHost) -> None:
    """Only links that their provider marks so are asked for with the key, wherever they lead."""
    host = make_host(always(*whole(BODY)))

    make_engine().fetch(Link(url=host.url()), Taker(), make_credentials(host.url("")))

    assert keys_seen(host.requests) == [None]


def test_a_key_never_goes_to_another_origin(make_host: MakeHost) -> None:
    """Another host, another port and another spelling of the scheme are strangers."""
    host = make_host(always(*whole(BODY)))
    link = Link(url=host.url(), with_credentials=True)

    for origin in ("http://127.0.0.1:1", "http://127.0.0.2", host.url("").replace("http", "https")):
        make_engine().fetch(link, Taker(), make_credentials(origin))

    assert keys_seen(host.requests) == [None] * 3


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_a_redirect_takes_the_key_away_for_good(make_host: MakeHost, address: str) -> None:
    """Neither another port nor another host sees it, nor the origin behind a stranger's word."""
    stranger = make_host(lambda _: whole(b"", 302, location=own.url("/back")), address)
    own = make_host(in_turn(whole(b"", 302, location=stranger.url()), whole(BODY)))
    link = Link(url=own.url(), with_credentials=True)

    make_engine().fetch(link, Taker(), make_credentials(own.url("")))

    assert keys_seen(own.requests) == ["the key", None]
    assert keys_seen(stranger.requests) == [None]


@pytest.mark.parametrize(
    ("origin", "url", "is_own"),
    [
        ("https://api.example.com", "https://api.example.com/a", True),
        ("https://api.example.com", "https://API.example.com:443/a", True),
        ("https://api.example.com:443/base", "https://api.example.com/a", True),
        ("http://api.example.com:80", "http://api.example.com/a", True),
        ("https://api.example.com", "http://api.example.com/a", False),
        ("https://api.example.com", "http://api.example.com:443/a", False),
        ("https://api.example.com", "https://api.example.com:8443/a", False),
        ("https://api.example.com", "https://api.example.com.evil.org/a", False),
        ("https://api.example.com", "https://evil.org/api.example.com", False),
        ("https://api.example.com", "https://xapi.example.com/a", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(origin: str, url: str, is_own: bool) -> None:
    """All three must be the same, however they are written."""
    assert bool(make_credentials(origin).headers_for(url)) is is_own
