"""Which addresses a link may lead to (promise 8): public ones, over http and https only.

A name can be checked only after it was resolved, and again at every redirect: so the address
is judged at the moment when a socket to it is opened.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from archiver.errors import AddressForbidden

_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SPECIAL = (
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("3fff::/20"),
)
"""Set aside by IANA (special-purpose registries), but public to `ipaddress` of Python 3.11."""


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

    IPv4 addresses dressed as IPv6 (mapped, NAT64) are judged by what they carry, and so is what
    a 6to4 address carries; Teredo is refused with the rest of its special network.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return _is_global(found)
    dressed = found.ipv4_mapped or _nat64(found)
    if dressed is not None:
        return _is_global(dressed)
    is_own = found in _IPV6_UNICAST and _is_global(found)
    return is_own and (found.sixtofour is None or _is_global(found.sixtofour))


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    is_special = any(address in network for network in _SPECIAL)
    return address.is_global and not (address.is_multicast or address.is_reserved or is_special)


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address behind RFC 6052's well-known prefix: the only way out of some networks."""
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
