"""Which files a GeminiGen record names: outputs, thumbnails, last frames, references, masks.

A file stands under several fields: absolute addresses, paths below the CDN, embedded data. The
arrays of a detail record come first; `generate_result` and `media_files` add what only they name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from archiver.model import Asset, Embedded, Kind, Link, Role
from archiver.providers import fields
from archiver.providers.fields import Row, RowInvalid
from archiver.providers.links import addresses_of, distinct, link, make_asset, names_file
from archiver.redaction import REMOVED

KIND_WORDS = {
    Kind.VIDEO: ("video",),
    Kind.IMAGE: ("image", "photo"),
    Kind.AUDIO: ("audio", "tts", "speech", "voice", "music", "sound"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One list of outputs in a detail record, and its address fields, the best first."""

    field: str
    kind: Kind
    urls: tuple[str, ...]
    path: str


IN_PROGRESS = (0, 1)
"""The statuses of what is queued and what is being made."""
PARTS = (
    Part(
        field="generated_image",
        kind=Kind.IMAGE,
        urls=("file_download_url", "image_url"),
        path="image_uri",
    ),
    Part(
        field="generated_video",
        kind=Kind.VIDEO,
        urls=("video_url", "file_download_url"),
        path="video_uri",
    ),
    Part(
        field="generated_audio",
        kind=Kind.AUDIO,
        urls=("file_download_url", "audio_url"),
        path="audio_uri",
    ),
)


def kind_of(record: Row) -> Kind:
    """Tell the kind by `type` (an "image_to_video" is a video), else by the first outputs."""
    words = (fields.optional_text(record, "type") or "").lower()
    for kind, signs in KIND_WORDS.items():
        if any(sign in words for sign in signs):
            return kind
    return next((part.kind for part in PARTS if record.get(part.field)), Kind.OTHER)


def assets_of(record: Row, kind: Kind, cdn: str) -> tuple[Asset, ...]:
    """List every file of a record; `kind` is the generation's, `cdn` where a path leads."""
    found: list[Asset | None] = []
    for part in PARTS:
        for position, item in enumerate(fields.rows(record, part.field), start=1):
            found += _output_assets(item, part, position, cdn)
    for position, item in enumerate(fields.rows(record, "reference_item"), start=1):
        found += _reference_assets(item, position, cdn)
    for key, field in (("thumbnail", "thumbnail_url"), ("thumbnail:small", "thumbnail_small")):
        found.append(_picture(key, Role.THUMBNAIL, record.get(field), cdn))
    return _with_sizes(record, _with_loose_files(record, distinct(found), kind))


def _output_assets(item: Row, part: Part, position: int, cdn: str) -> Iterator[Asset | None]:
    name = _name_of(item, part.kind, position)
    sources = _sources(item, part, cdn)
    is_stated = names_file(*map(item.get, (*part.urls, part.path))) or _is_unfinished(item)
    yield make_asset(f"output:{name}", Role.OUTPUT, part.kind, sources, is_stated=is_stated)
    yield _picture(f"last_frame:{name}", Role.LAST_FRAME, item.get("last_frame"), cdn)
    for number, small in enumerate(fields.rows(item, "thumbnails"), start=1):
        own = fields.text(small, "uuid") or f"{name}:{number}"
        is_stated = names_file(small.get("url"), small.get("uri"))
        yield make_asset(
            f"thumbnail:{own}",
            Role.THUMBNAIL,
            Kind.IMAGE,
            _links(small, ("url",), "uri", cdn),
            is_stated=is_stated,
        )


def _picture(key: str, role: Role, address: object, cdn: str) -> Asset | None:
    sources = [link(address, cdn)]
    return make_asset(key, role, Kind.IMAGE, sources, is_stated=names_file(address))


def _is_unfinished(item: Row) -> bool:
    """Whether one of several outputs is still being made, though its generation is finished."""
    return fields.count(item, "status") in IN_PROGRESS


