"""Oxen.ai: images, videos and audio made through its inference API.

API: GET /api/ai/generations and /api/ai/generations/{id}; the vendor's OpenAPI document 0.243.1.
Paging: page numbers from 1, up to 1000 rows a page, `total_pages` is the last one. Without a
namespace the key owner's own is listed; an organisation's needs `namespaces`.
The order is not documented, so no walk stops early: at 1000 rows a page a whole one is cheap.
Links: `result_url` is called temporary, its life is not stated; a fresh reading renews it. On
the API's own host it needs the key. How long files stay is not documented: no retention.
What is being made stands in /api/ai/queue/{id} as well, perhaps before it is a generation.
Webhooks: none are documented.
Costs: the contract says only "charged amount"; it counts other charges in credits, so do we.
Verified: read from the vendor's pages, 2026-11; nothing was tried against a live endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field

from archiver.errors import AnswerInvalid
from archiver.model import Asset, Cost, Failure, Generation, Kind, Page, Role, Status
from archiver.providers import fields
from archiver.providers.base import (
    AccountOptions,
    Api,
    Capabilities,
    Connection,
    Progress,
    Provider,
    Told,
    get_detail,
    read_detail,
    read_whole,
)
from archiver.providers.fields import Row, RowInvalid
from archiver.providers.inlets import Hook, digest_of
from archiver.providers.links import distinct, link, make_asset, names_file, settled
from archiver.providers.walk import Listing, page_number, records_of, walk_numbered

MAX_PAGE_SIZE = 1000
_REQUIRED = fields.names("model_name media_type enqueued_at")
_STATUSES = {
    "queued": Status.IN_PROGRESS,
    "processing": Status.IN_PROGRESS,
    "succeeded": Status.COMPLETED,
    "failed": Status.FAILED,
    "cancelled": Status.FAILED,
}
_KINDS = {str(kind): kind for kind in Kind}
_FIXED = fields.names(
    "generation_id model_name media_type status enqueued_at started_at completed_at cost "
    "error_message result_url target_directory target_namespace target_repo user_id user_image "
    "username prompt negative_prompt"
)
_INPUT_WORDS = {"image": Kind.IMAGE, "video": Kind.VIDEO, "audio": Kind.AUDIO}


class Options(AccountOptions):
    """An account at Oxen.ai."""

    provider: Literal["oxen"] = Field(description="Oxen.ai")
    base_url: str = Field("https://hub.oxen.ai", description="the API host")
    namespaces: tuple[str, ...] = Field(
        (), description="users and organisations to list; none means the key owner's own"
    )
    page_size: int = Field(
        MAX_PAGE_SIZE,
        ge=1,
        le=MAX_PAGE_SIZE,
        description="rows a request; fewer where embedded inputs make one answer too large",
    )


CONNECTION = Connection(
    authentication=lambda key: {"authorization": f"Bearer {key}"},
    refusal=lambda status, body: None,
)


def open_provider(account: str, options: Options, api: Api) -> Provider:
    """Open an account at Oxen.ai."""
    return Oxen(account, options, api)


def open_signature(options: Options) -> None:
    """Open nothing: the service signs nothing."""


def hook_of(body: Row) -> Hook:
    """Tell what a forwarded record is about: a generation that reached a status."""
    record = _enveloped(body)
    found = fields.identity(record, "generation_id")
    return Hook(generation_id=found, event=digest_of(found, fields.text(record, "status") or ""))


def recognises(body: Row) -> bool:
    """Tell whether a body looks like a detail in its envelope, a listed row or a queued one."""
    found = body.get("generation", body)
    return (
        isinstance(found, Mapping) and "generation_id" in found and bool(found.keys() & _REQUIRED)
    )


class Oxen:
    """One account at Oxen.ai."""

    name = "oxen"
    capabilities = Capabilities(
        listing_has_media=True,
        newest_first=False,
        retention=None,
        requests_per_minute=60,
        requests_per_hour=0,
    )

    def __init__(self, account: str, options: Options, api: Api) -> None:
        self._account = account
        self._options = options
        self._api = api

    def pages(self, cursor: str | None = None) -> Iterator[Page]:
        """Walk one namespace after the other; a cursor is "<index of the namespace>:<page>"."""
        namespaces = self._options.namespaces or (None,)
        start, first = _position(cursor, len(namespaces))
        for index in range(start, len(namespaces)):
            yield from self._pages_of(index, namespaces, first if index == start else 1)

    def detail(self, generation_id: str, listed: Row | None = None) -> Generation:
        """Fetch one generation; see `Provider`."""
        segment = fields.path_segment(generation_id)
        answer = get_detail(self._api, f"/api/ai/generations/{segment}", f"/api/ai/queue/{segment}")
        return read_detail(
            self.name, generation_id, lambda: self._parse(listed, _record_in(answer))
        )

    def refresh(self, generation_id: str, listed: Row | None = None) -> Generation:
        """Fetch one generation with fresh links."""
        return self.detail(generation_id, listed)

    def read(self, body: Row) -> Told:
        """Read a detail in its envelope, or a row of the history or the queue; see `Provider`."""
        return read_whole(_enveloped(body), self._parse_listed)

    def progress(self, generation: Generation) -> Progress:
        """Nothing is said of it."""
        return Progress()

    @property
    def maker(self) -> None:
        """It is only read here."""

    def _pages_of(
        self, index: int, namespaces: tuple[str | None, ...], first: int
    ) -> Iterator[Page]:
        def fetch(number: int) -> Listing:
            return self._fetch_listing(namespaces[index], number)

        is_only, is_last = len(namespaces) == 1, index + 1 == len(namespaces)
        behind = None if is_last else f"{index + 1}:1"
        for page in walk_numbered(fetch, self._parse_listed, "generation_id", first):
            following = f"{index}:{page.next_cursor}" if page.next_cursor else behind
            yield replace(page, total=page.total if is_only else None, next_cursor=following)

    def _fetch_listing(self, namespace: str | None, number: int) -> Listing:
        query: dict[str, str | int] = {"page": number, "page_size": self._options.page_size}
        if namespace is not None:
            query["namespace"] = namespace
        answer = self._api.get_json("/api/ai/generations", query)
        records = records_of(self.name, answer, "generations")
        envelope = answer if isinstance(answer, Mapping) else {}
        return Listing(
            records=records,
            page_size=self._options.page_size,
            total=fields.count(envelope, "total_entries"),
            last_page=fields.count(envelope, "total_pages"),
        )

    def _parse_listed(self, row: Row) -> Generation:
        return self._parse(row, None)

    def _parse(self, listed: Row | None, detail: Row | None) -> Generation:
        record = fields.merge(listed, detail or {})
        generation = _generation_from(record, self._account, self._options.base_url)
        return replace(generation, raw=fields.raw_records(listed, detail))


def _generation_from(record: Row, account: str, base_url: str) -> Generation:
    kind = _KINDS.get((fields.optional_text(record, "media_type") or "").lower(), Kind.OTHER)
    assets = distinct((*_outputs(record, kind, base_url), *_references(record, base_url)))
    message = fields.optional_text(record, "error_message")
    status = fields.open_status(
        record,
        "status",
        _STATUSES,
        has_output=any(asset.role is Role.OUTPUT and asset.sources for asset in assets),
        has_error=message is not None,
    )
    cost = fields.amount(record, "cost")
    return Generation(
        provider=Oxen.name,
        account=account,
        id=fields.identity(record, "generation_id"),
        kind=kind,
        status=status,
        created_at=fields.unix_time(record, "enqueued_at"),
        model=fields.optional_text(record, "model_name"),
        prompt=fields.optional_text(record, "prompt"),
        negative_prompt=fields.optional_text(record, "negative_prompt"),
        completed_at=fields.unix_time(record, "completed_at"),
        cost=Cost(amount=cost, unit="credits") if cost is not None else None,
        error=_failure(record, message) if status is Status.FAILED else None,
        parameters=fields.rest(record, _FIXED),
        assets=settled(assets, status),
    )


def _failure(record: Row, message: str | None) -> Failure:
    """There is no code; the status tells a cancelled generation from a failed one."""
    return Failure(code=fields.optional_text(record, "status"), message=message)


def _outputs(record: Row, kind: Kind, base_url: str) -> Iterator[Asset | None]:
    for suffix, value in _one_or_many(record.get("result_url")):
        source = link(_rooted(value), base_url, credentials_for=base_url)
        is_stated = names_file(value)
        yield make_asset(f"output{suffix}", Role.OUTPUT, kind, [source], is_stated=is_stated)


def _references(record: Row, base_url: str) -> Iterator[Asset | None]:
    """The user's inputs: parameters named after a medium that hold an address."""
    for name, value in record.items():
        word = next((word for word in _INPUT_WORDS if word in name.lower()), None)
        if word is None or name in _FIXED:
            continue
        for suffix, entry in _one_or_many(value):
            source = link(entry, credentials_for=base_url)
            key = f"reference:{name}{suffix}"
            yield make_asset(key, Role.REFERENCE, _INPUT_WORDS[word], [source])


def _one_or_many(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        yield from ((f":{position}", entry) for position, entry in enumerate(value, start=1))
    else:
        yield "", value


def _rooted(value: object) -> object:
    """Take an address or a path from the root; a bare word is neither."""
    is_address = isinstance(value, str) and ("://" in value or value.startswith("/"))
    return value if is_address else None


def _position(cursor: str | None, namespaces: int) -> tuple[int, int]:
    index, colon, number = (cursor or "0:1").partition(":")
    if not colon or not index.isascii() or not index.isdecimal() or int(index) >= namespaces:
        raise AnswerInvalid(f"{(cursor or '')[:40]!r} is no place in this walk: start it anew")
    return int(index), page_number(number)


def _record_in(answer: object) -> Row:
    """Take the record out of its envelope, which only the detail has."""
    if isinstance(answer, Mapping):
        return _enveloped(answer)
    raise AnswerInvalid(f"oxen answered {type(answer).__name__} where one generation was due")


def _enveloped(body: Row) -> Row:
    found = body.get("generation", body)
    if isinstance(found, Mapping):
        return found
    raise RowInvalid(f"generation is {type(found).__name__}, not an object")
