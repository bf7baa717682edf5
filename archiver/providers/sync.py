"""Sync (sync.so): lip-synced videos.

API: GET /v2/generations, /v2/generations/{id} (older: /v2/generate/{id}) and
/v2/generations/{id}/download; the vendor's API reference.
Paging: `limit` (at most 100) and `cursor`, the id of the last row; newest first only with a
limit. Older servers know neither and answer with everything at once, in no order. The answer is
a bare list without a total. It covers the whole organisation: see `project_id` and `sources`.
Links: `outputUrl` carries its own token and needs no key. `download` answers with a bare signed
address (seven days are asked for): the documented way to a fresh link. It may give the clean or
the watermarked file, by the plan of the moment. How long files stay is not documented.
Webhooks: to the `webhookUrl` of the call that made a generation, see `sync_hooks`.
Verified: read from the vendor's pages, 2026-11; nothing was tried against a live endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field

from archiver.errors import AnswerInvalid, GenerationNotFound, ProviderError
from archiver.model import Asset, Failure, Generation, Kind, Link, Page, Role, Status
from archiver.providers import fields, sync_hooks
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
    read_rows,
    read_whole,
)
from archiver.providers.fields import Row
from archiver.providers.links import distinct, link, make_asset, names_file, settled
from archiver.providers.walk import MAX_BARREN_PAGES, Seen, fingerprint, listing_missing
from archiver.secrets import SecretSource

LIMIT = 100
_STATUSES = {
    "pending": Status.IN_PROGRESS,
    "processing": Status.IN_PROGRESS,
    "completed": Status.COMPLETED,
    "failed": Status.FAILED,
    "rejected": Status.FAILED,
    "canceled": Status.FAILED,
    "cancelled": Status.FAILED,
    "timed_out": Status.FAILED,
}
_FIXED = fields.names(
    "id createdAt status model input error errorCode error_code outputUrl outputMediaUrl "
    "outputFileName segmentOutputUrl synthesizedAudioUrl webhookUrl"
)
_OWN_FIELDS = fields.names(
    "createdAt input outputUrl outputMediaUrl outputFileName segmentOutputUrl webhookUrl projectId"
)
_FOREIGN_FIELDS = fields.names("uuid generation_id created_at event event_name")
_KINDS = {"video": Kind.VIDEO, "audio": Kind.AUDIO, "image": Kind.IMAGE}


class Options(AccountOptions):
    """An account at Sync."""

    provider: Literal["sync"] = Field(description="Sync (sync.so)")
    base_url: str = Field("https://api.sync.so", description="the API host")
    project_id: str | None = Field(
        None, description="list this project only; else the whole organisation's work"
    )
    sources: tuple[str, ...] = Field(
        (), description='list only what came from these sources, such as "api" or "playground"'
    )
    webhook_secret: SecretSource | None = Field(
        None, description="where the signing secret of webhooks is kept (whsec_…)"
    )


CONNECTION = Connection(
    authentication=lambda key: {"x-api-key": key},
    refusal=lambda status, body: None,
)


def open_provider(account: str, options: Options, api: Api) -> Provider:
    """Open an account at Sync."""
    return Sync(account, options, api)


def open_signature(options: Options) -> sync_hooks.TimedSignature | None:
    """Open what proves the account's webhooks."""
    return sync_hooks.open_signature(options.webhook_secret)


hook_of = sync_hooks.hook_of


def recognises(body: Row) -> bool:
    """Tell whether a body looks like a generation, which is a webhook's body as well."""
    names = body.keys()
    return "id" in body and bool(names & _OWN_FIELDS) and not names & _FOREIGN_FIELDS


