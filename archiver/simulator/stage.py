"""What every simulated API is given: the world, the time, its own address, and links to media."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Literal, Protocol
from urllib.parse import quote
from uuid import UUID

from archiver.simulator.history import Order
from archiver.simulator.item import File, Item, Outcome
from archiver.simulator.links import LinkSigner
from archiver.simulator.wire import Request, Response
from archiver.simulator.world import World

HOUR_SECONDS = 3600
WEEK_SECONDS = 7 * 24 * HOUR_SECONDS


@dataclass(slots=True, kw_only=True)
class Switches:
    """How the servers behave where the vendors' documents are silent or disagree.

    Change any of them while the servers run.
    """

    order: Order = "newest"
    """In which order listings come: no vendor but Sync (with `limit`) documents one."""

    past_end: Literal["empty", "not_found"] = "empty"
    """What a page after the last one is, at GeminiGen and NeuralBox."""

    gone_status: Literal[404, 410] = 404
    """What the media host answers for media past its retention."""

    link_life_seconds: dict[str, int] = field(
        default_factory=lambda: {
            "geminigen": HOUR_SECONDS,
            "oxen": HOUR_SECONDS,
            "sync": WEEK_SECONDS,
            "neuralbox": HOUR_SECONDS,
        }
    )
    geminigen_page_size_max: int = 100
    geminigen_text_status_share: int = 7
    """One item in so many has its status as a string; 0 for none."""

    geminigen_arrays_in_list: bool = False
    """Whether list rows carry the generated_… arrays too."""

    geminigen_making_seconds: float = 2.0
    """How long `generate_image` takes."""

    geminigen_making_ends: Outcome = "completed"
    """How what `generate_image` begins will end."""

    geminigen_credit: int = 5000
    """Without any, `generate_image` answers 402."""

    geminigen_processing_max: int | None = None
    """While so many of its images are being made, `generate_image` answers 429."""

    sync_knows_paging: bool = True
    """When False, limit and cursor are ignored and everything comes, in no order."""

    sync_watermark: bool = False
    """When True, /download gives other bytes than before: another plan, another file."""

    neuralbox_schema: Literal["old", "new"] = "old"
    neuralbox_plan: str = "vip"
    """Below vip, the API answers 403."""

    neuralbox_hourly_budget: int | None = None
    """After so many requests within an hour the API answers 429."""


class Api(Protocol):
    """One simulated host: turns a request into a response, and never raises."""

    def answer(self, request: Request) -> Response:
        """Return the response; called from many threads at once."""


class ProviderApi(Api, Protocol):
    """The API of a provider, which can also write a generation without being asked over HTTP."""

    def body(self, item: Item, shape: str) -> dict[str, object]:
        """Return an item as it is at this moment, in one of the provider's shapes."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """Shared by all APIs of one simulator. Base URLs have no slash at their end."""

    world: World
    switches: Switches
    signer: LinkSigner
    keys: dict[str, str]
    base_urls: dict[str, str] = field(default_factory=dict)
    webhook_urls: dict[str, str] = field(default_factory=dict)

    def now(self) -> datetime:
        """Return the world's time."""
        return self.world.clock()

    def link(self, file: File | None, provider: str, life_seconds: int | None = None) -> str:
        """Return the URL under which a provider's API offers a file; "" for no file."""
        if file is None:
            return ""
        if file.url is not None:
            return file.url
        if not file.signed:
            return self.base_urls["media"] + quote(file.path)
        life = life_seconds or self.switches.link_life_seconds[provider]
        return self.base_urls["media"] + self.signer.sign(file.path, self.now(), life)

    def output_link(self, item: Item) -> str | None:
        """Return the link to an item's first output once it is complete."""
        outputs = item.files_of("output")
        if not outputs or item.state(self.now()) != "completed":
            return None
        return self.link(outputs[0], item.provider)

    def event_of(self, item: Item) -> str:
        """Return the uuid of the event that an item came into its present state."""
        return str(UUID(self.token("event", item.key, item.state(self.now()))))

    def token(self, *words: str) -> str:
        """Return a token that only this simulator gives out, as 32 hex digits."""
        text = "/".join((str(self.world.seed), *words))
        return blake2b(text.encode(), digest_size=16).hexdigest()


def iso_milliseconds(moment: datetime) -> str:
    """Write a time as GeminiGen and Sync do: 2025-09-27T13:30:05.089Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def iso_seconds(moment: datetime) -> str:
    """Write a time as NeuralBox does: 2026-03-08T12:02:30Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
