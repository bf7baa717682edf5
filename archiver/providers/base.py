"""The port every provider keeps, and what an account may set for any of them.

A provider turns a service's answers into generations. It yields and returns; it never
downloads media, writes, sleeps, retries or logs: that is done by the `Api` it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from archiver.errors import AnswerInvalid, GenerationNotFound, ProviderError
from archiver.model import BadRow, Generation, Kind, Page, Role, Status
from archiver.options import Duration
from archiver.providers.fields import RowInvalid, read_id
from archiver.providers.making import Maker
from archiver.secrets import SecretSource
from archiver.units import parse_time

Parameters = Mapping[str, str | int]
NOT_FOUND = 404
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """How a provider's API differs from others, as data.

    `listing_has_media`: a listed row names all its files; otherwise `detail` must be asked.
    `detail_has_more`: a finished row names its outputs, and its detail further files.
    `newest_first`: the listing's order lets a walk stop at what is known.
    `retention`: how long files stay when the provider does not say so in each row; None when
    that is not known or has no end.
    """

    listing_has_media: bool
    detail_has_more: bool = False
    newest_first: bool
    retention: timedelta | None
    requests_per_minute: int
    requests_per_hour: int
    requests_per_day: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a body says that a service made itself (an answer, a webhook): of which generation.

    `generation` is the whole of it where the body is its full record; None: it is but a hint.
    """

    id: str
    generation: Generation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a provider says it is with a generation; None where it does not say."""

    percent: int | None = None
    eta_seconds: float | None = None


class Api(Protocol):
    """One account's API as an adapter sees it: authenticated, paced, retried, checked.

    Every method raises a ProviderError. `path` is relative to the account's base URL.
    """

    def get_json(self, path: str, parameters: Parameters | None = None) -> object:
        """Fetch a JSON document of any shape."""

    def get_text(self, path: str, parameters: Parameters | None = None) -> str:
        """Fetch a short text/plain answer, without surrounding white space."""

    def post_form(self, path: str, fields: Mapping[str, str], files: Sequence[Path]) -> object:
        """Send a form, with `files` as its parts "files", and return the JSON that answers it.

        Sent again only when it certainly was not taken; else MakingUncertain.
        """


class Provider(Protocol):
    """One account at one provider. Methods MAY be called from several threads."""

    name: str
    capabilities: Capabilities

    def pages(self, cursor: str | None = None) -> Iterator[Page]:
        """Walk the history from its start, or go on behind `cursor`, one page a request.

        MUST end by itself against a server that repeats pages or ignores cursors. A row that
        cannot be understood MUST come as a BadRow in its place.
        """

    def detail(self, generation_id: str, listed: Mapping[str, object] | None = None) -> Generation:
        """Fetch one generation with all its files; `listed` is its raw["list"], when known.

        Raises GenerationNotFound only when the provider says that there is no such id.
        """

    def refresh(self, generation_id: str, listed: Mapping[str, object] | None = None) -> Generation:
        """Fetch one generation with links as fresh as the provider can make them."""

    def read(self, body: Mapping[str, object]) -> Told:
        """Read a body that the service made itself; raises RowInvalid, which names the field."""

    def progress(self, generation: Generation) -> Progress:
        """Tell by the provider's own word, in `generation.raw`, how far it is. Never raises."""

    @property
    def maker(self) -> Maker | None:
        """What makes new generations; None where they can only be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What the HTTP client needs to know of a provider to make its `Api`.

    `authentication` makes the headers that carry the key. `refusal` reads an error answer
    (status, JSON body or None) where the service departs from the meaning of HTTP statuses:
    it returns the error to raise, or None to let the status speak.
    """

    authentication: Callable[[str], Mapping[str, str]]
    refusal: Callable[[int, object], Exception | None]