class Sync:
    """One account at Sync."""

    name = "sync"
    capabilities = Capabilities(
        listing_has_media=True,
        newest_first=True,
        retention=None,
        requests_per_minute=60,
        requests_per_hour=0,
    )

    def __init__(self, account: str, options: Options, api: Api) -> None:
        self._account = account
        self._options = options
        self._api = api

    def pages(self, cursor: str | None = None) -> Iterator[Page]:
        """Walk the history by the id of each page's last row; ends where nothing new comes.

        A short page does not end the walk: a server may cap the limit; nor does the first page
        without anything new: the same one is asked for again. Two more requests are cheaper
        than a generation that is never listed.
        """
        seen = Seen()
        barren, is_first = 0, True
        while barren < MAX_BARREN_PAGES:
            records = self._fetch_listing(cursor)
            new = sum(seen.add(fingerprint(record, "id")) for record in records)
            barren = 0 if new else barren + 1
            if not new and not is_first:
                continue
            is_first, cursor = False, _next_cursor(records, cursor) if new else None
            rows = read_rows(records, self._parse_listed)
            yield Page(rows=rows, total=None, next_cursor=cursor)
            if cursor is None:
                return

    def detail(self, generation_id: str, listed: Row | None = None) -> Generation:
        """Fetch one generation; see `Provider`."""
        segment = fields.path_segment(generation_id)
        answer = get_detail(self._api, f"/v2/generations/{segment}", f"/v2/generate/{segment}")
        if not isinstance(answer, Mapping):
            came = type(answer).__name__
            raise AnswerInvalid(f"sync answered {came} where generation {generation_id} was due")
        return read_detail(self.name, generation_id, lambda: self._parse(listed, answer))

    def refresh(self, generation_id: str, listed: Row | None = None) -> Generation:
        """Fetch one generation, and a fresh link to its output as the first source.

        Where the service gives no such link, those of the detail have to do.
        """
        generation = self.detail(generation_id, listed)
        if generation.status is not Status.COMPLETED:
            return generation
        try:
            fresh = self._fetch_download_link(fields.path_segment(generation_id))
        except ProviderError as error:
            if error.is_transient:
                raise
            return generation
        return replace(generation, assets=_with_first_source(generation.assets, fresh))

    def read(self, body: Row) -> Told:
        """Read a generation, or a webhook, which is the same object; see `Provider`."""
        return read_whole(body, self._parse_listed)

    def progress(self, generation: Generation) -> Progress:
        """Nothing is said of it."""
        return Progress()

    @property
    def maker(self) -> None:
        """It is only read here."""

    def _fetch_listing(self, cursor: str | None) -> list[object]:
        query: dict[str, str | int] = {"limit": LIMIT}
        if cursor is not None:
            query["cursor"] = cursor
        if self._options.project_id is not None:
            query["projectId"] = self._options.project_id
        if self._options.sources:
            query["source"] = ",".join(self._options.sources)
        try:
            answer = self._api.get_json("/v2/generations", query)
        except GenerationNotFound as error:
            raise listing_missing(error) from None
        if isinstance(answer, list):
            return answer
        raise AnswerInvalid(f"sync answered a listing with {type(answer).__name__}, not a list")

    def _fetch_download_link(self, segment: str) -> Link:
        answer = self._api.get_text(f"/v2/generations/{segment}/download")
        found = link(answer.strip('" \r\n'))
        if found is None:
            raise AnswerInvalid(f"sync answered a download of {segment} with no address")
        return found

    def _parse_listed(self, row: Row) -> Generation:
        return self._parse(row, None)

    def _parse(self, listed: Row | None, detail: Row | None) -> Generation:
        generation = _generation_from(fields.merge(listed, detail or {}), self._account)
        return replace(generation, raw=fields.raw_records(listed, detail))


def _next_cursor(records: list[object], cursor: str | None) -> str | None:
    """Take the last id; None when more came than was asked for (that was everything)."""
    if len(records) > LIMIT:
        return None
    named = [record for record in records if isinstance(record, Mapping)]
    ids = [found for record in named if (found := fields.stated_id(record, "id"))]
    return ids[-1] if ids and ids[-1] != cursor else None


def _generation_from(record: Row, account: str) -> Generation:
    inputs = fields.rows(record, "input")
    assets = distinct((*_outputs(record), *_references(inputs)))
    failure = _failure(record)
    status = fields.open_status(
        record,
        "status",
        _STATUSES,
        has_output=any(asset.key == "output" and asset.sources for asset in assets),
        has_error=failure is not None,
    )
    return Generation(
        provider=Sync.name,
        account=account,
        id=fields.identity(record, "id"),
        kind=Kind.VIDEO,
        status=status,
        created_at=fields.time(record, "createdAt"),
        model=fields.optional_text(record, "model"),
        prompt=_prompt(inputs),
        name=fields.optional_text(record, "outputFileName"),
        error=failure if status is Status.FAILED else None,
        parameters=fields.rest(record, _FIXED),
        assets=settled(assets, status),
    )


def _failure(record: Row) -> Failure | None:
    code = fields.optional_text(record, "errorCode", "error_code")
    message = fields.optional_text(record, "error")
    return Failure(code=code, message=message) if code or message else None


def _outputs(record: Row) -> Iterator[Asset | None]:
    urls = (record.get("outputMediaUrl"), record.get("outputUrl"))
    output = _output("output", Role.OUTPUT, Kind.VIDEO, *urls)
    name = fields.optional_text(record, "outputFileName")
    yield replace(output, original_name=name) if output and name else output
    yield _output("segment", Role.SEGMENT, Kind.VIDEO, record.get("segmentOutputUrl"))
    yield _output("speech", Role.SPEECH, Kind.AUDIO, record.get("synthesizedAudioUrl"))


def _output(key: str, role: Role, kind: Kind, *urls: object) -> Asset | None:
    return make_asset(key, role, kind, map(link, urls), is_stated=names_file(*urls))


def _references(inputs: tuple[Row, ...]) -> Iterator[Asset | None]:
    for position, item in enumerate(inputs, start=1):
        kind = _KINDS.get((fields.optional_text(item, "type") or "").lower())
        source = link(item.get("url"))
        yield make_asset(f"reference:{position}", Role.REFERENCE, kind, [source])


def _prompt(inputs: tuple[Row, ...]) -> str | None:
    """Join the texts that were given to be spoken."""
    texts = []
    for item in inputs:
        voice = item.get("provider")
        said = fields.optional_text(item, "text", "script")
        if said is None and isinstance(voice, Mapping):
            said = fields.optional_text(voice, "script", "text")
        texts.append(said)
    return "\n".join(filter(None, texts)) or None


def _with_first_source(assets: tuple[Asset, ...], fresh: Link) -> tuple[Asset, ...]:
    """Put a fresh link before the others of the output, or make the output of it."""
    output = next((asset for asset in assets if asset.key == "output"), None)
    if output is None:
        made = make_asset("output", Role.OUTPUT, Kind.VIDEO, [fresh])
        return (made, *assets) if made else assets
    others = tuple(source for source in output.sources if source != fresh)
    renewed = replace(output, sources=(fresh, *others))
    return tuple(renewed if asset is output else asset for asset in assets)
