"""GeminiGen.AI, now also called SnapGen: images, videos and speech.

API: GET /uapi/v1/histories and /uapi/v1/history/{uuid}; page "Generation History APIs" of the
vendor's documentation. The newer host is https://api.snapgen.ai: same paths, same keys.
Paging: page numbers from 1, `total` counts all pages; order and end are not documented (newest
first is what every public client assumes). Pages shift while they are read.
Links: signed, of unstated short life; a fresh reading of the detail is the only way to renew
them. The files go about 30 days after creation: `expired_at` in each record.
Making: see `geminigen_making`. Webhooks: one address an account, see `geminigen_hooks`.
Verified: read from the vendor's pages, 2026-11; nothing was tried against a live endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from pydantic import Field

from archiver.errors import AnswerInvalid, CredentialsRejected, ProviderError, RateLimited
from archiver.model import (
    Cost,
    Failure,
    Generation,
    Page,
    Status,
)
from archiver.providers import fields, geminigen_hooks
from archiver.providers.base import (
    AccountOptions,
    Api,
    Capabilities,
    Connection,
    Progress,
    Provider,
    Told,
    read_detail,
    read_whole,
)
from archiver.providers.fields import Row
from archiver.providers.geminigen_making import GeminiGenMaker
from archiver.providers.geminigen_media import IN_PROGRESS, PARTS, assets_of, kind_of
from archiver.providers.links import settled
from archiver.providers.making import Maker
from archiver.providers.walk import Listing, page_number, records_of, walk_numbered
from archiver.secrets import SecretSource

ITEMS_PER_PAGE = 50
_COMPLETED = 2
_RETRY_AFTER_SECONDS = 20.0
_PAYMENT_REQUIRED = 402
_KEY_REFUSED = ("API_KEY_REQUIRED", "API_KEY_NOT_FOUND", "USER_NOT_FOUND")
_TOO_OFTEN = ("GEMINI_RATE_LIMIT",)
_RECORD_FIELDS = fields.names("model_name input_text status generate_result status_percentage")
_PARAMETERS = fields.names(
    "inference_type custom_prompt aspect_ratio style resolution duration voices speed emotion "
    "accent vibe_id output_format output_channel person_generation safety_filter_level"
)


class Options(AccountOptions):
    """An account at GeminiGen."""

    provider: Literal["geminigen"] = Field(description="GeminiGen.AI, now also called SnapGen")
    base_url: str = Field(
        "https://api.geminigen.ai",
        description="the API host; https://api.snapgen.ai under the vendor's newer name",
    )
    cdn_base_url: str = Field(
        "https://cdn.geminigen.ai/",
        description="where a relative path leads, for files that have no full address",
    )
    webhook_public_key: SecretSource | None = Field(
        None, description="where the key is kept (PEM) that proves webhooks, from the dashboard"
    )


def _refusal(status: int, body: object) -> Exception | None:
    """Read the error codes: a wrong key is answered with 404, not with 401."""
    code, message = _error_of(body)
    if code in _KEY_REFUSED:
        return CredentialsRejected(
            f"geminigen refuses the key ({code}); check the account's api_key", http_status=status
        )
    if code in _TOO_OFTEN or code.startswith("MAX_PROCESSING"):
        return RateLimited(
            f"geminigen says {code}: {message}",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
            http_status=status,
        )
    if status == _PAYMENT_REQUIRED:
        return ProviderError(
            f"geminigen wants to be paid first: {message or code or 'no reason given'}",
            http_status=status,
        )
    return None


CONNECTION = Connection(authentication=lambda key: {"x-api-key": key}, refusal=_refusal)


def open_provider(account: str, options: Options, api: Api) -> Provider:
    """Open an account at GeminiGen."""
    return GeminiGen(account, options, api)


def open_signature(options: Options) -> geminigen_hooks.EventSignature | None:
    """Open what proves the account's webhooks."""
    return geminigen_hooks.open_signature(options.webhook_public_key)


hook_of = geminigen_hooks.hook_of


def recognises(body: Row) -> bool:
    """Tell whether a body looks like a record or a webhook of this service."""
    if geminigen_hooks.is_hook(body):
        return True
    return any("uuid" in record and record.keys() & _RECORD_FIELDS for record in _layers(body))