def _reference_assets(item: Row, position: int, cdn: str) -> Iterator[Asset | None]:
    """The user's own inputs; a reference's thumbnail is part of the reference."""
    kind = fields.optional_text(item, "media_type") or ""
    name = _name_of(item, None, position)
    urls = ("url", "image_url", "video_url", "audio_url")
    yield make_asset(
        f"reference:{name}",
        Role.REFERENCE,
        next((known for known, words in KIND_WORDS.items() if kind in words), None),
        _links(item, urls, "uri", cdn),
    )
    thumbnail = _links(item, ("thumbnail_url",), "thumbnail_uri", cdn)
    yield make_asset(f"reference:{name}:thumbnail", Role.REFERENCE, Kind.IMAGE, thumbnail)
    mask = _links(item, ("mask_url",), "mask_uri", cdn)
    yield make_asset(f"mask:{name}", Role.MASK, Kind.IMAGE, mask)


def _name_of(item: Row, kind: Kind | None, position: int) -> str:
    """What an output is called for ever: its uuid, else its number, else its position."""
    uuid, number = fields.text(item, "uuid"), fields.text(item, "id")
    if uuid:
        return uuid
    if kind is None:
        return number or str(position)
    return f"{kind}-{number}" if number else f"{kind}:{position}"


def _links(item: Row, urls: tuple[str, ...], path: str, cdn: str) -> list[Link]:
    """The absolute addresses; the relative path only where there is none."""
    absolute = [found for name in urls if (found := link(item.get(name)))]
    relative = link(item.get(path), cdn)
    return absolute or ([relative] if relative else [])


def _sources(item: Row, part: Part, cdn: str) -> list[Link | Embedded]:
    links = _links(item, part.urls, part.path, cdn)
    is_absolute = any(link(item.get(name)) for name in part.urls)
    embedded = _embedded(item.get("base64_data"), is_needed=not links)
    data = [embedded] if embedded else []
    return [*links, *data] if is_absolute else [*data, *links]


def _embedded(value: object, *, is_needed: bool) -> Embedded | None:
    """Decode a data: URI or bare base64; what cannot be decoded matters only when needed."""
    if not isinstance(value, str) or not value or REMOVED in value:
        return None
    head, comma, content = value.partition(",") if value.startswith("data:") else ("", "", value)
    try:
        if comma and not head.endswith(";base64"):
            data = unquote_to_bytes(content)
        else:
            data = base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if data:
        return Embedded(data=data)
    if is_needed:
        raise RowInvalid(f"base64_data ({len(value)} characters) cannot be decoded")
    return None


def _with_loose_files(record: Row, assets: tuple[Asset, ...], kind: Kind) -> tuple[Asset, ...]:
    """Add the files that only `generate_result` or `media_files` name.

    Only outputs count as known: a thumbnail or an input may share the output's address.
    """
    outputs = [asset for asset in assets if asset.role is Role.OUTPUT]
    known = {address for asset in outputs for address in addresses_of(asset)}
    result, is_media = record.get("generate_result"), not outputs and kind in KIND_WORDS
    is_stated = is_media and names_file(result)
    loose = [make_asset("output:result", Role.OUTPUT, kind, [link(result)], is_stated=is_stated)]
    for position, item in enumerate(fields.rows(record, "media_files"), start=1):
        own = fields.text(item, "uuid") or f"file:{position}"
        stated = (fields.optional_text(item, "type") or "").lower()
        file_kind = Kind(stated) if stated in tuple(Kind) else kind
        url = item.get("url")
        is_stated = is_media and names_file(url)
        sources = [link(url)]
        key = f"output:{own}"
        loose.append(make_asset(key, Role.OUTPUT, file_kind, sources, is_stated=is_stated))
    added = []
    for asset in filter(None, loose):
        if not addresses_of(asset) & known:
            known |= addresses_of(asset)
            added.append(asset)
    return distinct((*assets, *added))


def _with_sizes(record: Row, assets: tuple[Asset, ...]) -> tuple[Asset, ...]:
    """Give a stated size to the one file it is clearly about."""
    files = fields.rows(record, "media_files")
    stated = [
        (link(record.get("generate_result")), fields.size_bytes(record, "file_size")),
        *((link(item.get("url")), fields.size_bytes(item, "size")) for item in files),
    ]
    sizes = {found.public_url: size for found, size in stated if found and size}
    return tuple(_with_size(asset, sizes) for asset in assets)


def _with_size(asset: Asset, sizes: Mapping[str, int]) -> Asset:
    if asset.role is not Role.OUTPUT:
        return asset
    found = {sizes[address] for address in addresses_of(asset) if address in sizes}
    return replace(asset, stated_size_bytes=found.pop()) if len(found) == 1 else asset
