"""Which addresses a stranger's link may lead to (promise 8)."""

from __future__ import annotations

import ipaddress
import socket

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import AddressForbidden
from archiver.fetch.guard import check_link, is_public
from archiver.fetch.sockets import SocketOpener

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "192.0.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:800::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
PRIVATE = {
    "0.0.0.0": "this host",  # noqa: S104  # asked for, not bound
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "100.64.0.1": "carrier-grade NAT",
    "100.100.100.200": "a cloud's metadata",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.169.254": "clouds' metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "a cloud's metadata",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relays",
    "192.168.0.1": "private",
    "198.18.0.1": "benchmarks",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "this host",
    "::1": "loopback",
    "::7f00:1": "IPv4-compatible loopback",
    "::808:808": "IPv4-compatible, long given up",
    "::ffff:127.0.0.1": "mapped loopback",
    "::ffff:7f00:1": "mapped loopback",
    "::ffff:169.254.169.254": "mapped metadata",
    "::ffff:0:127.0.0.1": "translated loopback",
    "64:ff9b::127.0.0.1": "NAT64 to loopback",
    "64:ff9b::a9fe:a9fe": "NAT64 to metadata",
    "64:ff9b:1::808:808": "NAT64 of a local network",
    "100::1": "discard",
    "2001::1": "Teredo",
    "2001:0:808:808:0:0:f7f7:f7f7": "Teredo to a public address",
    "2001:db8::1": "documentation",
    "2002:7f00:1::1": "6to4 to loopback",
    "2002:a9fe:a9fe::1": "6to4 to metadata",
    "2002:c0a8:1::": "6to4 to a private network",
    "3fff::1": "documentation",
    "5f00::1": "segment routing",
    "fc00::1": "unique local",
    "fd00:ec2::254": "a cloud's metadata",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local with its zone",
    "fe80::1%25eth0": "link-local with its zone",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "global multicast",
}
NO_ADDRESS = [
    "",
    "localhost",
    "example.com",
    "8.8.8",
    "08.8.8.8",
    "8.8.8.8/8",
    "8.8.8.8 ",
    "２.2.2.2",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    """What anybody may reach may be fetched from, also through a translation to IPv4."""
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_special_address_is_not_public(address: str) -> None:
    """Private, local, reserved and dressed-up addresses are refused."""
    assert not is_public(address)


@pytest.mark.parametrize("address", NO_ADDRESS)
def test_what_is_no_address_is_not_public(address: str) -> None:
    """A doubt is a no."""
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_what_it_carries(inner: ipaddress.IPv4Address) -> None:
    """Neither dress makes an address better or worse."""
    number = int(inner)
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        dressed = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + number)
        assert is_public(str(dressed)) is is_public(str(inner))


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """The rule is stricter than the one of the standard library, save for translations."""
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    if is_public(str(address)) and not mapped and not str(address).startswith("64:ff9b::"):
        assert address.is_global
        assert not address.is_multicast


@given(st.text())
def test_any_text_is_a_link_or_forbidden(text: str) -> None:
    """No text of a stranger makes the check itself fail."""
    for url in (text, f"http://{text}", f"https://host{text}"):
        try:
            parts = check_link(url)
        except AddressForbidden:
            continue
        assert parts.scheme in ("http", "https")
        assert parts.hostname


def open_with(opener: SocketOpener, family: int, place: str) -> bool:
    """Ask for a socket as libcurl does; tell whether there was one."""
    address = (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, (place, 80))
    return opener(0, address) != pycurl.SOCKET_BAD


def test_a_refused_address_is_the_reason_of_the_failure() -> None:
    """Without any allowed address the transfer failed because of the guard."""
    opener = SocketOpener(is_public)

    assert not open_with(opener, socket.AF_INET, "127.0.0.1")
    assert "127.0.0.1" in str(opener.failure)


@pytest.mark.parametrize("places", [("127.0.0.1", "8.8.8.8"), ("8.8.8.8", "127.0.0.1")])
def test_a_name_with_one_allowed_address_is_not_forbidden(places: tuple[str, str]) -> None:
    """What then goes wrong is the network's fault, and may pass; sockets are not connected here."""
    opener = SocketOpener(is_public)

    opened = [open_with(opener, socket.AF_INET, place) for place in places]
    opener.release()

    assert sorted(opened) == [False, True]
    assert opener.failure is None


def test_a_local_socket_of_another_kind_is_refused() -> None:
    """Only IP leads to a media host, whatever is allowed."""
    opener = SocketOpener(lambda _: True)

    assert not open_with(opener, socket.AF_UNIX, "/run/docker.sock")
    assert opener.failure is not None
