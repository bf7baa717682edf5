"""What a stranger, or an accident, makes of a webhook on its way."""

from __future__ import annotations

import json
from dataclasses import replace

from archiver.simulator.posting import Delivery

SIGNATURE_HEADERS = ("x-signature", "sync-signature", "x-signature-primary")

_OTHER_DIGITS = str.maketrans("0123456789abcdef", "123456789abcdef0")


def forged(delivery: Delivery) -> Delivery:
    """Keep the form of the signature, and change every digit of it."""

    def forge(value: str) -> str:
        start, _, digits = value.rpartition("=")
        return f"{start}=" * bool(start) + digits.translate(_OTHER_DIGITS)

    return replace(
        delivery,
        headers={
            name: forge(value) if name.lower() in SIGNATURE_HEADERS else value
            for name, value in delivery.headers.items()
        },
    )


def unsigned(delivery: Delivery) -> Delivery:
    """Leave the signature out."""
    kept = delivery.headers.items()
    return replace(
        delivery, headers={name: v for name, v in kept if name.lower() not in SIGNATURE_HEADERS}
    )


def tampered(delivery: Delivery, item_id: str) -> Delivery:
    """Name another generation in the body, under the signature of the old one."""
    told = json.dumps(delivery.item_id).encode()
    if told not in delivery.body:
        raise ValueError(f"the body does not name {delivery.item_id}")
    return replace(delivery, body=delivery.body.replace(told, json.dumps(item_id).encode()))


def malformed(delivery: Delivery) -> Delivery:
    """Lose the second half of the body."""
    return replace(delivery, body=delivery.body[: len(delivery.body) // 2])


def oversized(delivery: Delivery, size_bytes: int) -> Delivery:
    """Fill the body up with spaces, which JSON allows."""
    return replace(delivery, body=delivery.body.ljust(size_bytes))


def rotated(delivery: Delivery) -> Delivery:
    """Put the signature of another secret before the right one, as while a secret is changed."""

    def doubled(value: str) -> str:
        stamp, _, digits = value.partition(",v1=")
        return f"{stamp},v1={digits.translate(_OTHER_DIGITS)},v1={digits}"

    return replace(
        delivery,
        headers={
            name: doubled(value) if ",v1=" in value else value
            for name, value in delivery.headers.items()
        },
    )
