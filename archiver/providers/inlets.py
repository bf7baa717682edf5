"""Webhooks: what proves that one came from the provider, and what it is about (promise 8).

A webhook is a hint and never a source: it names a generation, which is then asked for by id.
So a forged one could at worst cost a few requests, and even that takes a signature or a token.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib import import_module
from types import ModuleType
from typing import Protocol

from archiver.providers import PROVIDERS
from archiver.providers.base import AccountOptions
from archiver.providers.fields import Row, RowInvalid


class HookRefused(Exception):
    """A webhook that is not taken. `reason` is "forged", "stale" or "malformed"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What a webhook is about. `event` is a hex digest, the same for each delivery of one event.

    An event is one of its generation: the same digest with another one is another event.
    """

    generation_id: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook as it came: `headers` by lower-case name, and the body raw and read."""

    headers: Mapping[str, str]
    body: bytes
    record: Row
    received_at: datetime


class Signature(Protocol):
    """How one account's provider signs its webhooks."""

    def check(self, delivery: Delivery) -> None:
        """Raise HookRefused unless the provider itself signed this delivery, or its event.

        A signature that covers less than the body may come again around another one: that is
        heard, and costs the few requests that tell that there is nothing new.
        """


class Inlet(Protocol):
    """Where one account's webhooks come in."""

    def check(
        self, headers: Mapping[str, str], token: str | None, body: bytes, now: datetime
    ) -> Hook:
        """Tell what a webhook is about, or raise HookRefused; `headers` have lower-case names.

        Every means of proof that the account's options name is required. Compares take the
        same time whatever they compare.
        """


def open_inlet(options: AccountOptions) -> Inlet | None:
    """Open an account's inlet; None when its options name no proof, so that none is taken.

    Raises ConfigInvalid when a secret cannot be read or a key is none.
    """
    module: ModuleType = import_module(PROVIDERS[options.provider])
    signature: Signature | None = module.open_signature(options)
    token = options.webhook_token.read() if options.webhook_token is not None else None
    if signature is None and token is None:
        return None
    return _AccountInlet(signature, token, module.hook_of)


def digest_of(*words: str) -> str:
    """Make the digest of an event from what names it."""
    return sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()


class _AccountInlet:
    """The inlet of one account: the token, then the signature, then what the body names."""

    def __init__(
        self, signature: Signature | None, token: str | None, hook_of: Callable[[Row], Hook]
    ) -> None:
        self._signature = signature
        self._token = token
        self._hook_of = hook_of

    def check(
        self, headers: Mapping[str, str], token: str | None, body: bytes, now: datetime
    ) -> Hook:
        """Check one webhook; see `Inlet`."""
        if self._token is not None and not is_same(token or "", self._token):
            raise HookRefused("forged", "the token at the end of the address is another one")
        record = _read(body)
        delivery = Delivery(headers=headers, body=body, record=record, received_at=now)
        if self._signature is not None:
            self._signature.check(delivery)
        try:
            return self._hook_of(record)
        except RowInvalid as error:
            raise HookRefused("malformed", str(error)) from None


def is_same(given: str, expected: str) -> bool:
    """Compare two texts in a time that tells nothing of where they differ."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )


def _read(body: bytes) -> Row:
    try:
        record = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise HookRefused("malformed", "the body is no JSON") from None
    if isinstance(record, dict):
        return record
    raise HookRefused("malformed", f"the body is {type(record).__name__}, not an object")


def _refuse(constant: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(constant)
