"""Sync's webhooks: the generation itself, with an HMAC over the time and the body.

Header `Sync-Signature` (a page of the vendor's says `X-Signature-Primary`): `t=<unix>,v1=<hex>`,
HMAC-SHA256 with the whole `whsec_…` text over `{t}.{body}`. The vendor's sample writes the body
anew as compact JSON before it compares, so both are accepted.
Verified: read from the vendor's pages, 2026-11; nothing was tried against a live endpoint.
"""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from archiver.providers import fields
from archiver.providers.fields import Row
from archiver.providers.inlets import Delivery, Hook, HookRefused, digest_of, is_same
from archiver.secrets import SecretSource

HEADERS = ("sync-signature", "x-signature-primary")
TOLERANCE = timedelta(minutes=5)
MAX_SIGNATURES = 10
_MILLISECONDS_FROM = 10**11


def hook_of(body: Row) -> Hook:
    """Tell what a webhook is about: a generation that reached a status."""
    found = fields.identity(body, "id")
    return Hook(generation_id=found, event=digest_of(found, fields.text(body, "status") or ""))


def open_signature(source: SecretSource | None) -> TimedSignature | None:
    """Open the signing secret of the config."""
    return TimedSignature(source.read()) if source is not None else None


class TimedSignature:
    """The signature of Sync's webhooks, which is good for five minutes."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def check(self, delivery: Delivery) -> None:
        """Check one delivery, all of which is signed; see `Signature`."""
        value = next((delivery.headers[name] for name in HEADERS if name in delivery.headers), "")
        time, signatures = _read(value)
        expected = [self._sign(time, body) for body in (delivery.body, _compact(delivery.record))]
        matches = [is_same(given, one) for given in signatures for one in expected]
        if not any(matches):
            raise HookRefused("forged", f"{HEADERS[0]} was not made with the signing secret")
        if abs(delivery.received_at - _moment(time)) > TOLERANCE:
            raise HookRefused("stale", f"{HEADERS[0]} is of another time: t={time}")

    def _sign(self, time: str, body: bytes) -> str:
        return hmac.new(self._secret, f"{time}.".encode() + body, sha256).hexdigest()


def _read(value: str) -> tuple[str, list[str]]:
    """Take the time and the signatures out of `t=…,v1=…,v1=…`."""
    pairs = [part.strip().partition("=") for part in value.split(",")]
    times = [text for name, _, text in pairs if name == "t"]
    signatures = [text.lower() for name, _, text in pairs if name == "v1"][:MAX_SIGNATURES]
    is_time = len(times) == 1 and times[0].isascii() and times[0].isdecimal()
    if not is_time or not signatures:
        raise HookRefused("forged", f"{HEADERS[0]} is missing, or not t=TIME,v1=SIGNATURE")
    return times[0], signatures


def _moment(time: str) -> datetime:
    """Read a signature's time: Unix seconds, or milliseconds where it can be nothing else."""
    try:
        number = int(time)
        seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.min.replace(tzinfo=UTC)


def _compact(record: Row) -> bytes:
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")
