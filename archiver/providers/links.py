"""From a provider's addresses to assets: which links can be fetched, which are one file.

A file often stands under several fields, and each reading signs its address anew: one file is
one asset, whose key comes from ids and roles and never from an address (promise 3).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from archiver.model import Asset, Embedded, Kind, Link, Role, Status
from archiver.redaction import REMOVED, clean_text

MAX_NAME_LENGTH = 255
_DEFAULT_PORTS = {"http": 80, "https": 443}
_KINDS = {
    Kind.IMAGE: ("png", "jpg", "jpeg", "webp", "gif", "avif", "svg", "bmp", "tif", "tiff", "heic"),
    Kind.VIDEO: ("mp4", "webm", "mov", "m4v", "mkv", "avi"),
    Kind.AUDIO: ("mp3", "wav", "m4a", "ogg", "oga", "opus", "flac", "aac"),
}
_KIND_BY_SUFFIX = {f".{suffix}": kind for kind, suffixes in _KINDS.items() for suffix in suffixes}


def link(value: object, base_url: str = "", *, credentials_for: str = "") -> Link | None:
    """Make a link of an http(s) address, absolute or relative to `base_url`; else None.

    An address on the origin `credentials_for` is fetched with the account's key. One whose
    signature was taken out by redaction is no link: it could only be refused.
    """
    if not isinstance(value, str) or not value.strip() or REMOVED in value:
        return None
    try:
        address = urljoin(base_url, value.strip())
    except ValueError:
        return None
    parts = _split(address)
    if parts is None or not address.isprintable():
        return None
    return Link(url=address, with_credentials=same_origin(address, credentials_for))


def names_file(*values: object) -> bool:
    """Tell whether a record states a file in one of these fields, be it no usable link.

    What redaction took out of a stored record says nothing any more.
    """
    return any(
        (value.strip() and REMOVED not in value) if isinstance(value, str) else value
        for value in values
    )


def same_origin(address: str, base_url: str) -> bool:
    """Tell whether an address is on the API's own scheme, host and port."""
    theirs, ours = _split(address), _split(base_url)
    return theirs is not None and ours is not None and _origin(theirs) == _origin(ours)


def file_name(address: str) -> str | None:
    """Take the provider's own file name from an address, when its last part has a suffix."""
    name = posixpath.basename(unquote(urlsplit(address).path))
    return name if "." in name.strip(".") and len(name) <= MAX_NAME_LENGTH else None


def kind_of_address(address: str) -> Kind | None:
    """Tell what a file is by the suffix of its address, where a record does not say."""
    return _KIND_BY_SUFFIX.get(posixpath.splitext(urlsplit(address).path)[1].lower())


def make_asset(
    key: str,
    role: Role,
    kind: Kind | None,
    sources: Iterable[Link | Embedded | None],
    *,
    is_stated: bool = False,
) -> Asset | None:
    """Make an asset of what can be fetched, each address once; None when there is nothing.

    A file that `is_stated` to be there without anything to fetch is an asset without sources:
    it fails where people see it, is asked for again, and holds up no other file. Without a kind
    (or with `text`, which no file is) the suffix of the address decides.
    """
    found: dict[object, Link | Embedded] = {}
    for source in sources:
        if source is not None:
            found.setdefault(source.url if isinstance(source, Link) else source.data, source)
    if not found and not is_stated:
        return None
    addresses = [source.public_url for source in found.values() if isinstance(source, Link)]
    if kind in (None, Kind.TEXT, Kind.OTHER):
        kind = next(filter(None, map(kind_of_address, addresses)), Kind.OTHER)
    name = next(filter(None, map(file_name, addresses)), None)
    return Asset(key=key, role=role, kind=kind, sources=tuple(found.values()), original_name=name)


def settled(assets: tuple[Asset, ...], status: Status) -> tuple[Asset, ...]:
    """Leave out files without a source, unless their generation is finished: they may get one."""
    return tuple(asset for asset in assets if asset.sources or status is Status.COMPLETED)


def addresses_of(asset: Asset) -> frozenset[str]:
    """The addresses of an asset without their queries."""
    return frozenset(source.public_url for source in asset.sources if isinstance(source, Link))


def distinct(assets: Iterable[Asset | None]) -> tuple[Asset, ...]:
    """Keep the first asset of each file and role, and make every key unique.

    Queries that are no signatures count here: they may be all that tells two files apart.
    """
    kept: dict[str, Asset] = {}
    seen: set[tuple[Role, str]] = set()
    for asset in assets:
        if asset is None:
            continue
        files = {(asset.role, _file(item)) for item in asset.sources if isinstance(item, Link)}
        if files & seen:
            continue
        seen |= files
        key = _free_key(asset.key, kept)
        kept[key] = replace(asset, key=key)
    return tuple(kept.values())


def _free_key(key: str, taken: dict[str, Asset]) -> str:
    number, candidate = 1, key
    while candidate in taken:
        number += 1
        candidate = f"{key}:{number}"
    return candidate


def _file(source: Link) -> str:
    is_signed = REMOVED in (clean_text(source.url) or "")
    return source.public_url if is_signed else source.url


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