def validate_base_url(base_url: str) -> str:
    """Return the address, or raise ValueError: over no other may a key travel (promise 8)."""
    if not base_url.isprintable() or re.search(r"[\s?#\\]", base_url):
        raise ValueError("is no address of a host: it holds spaces, a query or a fragment")
    try:
        parts = urlsplit(base_url)
        host, is_whole = parts.hostname or "", parts.port != 0 and parts.username is None
    except ValueError as error:
        raise ValueError(f"is no address: {error}") from None
    is_kept_secret = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if is_whole and is_kept_secret and _HOST.fullmatch(host):
        return base_url
    shown = f"{parts.scheme}://{host}" if parts.scheme and host else "this"
    raise ValueError(f"must be https://HOST (http only to loopback, no user in it), not {shown}")


class AccountOptions(BaseModel):
    """What every account has; each provider's `Options` adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(description="which provider: geminigen, oxen, sync, neuralbox")
    api_key: SecretSource = Field(description="where the key is kept")
    base_url: str = Field(description="the provider's API host, when it is another one")
    retention: Duration | None = Field(
        None, description="how long files stay there; else the provider's own word, or its plan's"
    )
    requests_per_minute: int | None = Field(
        None, ge=0, description="upper bound of API requests; 0 means no limit"
    )
    requests_per_hour: int | None = Field(None, ge=0, description="likewise for an hour")
    requests_per_day: int | None = Field(None, ge=0, description="likewise for a day")
    every: Duration | None = Field(None, description="poll this account at its own interval")
    kinds: tuple[Kind, ...] | None = Field(None, description="keep only these kinds; else all")
    since: datetime | None = Field(None, description="leave out generations made before")
    webhook_token: SecretSource | None = Field(
        None, description="where the last part of the webhooks' address is kept: a long random word"
    )

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        return validate_base_url(value)

    @field_validator("since", mode="before")
    @classmethod
    def _read_since(cls, value: object) -> datetime | None:
        return None if value is None else parse_time(value)


def read_rows(
    rows: Iterable[object], parse: Callable[[Mapping[str, object]], Generation]
) -> tuple[Generation | BadRow, ...]:
    """Parse each row of a page; one that is malformed becomes a BadRow with its id and reason."""
    return tuple(_read_row(row, parse) for row in rows)


def _read_row(
    row: object, parse: Callable[[Mapping[str, object]], Generation]
) -> Generation | BadRow:
    if not isinstance(row, Mapping):
        return BadRow(id=None, reason=f"is {type(row).__name__}, not an object")
    try:
        return parse(row)
    except RowInvalid as error:
        return BadRow(id=read_id(row), reason=str(error))
    except RecursionError:
        return BadRow(id=read_id(row), reason="is nested too deeply")


def read_detail(provider: str, generation_id: str, parse: Callable[[], Generation]) -> Generation:
    """Parse the answer about one generation; raises AnswerInvalid unless it is about that one."""
    try:
        generation = parse()
    except RowInvalid as error:
        raise AnswerInvalid(f"{provider} generation {generation_id}: {error}") from None
    except RecursionError:
        raise AnswerInvalid(f"{provider} generation {generation_id} is nested too deeply") from None
    if generation.id != generation_id:
        raise AnswerInvalid(
            f"{provider} was asked for generation {generation_id} and answered {generation.id}"
        )
    return generation


def read_whole(record: Mapping[str, object], parse: Callable[..., Generation]) -> Told:
    """Read a record that a service handed out; what says it is finished, of no file, is a hint.

    To take such a one for the whole would close a generation without its files (promise 1).
    """
    try:
        found = parse(record)
    except RecursionError:
        raise RowInvalid("the body is nested too deeply") from None
    has_output = any(one.role is Role.OUTPUT and one.sources for one in found.assets)
    is_whole = found.status is not Status.COMPLETED or has_output
    return Told(id=found.id, generation=found if is_whole else None)


def get_detail(api: Api, *paths: str) -> object:
    """Ask for one generation where it may be found: each path behind one that answers 404.

    Raises GenerationNotFound when all do and at least one spoke of the generation; a page of a
    web server at all of them proves nothing.
    """
    refused: list[ProviderError] = []
    for path in paths:
        try:
            return api.get_json(path)
        except ProviderError as error:
            if error.http_status != NOT_FOUND:
                raise
            refused.append(error)
    raise next((error for error in refused if isinstance(error, GenerationNotFound)), refused[-1])
