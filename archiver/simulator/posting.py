"""One webhook on its way: what is posted, and how it went."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook, ready to be posted. `event` is the same for each delivery of one event."""

    provider: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    item_id: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One attempt. `status` is 0 where nobody answered; `attempt` counts from 1."""

    provider: str
    item_id: str
    event: str
    attempt: int
    status: int
    seconds: float


def post_delivery(delivery: Delivery, timeout_seconds: float) -> int:
    """Post over a connection of its own, and return the status: 0 where nobody answered.

    Who refuses may do so, and hang up, before all was sent: that answer counts.
    """
    parts = urlsplit(delivery.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_seconds)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", target, delivery.body, dict(delivery.headers))
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()
