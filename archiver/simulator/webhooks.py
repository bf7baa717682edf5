"""The webhooks of the simulated services: registered, signed, sent, and sent again.

A URL is registered as a user would in the vendor's dashboard (GeminiGen) or on every create call
(Sync). Oxen has no webhooks and NeuralBox has only announced them: theirs are what a relay of the
user's own would post, unsigned.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from archiver.simulator.courier import Courier
from archiver.simulator.item import Item
from archiver.simulator.posting import Delivery, Sent, post_delivery
from archiver.simulator.signing import RsaKey, sign_with_secret
from archiver.simulator.stage import ProviderApi, Stage

SHAPES: Mapping[str, tuple[str, ...]] = {
    "geminigen": ("event", "event_name", "answer", "detail", "row"),
    "sync": ("webhook", "detail"),
    "oxen": ("detail", "row", "queue"),
    "neuralbox": ("event", "detail", "row"),
}
"""Every shape in which a service writes a generation; the first is the one of its webhook."""

_EVENT_FIELDS = {"event": "uuid", "event_name": "event_uuid"}
"""Where the webhooks of GeminiGen have the event's own uuid; its records are never sent."""

SignedOver = Literal["event", "body", "compact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Where a service sends, and how it signs.

    `signed_over`: "event" is the uuid of the event (GeminiGen only), "body" the bytes as sent,
    "compact" the body as compact JSON, while it is sent with spaces (Sync only).
    """

    provider: str
    url: str
    shape: str
    automatic: bool
    signed_over: SignedOver
    header: str
    since_at: datetime


class Webhooks:
    """All webhooks of one simulator. Its three settings may be changed at any time."""

    def __init__(self, stage: Stage, apis: Mapping[str, ProviderApi]) -> None:
        """Start without any registration."""
        self.retries = 3
        self.retry_after_seconds = 0.2
        self.timeout_seconds = 10.0
        self.sent: list[Sent] = []
        self._stage, self._apis = stage, apis
        self._key = RsaKey()
        self._registered: dict[str, Registration] = {}
        self._courier = Courier(stage.world, self._automatic_since, self._deliver)

    @property
    def public_key(self) -> str:
        """Return the PEM of GeminiGen's public key."""
        return self._key.public_pem

    @property
    def secret(self) -> str:
        """Return Sync's signing secret."""
        return f"whsec_{self._stage.token('webhook secret')}"

    def register(
        self,
        provider: str,
        url: str,
        *,
        shape: str | None = None,
        automatic: bool = True,
        signed_over: SignedOver | None = None,
        header: str = "Sync-Signature",
    ) -> Registration:
        """Let a provider send to a URL, in place of the one before.

        With `automatic` each item that ends from now on is sent by itself, with retries.
        """
        if urlsplit(url).scheme != "http":
            raise ValueError(f"webhooks go to http addresses only, not to {url}")
        registration = Registration(
            provider=provider,
            url=url,
            shape=shape or SHAPES[provider][0],
            automatic=automatic,
            signed_over=signed_over or ("event" if provider == "geminigen" else "body"),
            header="x-signature" if provider == "geminigen" else header,
            since_at=self._stage.now(),
        )
        self._registered[provider] = registration
        self._stage.webhook_urls[provider] = url
        if automatic:
            self._courier.watch(provider)
        return registration

    def unregister(self, provider: str) -> None:
        """Let a provider send nothing more."""
        del self._registered[provider]
        del self._stage.webhook_urls[provider]

    def body(self, item: Item, shape: str) -> dict[str, object]:
        """Return an item as its service writes it at this moment in one of `SHAPES`."""
        return self._apis[item.provider].body(self._current(item), shape)

    def make(
        self,
        item: Item,
        shape: str | None = None,
        *,
        sent_at: datetime | None = None,
        event: str | None = None,
    ) -> Delivery:
        """Build and sign the webhook of an item; `event` tells a second event of it apart.

        KeyError where the provider is not registered, or sends no webhook of that shape.
        """
        registration = self._registration(item.provider)
        shape = shape or registration.shape
        body = self.body(item, shape)
        event = event or self._stage.event_of(self._current(item))
        if item.provider == "geminigen":
            body[_EVENT_FIELDS[shape]] = event
        is_compact = registration.signed_over == "compact"
        written = json.dumps(body, ensure_ascii=False).encode() if is_compact else _compact(body)
        return self.make_raw(item.provider, written, sent_at=sent_at, event=event, item_id=item.id)

    def make_raw(
        self,
        provider: str,
        body: bytes,
        *,
        sent_at: datetime | None = None,
        event: str = "",
        item_id: str = "",
    ) -> Delivery:
        """Sign any bytes as the service would."""
        registration = self._registration(provider)
        headers = {"Content-Type": "application/json", "User-Agent": f"{provider}-webhooks"}
        headers |= self._signature(registration, body, event, sent_at or self._stage.now())
        return Delivery(
            provider=provider,
            url=registration.url,
            headers=headers,
            body=body,
            item_id=item_id,
            event=event,
        )

    def post(self, delivery: Delivery, *, attempt: int = 1) -> int:
        """Post a delivery once, and return the status: 0 where nobody answered."""
        started = time.monotonic()
        status = post_delivery(delivery, self.timeout_seconds)
        self.sent.append(
            Sent(
                provider=delivery.provider,
                item_id=delivery.item_id,
                event=delivery.event,
                attempt=attempt,
                status=status,
                seconds=time.monotonic() - started,
            )
        )
        return status

    def send(self, item: Item, shape: str | None = None) -> int:
        """Post the webhook of an item once, and return the status."""
        return self.post(self.make(item, shape))

    def burst(self, items: Iterable[Item], at_once: int = 16) -> list[int]:
        """Post the webhooks of many items, several at a time, and return their statuses."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(self.send, items))

    def settle(self, timeout_seconds: float = 10.0) -> None:
        """Wait until all that goes out by itself was delivered or given up; else TimeoutError."""
        self._courier.settle(timeout_seconds)

    def stop(self) -> None:
        """Send nothing more. May be called twice."""
        self._courier.stop()

    def _automatic_since(self, provider: str) -> datetime | None:
        """Return since when a provider sends by itself, or None."""
        registration = self._registered.get(provider)
        return registration.since_at if registration and registration.automatic else None

    def _deliver(self, item: Item) -> None:
        """Post until somebody takes it, as often as services do."""
        delivery = self.make(item)
        for attempt in range(1, self.retries + 2):
            if 200 <= self.post(delivery, attempt=attempt) < 300:
                return
            if self._courier.pause(self.retry_after_seconds):
                return

    def _registration(self, provider: str) -> Registration:
        """Return where a provider sends, or raise KeyError."""
        if provider not in self._registered:
            raise KeyError(f"no webhook of {provider} is registered")
        return self._registered[provider]

    def _current(self, item: Item) -> Item:
        """Return an item as it is now; one that was deleted as it was."""
        return self._stage.world.item(item.provider, item.id) or item

    def _signature(
        self, registration: Registration, body: bytes, event: str, moment: datetime
    ) -> dict[str, str]:
        """Return the signature header of a service that signs."""
        if registration.provider == "geminigen":
            signed = event.encode() if registration.signed_over == "event" else body
            return {registration.header: self._key.sign(signed)}
        if registration.provider == "sync":
            is_compact = registration.signed_over == "compact"
            signed = _compact(json.loads(body)) if is_compact else body
            return {registration.header: sign_with_secret(self.secret, signed, moment)}
        return {}


def _compact(document: object) -> bytes:
    """Write JSON as JavaScript does."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
