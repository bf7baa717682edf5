"""Pings of a dead-man switch: it calls people when they stop coming (promise 9).

Two ways, told apart by the address. Healthchecks (https://healthchecks.io/docs/http_api/, also
spoken by others): `URL/start`, `URL` for a success, `URL/<exit code>`, `URL/fail`, with
`rid=<uuid>` that joins start and end. Uptime Kuma's push monitor (a path with `/api/push/`): one
GET when a run has ended, with `status`, `msg` and `ping` in milliseconds.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlencode

from archiver.alerts.address import WebAddress
from archiver.alerts.base import one_line
from archiver.alerts.http import ask
from archiver.redaction import hide_in_text
from archiver.secrets import SecretSource

_LONGEST_BODY = 2500
"""Letters: at most 10,000 bytes, which is what Healthchecks keeps of a body."""
_LONGEST_KUMA = 200
_HIGHEST_EXIT_CODE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended; `exit_code` is None when it broke off without one."""

    exit_code: int | None
    summary: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a ping."""

    method: str
    address: SplitResult
    body: bytes = b""


class Ping:
    """Tells one dead-man switch about runs; raises MessageNotSent when it could not."""

    def __init__(self, source: SecretSource) -> None:
        self._address = WebAddress(source)

    def started(self, run: uuid.UUID) -> None:
        """Say that a run begins, where that can be said."""
        address = self._address.read()
        if not _is_kuma(address):
            _send(_healthchecks(address, run, "start"))

    def ended(self, run: uuid.UUID | None, end: Ended) -> None:
        """Say how a run ended; without a `run`, of one whose start was never told."""
        address = self._address.read()
        is_kuma = _is_kuma(address)
        _send(_kuma_push(address, end) if is_kuma else _healthchecks_end(address, run, end))


def _send(request: Request) -> None:
    ask(request.method, request.address, request.body, "text/plain; charset=utf-8")


def _is_kuma(address: SplitResult) -> bool:
    return "/api/push/" in address.path


def _healthchecks_end(address: SplitResult, run: uuid.UUID | None, end: Ended) -> Request:
    summary = one_line(hide_in_text(end.summary), _LONGEST_BODY).encode()
    if end.exit_code == 0:
        return _healthchecks(address, run, "", summary)
    is_code = end.exit_code is not None and 0 < end.exit_code <= _HIGHEST_EXIT_CODE
    return _healthchecks(address, run, str(end.exit_code) if is_code else "fail", summary)


def _healthchecks(
    address: SplitResult, run: uuid.UUID | None, what: str, body: bytes = b""
) -> Request:
    path = f"{address.path.rstrip('/')}/{what}" if what else address.path
    return Request("POST", _with_query(address, {"rid": str(run)} if run else {}, path), body)


def _kuma_push(address: SplitResult, end: Ended) -> Request:
    told = {
        "status": "up" if end.exit_code == 0 else "down",
        "msg": one_line(hide_in_text(end.summary), _LONGEST_KUMA),
        "ping": str(round(end.seconds * 1000)),
    }
    return Request("GET", _with_query(address, told, address.path))


def _with_query(address: SplitResult, told: dict[str, str], path: str) -> SplitResult:
    """Add to the query that an address came with; Kuma shows its own with status, msg and ping."""
    given = parse_qsl(address.query, keep_blank_values=True)
    kept = [(name, value) for name, value in given if name not in told]
    return address._replace(path=path, query=urlencode([*kept, *told.items()]), fragment="")
