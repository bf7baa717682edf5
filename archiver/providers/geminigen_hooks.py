"""GeminiGen's webhooks: two published shapes, and an RSA signature over the event's id.

Shapes: `{event, uuid, data}` and `{event_name, event_uuid, data}`; `data` names the generation.
Signature: header `x-signature`, hex, RSA PKCS#1 v1.5 over SHA-256 of the MD5 of the event's uuid,
with the public key that the vendor's dashboard hands out; its sister product's page shows so.
Others read it as the MD5 of the whole body, in hex or as bytes: each reading is accepted. The
first does not cover the body, so a webhook says nothing but which generation to look at, and who
has caught one may name any. That hides no genuine one: an event is heard once for each generation.
Verified: read from public pages and clients, 2026-11; nothing was tried against a live endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5
from typing import TYPE_CHECKING

from archiver.errors import ConfigInvalid
from archiver.providers import fields
from archiver.providers.fields import Row, RowInvalid
from archiver.providers.inlets import Delivery, Hook, HookRefused, digest_of
from archiver.secrets import SecretSource

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

HEADER = "x-signature"
MAX_SIGNATURE_CHARACTERS = 4096
_NAMES = ("event", "event_name")
_EVENT_IDS = ("event_uuid", "uuid")


def is_hook(body: Row) -> bool:
    """Tell a webhook from a record: it names an event, and has the rest in `data`."""
    return "generation_id" not in body and "data" in body and any(name in body for name in _NAMES)


def generation_id_in(body: Row) -> str:
    """Find which generation a webhook is about: `data` says so."""
    data = body.get("data")
    if not isinstance(data, Mapping):
        raise RowInvalid(f"data is {type(data).__name__}, not an object")
    try:
        return fields.identity(data, "uuid")
    except RowInvalid as error:
        raise RowInvalid(f"data.{error}") from None


def hook_of(body: Row) -> Hook:
    """Tell what a webhook is about, or a record that somebody forwards in its place."""
    if not is_hook(body):
        found = fields.identity(body, "uuid")
        return Hook(generation_id=found, event=digest_of(found, fields.text(body, "status") or ""))
    found, event = generation_id_in(body), _event_id(body)
    if event is not None:
        return Hook(generation_id=found, event=digest_of(event))
    name = next((fields.text(body, name) for name in _NAMES if body.get(name)), None)
    return Hook(generation_id=found, event=digest_of(found, name or ""))


def open_signature(source: SecretSource | None) -> EventSignature | None:
    """Open the public key of the config; raises ConfigInvalid when it is none."""
    if source is None:
        return None
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise ConfigInvalid(
            "webhook_public_key needs a package that is not installed: "
            "pip install 'archiver[webhooks]'"
        ) from None
    pem = source.read_public().replace("\\n", "\n")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ConfigInvalid(
            f"webhook_public_key: the {source.place} holds no RSA public key in PEM "
            "(-----BEGIN PUBLIC KEY-----)"
        )
    return EventSignature(key)


class EventSignature:
    """The RSA signature of GeminiGen's webhooks."""

    def __init__(self, key: RSAPublicKey) -> None:
        self._key = key

    def check(self, delivery: Delivery) -> None:
        """Check one delivery; see `Signature`. There is no time in it."""
        signature, event = _signature_in(delivery.headers), _event_id(delivery.record)
        signed = [delivery.body] if event is None else [_bytes_of(event), delivery.body]
        if not any(self._signed(signature, one) for one in signed):
            raise HookRefused("forged", f"{HEADER} was not made with the provider's key")

    def _signed(self, signature: bytes, signed: bytes) -> bool:
        digest = md5(signed, usedforsecurity=False)
        return any(
            self._verified(signature, one) for one in (digest.digest(), digest.hexdigest().encode())
        )

    def _verified(self, signature: bytes, message: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            self._key.verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def _signature_in(headers: Mapping[str, str]) -> bytes:
    given = headers.get(HEADER, "")
    try:
        found = bytes.fromhex(given) if len(given) <= MAX_SIGNATURE_CHARACTERS else b""
    except ValueError:
        found = b""
    if not found:
        raise HookRefused("forged", f"{HEADER} is missing or not in hex")
    return found


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _event_id(body: Row) -> str | None:
    """Read the event's own id, word for word: it is what the signature covers."""
    found = next((body[name] for name in _EVENT_IDS if body.get(name)), None)
    return found if isinstance(found, str) else None
