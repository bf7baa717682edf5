"""NeuralBox (neuralbox.top): texts, images, videos, speech and audio of many models.

API: GET /api/v2/user/history and /api/v2/generate/{id} (older: /api/v2/generate/status/{id}).
The vendor publishes two contradictory pages for the same history; each row is read by whichever
names it uses. Filters differ between the two, so none is sent.
Paging: page numbers from 1, at most 100 rows a page. The order is not documented; both pages
show newest first. Were that wrong, a sweep finds what an early stop missed, long before the
90 days of the plans that may use the API are over.
Links: plain addresses on storage.neuralbox.top, neither signed nor in need of the key.
Retention goes by plan and no record states it: without `plan` it is unknown, and so is every
deadline. Thumbnails stand in the detail only.
Webhooks: announced (`{event: "generation.completed", generation_id, …}`), not in use yet.
Limits go by plan too. VIP also has 1000 requests a day; whether reading counts is not said.
Verified: read from the vendor's pages, 2026-11; nothing was tried against a live endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from pydantic import Field

from archiver.errors import AnswerInvalid, CredentialsRejected
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
from archiver.providers.fields import Row
from archiver.providers.inlets import Hook, digest_of
from archiver.providers.links import distinct, link, make_asset, names_file, settled
from archiver.providers.walk import Listing, page_number, records_of, walk_numbered

LIMIT = 100
FORBIDDEN = 403
Plan = Literal["starter", "basic", "pro", "vip", "elite"]
RETENTION_DAYS: Mapping[str, int | None] = {
    "starter": 7,
    "basic": 30,
    "pro": 90,
    "vip": 90,
    "elite": None,
}
REQUESTS_PER_HOUR = {"starter": 20, "basic": 30, "pro": 60, "vip": 100, "elite": 0}
REQUESTS_PER_DAY = {"starter": 150, "basic": 200, "pro": 500, "vip": 1000, "elite": 0}
_UNKNOWN_PLAN = "vip"
"""The API is for VIP and Elite: an account of unknown plan keeps to the tighter limits."""
_STATUSES = {
    "pending": Status.IN_PROGRESS,
    "queued": Status.IN_PROGRESS,
    "processing": Status.IN_PROGRESS,
    "completed": Status.COMPLETED,
    "failed": Status.FAILED,
}
_KINDS = {
    "text": Kind.TEXT,
    "stt": Kind.TEXT,
    "image": Kind.IMAGE,
    "video": Kind.VIDEO,
    "tts": Kind.AUDIO,
    "audio": Kind.AUDIO,
}
_FIXED = fields.names(
    "id type category model model_slug model_name status prompt negative_prompt url result_url "
    "result_text thumbnail_url tokens_used tokens_spent created_at completed_at error "
    "error_message progress eta_seconds balance_remaining is_favorited user_rating "
    "processing_ms"
)
_OWN_FIELDS = fields.names(
    "created_at completed_at category model model_slug url result_url result_text tokens_used "
    "tokens_spent progress eta_seconds"
)
_FOREIGN_FIELDS = fields.names("uuid generation_id createdAt outputUrl")


class Options(AccountOptions):
    """An account at NeuralBox."""

    provider: Literal["neuralbox"] = Field(description="NeuralBox (neuralbox.top)")
    base_url: str = Field("https://neuralbox.top", description="the API host")
    plan: Plan | None = Field(
        None, description="the account's plan: it decides retention and limits; else both unknown"
    )


def _refusal(status: int, body: object) -> Exception | None:
    """A 403 is about the plan as often as about the key: only some plans may use the API."""
    if status == FORBIDDEN and "plan" in str(body).lower():
        return CredentialsRejected(
            "neuralbox says that the plan is insufficient: API access needs VIP or Elite",
            http_status=status,
        )
    return None


CONNECTION = Connection(
    authentication=lambda key: {"authorization": f"Bearer {key}"}, refusal=_refusal
)


def open_provider(account: str, options: Options, api: Api) -> Provider:
    """Open an account at NeuralBox."""
    return NeuralBox(account, options, api)


def open_signature(options: Options) -> None:
    """Open nothing: how webhooks will be signed is not documented."""


def hook_of(body: Row) -> Hook:
    """Tell what an announced webhook, or a forwarded record, is about."""
    found = fields.identity(body, "generation_id" if _is_hook(body) else "id")
    happened = fields.text(body, "event") or fields.text(body, "status") or ""
    return Hook(generation_id=found, event=digest_of(found, happened))


def recognises(body: Row) -> bool:
    """Tell whether a body looks like a row, a status answer or the announced webhook."""
    names = body.keys()
    is_record = "id" in body and "status" in body and bool(names & _OWN_FIELDS)
    return _is_hook(body) or (is_record and not names & _FOREIGN_FIELDS)


class NeuralBox:
    """One account at NeuralBox."""

    name = "neuralbox"

    def __init__(self, account: str, options: Options, api: Api) -> None:
        self.capabilities = _capabilities(options.plan)
        self._account = account
        self._api = api

    def pages(self, cursor: str | None = None) -> Iterator[Page]:
        """Walk the history; see `Provider`."""
        return walk_numbered(self._fetch_listing, self._parse_listed, "id", page_number(cursor))

    def detail(self, generation_id: str, listed: Row | None = None) -> Generation:
        """Fetch one generation; its prompt and kind come from `listed`: the detail has none."""
        segment = fields.path_segment(generation_id)
        answer = get_detail(
            self._api, f"/api/v2/generate/{segment}", f"/api/v2/generate/status/{segment}"
        )
        if not isinstance(answer, Mapping):
            came = type(answer).__name__
            raise AnswerInvalid(
                f"neuralbox answered {came} where generation {generation_id} was due"
            )
        return read_detail(self.name, generation_id, lambda: self._parse(listed, answer))

    def refresh(self, generation_id: str, listed: Row | None = None) -> Generation:
        """Fetch one generation again; its links do not age."""
        return self.detail(generation_id, listed)

    def read(self, body: Row) -> Told:
        """Read a status answer or a row, or the announced webhook; see `Provider`."""
        if _is_hook(body):
            return Told(id=fields.identity(body, "generation_id"), generation=None)
        return read_whole(body, self._parse_listed)

    def progress(self, generation: Generation) -> Progress:
        """Read `progress` and `eta_seconds`; see `Provider`."""
        record = fields.newest_record(generation.raw)
        return Progress(
            percent=fields.percentage(record, "progress"),
            eta_seconds=fields.seconds(record, "eta_seconds"),
        )

    @property
    def maker(self) -> None:
        """It is only read here."""

    def _fetch_listing(self, number: int) -> Listing:
        answer = self._api.get_json("/api/v2/user/history", {"page": number, "limit": LIMIT})
        records = records_of(self.name, answer, "items")
        envelope = answer if isinstance(answer, Mapping) else {}
        total = fields.count(envelope, "total")
        last_page = fields.count(envelope, "pages") or _pages(total, envelope)
        return Listing(records=records, page_size=LIMIT, total=total, last_page=last_page)

    def _parse_listed(self, row: Row) -> Generation:
        return self._parse(row, None)

    def _parse(self, listed: Row | None, detail: Row | None) -> Generation:
        generation = _generation_from(fields.merge(listed, detail or {}), self._account)
        return replace(generation, raw=fields.raw_records(listed, detail))


def _capabilities(plan: str | None) -> Capabilities:
    days = RETENTION_DAYS[plan] if plan else None
    limited_as = plan or _UNKNOWN_PLAN
    return Capabilities(
        listing_has_media=True,
        detail_has_more=True,
        newest_first=True,
        retention=None if days is None else timedelta(days=days),
        requests_per_minute=60,
        requests_per_hour=REQUESTS_PER_HOUR[limited_as],
        requests_per_day=REQUESTS_PER_DAY[limited_as],
    )


def _pages(total: int | None, envelope: Row) -> int | None:
    """Count the pages where the answer does not: by the limit that it was made with."""
    limit = fields.count(envelope, "limit") or LIMIT
    return None if total is None else -(-total // limit)


def _generation_from(record: Row, account: str) -> Generation:
    assets = _assets(record)
    kind = _kind(record, assets)
    failure = _failure(record)
    status = fields.open_status(
        record,
        "status",
        _STATUSES,
        has_output=any(asset.sources for asset in assets) or bool(record.get("result_text")),
        has_error=failure is not None,
    )
    tokens = fields.amount(record, "tokens_used", "tokens_spent")
    return Generation(
        provider=NeuralBox.name,
        account=account,
        id=fields.identity(record, "id"),
        kind=kind,
        status=status,
        created_at=fields.time(record, "created_at"),
        model=fields.optional_text(record, "model", "model_slug", "model_name"),
        prompt=fields.optional_text(record, "prompt"),
        negative_prompt=fields.optional_text(record, "negative_prompt"),
        completed_at=fields.time(record, "completed_at"),
        cost=Cost(amount=tokens, unit="tokens") if tokens is not None else None,
        error=failure if status is Status.FAILED else None,
        parameters=fields.rest(record, _FIXED),
        assets=settled(assets, status),
    )


def _is_hook(body: Row) -> bool:
    return "event" in body and "generation_id" in body


def _stated_kind(record: Row) -> Kind | None:
    words = [fields.optional_text(record, name) or "" for name in ("type", "category")]
    return next((_KINDS[word.lower()] for word in words if word.lower() in _KINDS), None)


def _kind(record: Row, assets: tuple[Asset, ...]) -> Kind:
    """Take the stated kind; a detail has none, but its file or its text tell."""
    output = next((asset.kind for asset in assets if asset.role is Role.OUTPUT), None)
    told = output or (Kind.TEXT if record.get("result_text") else Kind.OTHER)
    return _stated_kind(record) or told


def _assets(record: Row) -> tuple[Asset, ...]:
    kind, urls = _stated_kind(record), (record.get("result_url"), record.get("url"))
    small = record.get("thumbnail_url")
    is_file = kind is not Kind.TEXT and names_file(*urls)
    return distinct(
        (
            make_asset("output", Role.OUTPUT, kind, map(link, urls), is_stated=is_file),
            make_asset(
                "thumbnail", Role.THUMBNAIL, Kind.IMAGE, [link(small)], is_stated=names_file(small)
            ),
        )
    )


def _failure(record: Row) -> Failure | None:
    """Read `error`: documented as a text; an object with code and message does as well."""
    said = record.get("error")
    inner: Row = said if isinstance(said, Mapping) else {"message": said}
    code = fields.optional_text(inner, "code")
    message = fields.optional_text(inner, "message") or fields.optional_text(
        record, "error_message"
    )
    return Failure(code=code, message=message) if code or message else None
