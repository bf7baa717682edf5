"""Which addresses a link may lead to (promise 8): public ones, over http and https only.

A name can be checked only after it was resolved, and again at every redirect: so the address
is judged at the moment when a socket to it is opened.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from archiver.errors import AddressForbidden


def check_link(url: str) -> SplitResult:
    """Split a link, or raise AddressForbidden when it is no plain http or https address."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise AddressForbidden("the link is no valid address") from None
    if parts.scheme not in ("http", "https"):
        raise AddressForbidden(f"the link uses {parts.scheme or 'no'} scheme; only http and https")
    if not host or parts.username is not None:
        raise AddressForbidden("the link has no host, or a user name in it")
    return parts


def is_public(address: str) -> bool:
    """Tell whether an IP address is one that a stranger's link may lead to.

    IPv4 addresses dressed as IPv6 (mapped, 6to4, Teredo, NAT64) are judged by what they carry.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_global(inner) for inner in (found, *_carried(found)))


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> tuple[ipaddress.IPv4Address, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in ipaddress.ip_network("64:ff9b::/96"):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(inner for inner in found if inner is not None)