class GeminiGen:
    """One account at GeminiGen."""

    name = "geminigen"
    capabilities = Capabilities(
        listing_has_media=False,
        newest_first=True,
        retention=timedelta(days=30),
        requests_per_minute=60,
        requests_per_hour=0,
    )

    def __init__(self, account: str, options: Options, api: Api) -> None:
        self._account = account
        self._options = options
        self._api = api

    def pages(self, cursor: str | None = None) -> Iterator[Page]:
        """Walk the history; see `Provider`."""
        first = page_number(cursor)
        return walk_numbered(self._fetch_listing, self._parse_listed, "uuid", first)

    def detail(self, generation_id: str, listed: Row | None = None) -> Generation:
        """Fetch one generation; see `Provider`."""
        answer = self._api.get_json(f"/uapi/v1/history/{fields.path_segment(generation_id)}")
        return read_detail(
            self.name, generation_id, lambda: self._parse(listed, _record_in(answer))
        )

    def refresh(self, generation_id: str, listed: Row | None = None) -> Generation:
        """Fetch one generation with fresh links: each reading signs them anew."""
        return self.detail(generation_id, listed)

    def read(self, body: Row) -> Told:
        """Read an answer of `generate_image` or of the history, or a webhook; see `Provider`."""
        if geminigen_hooks.is_hook(body):
            return Told(id=geminigen_hooks.generation_id_in(body), generation=None)
        return read_whole(_innermost(body), self._parse_listed)

    def progress(self, generation: Generation) -> Progress:
        """Read `status_percentage`; see `Provider`."""
        record = fields.newest_record(generation.raw)
        return Progress(percent=fields.percentage(record, "status_percentage"))

    @property
    def maker(self) -> Maker:
        """What makes images here."""
        return GeminiGenMaker(self._api, lambda answer: self._parse_listed(_record_in(answer)))

    def _fetch_listing(self, number: int) -> Listing:
        query: dict[str, str | int] = {"filter_by": "all", "page": number}
        query["items_per_page"] = ITEMS_PER_PAGE
        answer = self._api.get_json("/uapi/v1/histories", query)
        records = records_of(self.name, answer, "result")
        envelope = answer if isinstance(answer, Mapping) else {}
        total = fields.count(envelope, "total")
        return Listing(records=records, page_size=ITEMS_PER_PAGE, total=total)

    def _parse_listed(self, row: Row) -> Generation:
        return self._parse(row, None)

    def _parse(self, listed: Row | None, detail: Row | None) -> Generation:
        record = fields.merge(listed, detail or {})
        generation = _generation_from(record, self._account, self._options.cdn_base_url)
        return replace(generation, raw=fields.raw_records(listed, detail))


def _generation_from(record: Row, account: str, cdn_base_url: str) -> Generation:
    status, kind = _status(record), kind_of(record)
    assets = assets_of(record, kind, cdn_base_url)
    credit = fields.amount(record, "used_credit")
    return Generation(
        provider=GeminiGen.name,
        account=account,
        id=fields.identity(record, "uuid"),
        kind=kind,
        status=status,
        created_at=fields.time(record, "created_at"),
        model=fields.optional_text(record, "model_name", "model"),
        prompt=fields.optional_text(record, "input_text"),
        negative_prompt=fields.optional_text(record, "negative_prompt"),
        name=fields.optional_text(record, "name"),
        expires_at=fields.time(record, "expired_at"),
        cost=Cost(amount=credit, unit="credits") if credit is not None else None,
        error=_failure(record) if status is Status.FAILED else None,
        parameters=_parameters(record),
        assets=settled(assets, status),
    )


def _status(record: Row) -> Status:
    """0 queued, 1 processing, 2 completed; all else, also below zero, has ended badly."""
    number = fields.integer(record, "status")
    if number is None or number in IN_PROGRESS:
        return Status.IN_PROGRESS
    return Status.COMPLETED if number == _COMPLETED else Status.FAILED


def _failure(record: Row) -> Failure:
    parts = [record, *(item for part in PARTS for item in fields.rows(record, part.field))]
    messages = [fields.optional_text(item, "error_message") for item in parts]
    code = fields.optional_text(record, "error_code") or fields.text(record, "status")
    said = next(filter(None, messages), None) or fields.optional_text(record, "status_desc")
    return Failure(code=code, message=said)


def _parameters(record: Row) -> dict[str, object]:
    """Gather what was asked for: from the row, then from the first output that says it."""
    found: dict[str, object] = {}
    for source in (record, *(item for part in PARTS for item in fields.rows(record, part.field))):
        asked = {name: value for name, value in source.items() if name in _PARAMETERS}
        found = {**fields.rest(asked, ()), **found}
    return found


def _record_in(answer: object) -> Row:
    if isinstance(answer, Mapping):
        return _innermost(answer)
    raise AnswerInvalid(f"geminigen answered {type(answer).__name__} where one generation was due")


def _innermost(body: Row) -> Row:
    return list(_layers(body))[-1]


def _layers(body: Row) -> Iterator[Row]:
    """Find the record: documented flat, seen under `result`, `data` and both."""
    layer: object = body
    while isinstance(layer, Mapping):
        yield layer
        layer = None if layer.get("uuid") else layer.get("data") or layer.get("result")


def _error_of(body: object) -> tuple[str, str]:
    """Read code and message from any of the four shapes of an error answer."""
    if not isinstance(body, Mapping):
        return "", ""
    said = body.get("detail")
    inner: Row = said if isinstance(said, Mapping) else {"code": said, "message": said}
    record = fields.merge(body, inner)
    code = fields.optional_text(record, "error_code", "code")
    message = fields.optional_text(record, "error_message", "message")
    return (code or message or "").strip(), message or ""
