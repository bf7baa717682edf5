"""Where webhooks come in: `POST /hooks/<account>`, or with a token behind it (promise 8).

A webhook is checked, written down as a hint, and only then answered with 200. Nothing of it is
believed or logged but the id of its generation, which the hint lane asks the provider for. Each
request is counted by what became of it. Polling finds what never arrived.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import unquote

from archiver.actions.archive import utc_now
from archiver.config import Config
from archiver.daemon.body import BodyRefused
from archiver.daemon.endpoint import Answer, Manners, Request
from archiver.daemon.intake import Intake, Slip
from archiver.errors import ConfigInvalid, IndexUnavailable
from archiver.log import get_logger
from archiver.providers.inlets import HookRefused, Inlet, open_inlet

MANNERS = Manners(
    option="webhooks.listen",
    otherwise='to "" for no webhooks',
    at_once=64,
    seconds_a_connection=5.0,
    is_patient=True,
)
STRANGERS = ""
"""Whom requests are counted under that belong to no account."""
MINUTE_SECONDS = 60.0
LONGEST_ID = 512


class Outcome(StrEnum):
    """What became of a request, as it is counted."""

    QUEUED = "queued"
    KNOWN = "known"
    UNKNOWN = "unknown_account"
    WRONG_METHOD = "wrong_method"
    FORGED = "forged"
    STALE = "stale"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    BUSY = "busy"
    UNUSABLE = "unusable"


_STATUSES: Mapping[Outcome, HTTPStatus] = {
    Outcome.QUEUED: HTTPStatus.OK,
    Outcome.KNOWN: HTTPStatus.OK,
    Outcome.UNKNOWN: HTTPStatus.NOT_FOUND,
    Outcome.WRONG_METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    Outcome.FORGED: HTTPStatus.UNAUTHORIZED,
    Outcome.STALE: HTTPStatus.UNAUTHORIZED,
    Outcome.MALFORMED: HTTPStatus.BAD_REQUEST,
    Outcome.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Outcome.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Outcome.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Outcome.UNUSABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS: Mapping[Outcome, Mapping[str, str]] = {
    Outcome.WRONG_METHOD: {"Allow": "POST"},
    Outcome.TOO_MANY: {"Retry-After": "60"},
    Outcome.BUSY: {"Retry-After": "5"},
    Outcome.UNUSABLE: {"Retry-After": "60"},
}
_TAKEN = frozenset({Outcome.QUEUED, Outcome.KNOWN})


@dataclass(frozen=True, slots=True)
class _Door:
    """One account's inlet; None where what it needs could not be read, which was told."""

    inlet: Inlet | None


class Webhooks:
    """Answers the requests of one config; a new one gets new `Webhooks`, on the same `Intake`."""

    def __init__(self, config: Config, intake: Intake) -> None:
        """Read the secrets of all accounts that take webhooks; what is missing is told."""
        self._intake = intake
        self._max_body_bytes = config.webhooks.max_body
        self._rates = Rates(config.webhooks.per_minute)
        self._doors = dict(_open_doors(config))
        self._told: dict[tuple[str, Outcome], float] = {}

    def answer(self, request: Request) -> Answer:
        """Take one webhook, or refuse it."""
        account, token = self._place(request.path)
        try:
            outcome = self._take(account, token, request)
        except BodyRefused as refusal:
            is_large = refusal.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            outcome = Outcome.TOO_LARGE if is_large else Outcome.MALFORMED
        self._intake.count(account, outcome)
        if outcome not in _TAKEN:
            self._tell(account, outcome)
        body = json.dumps({"status": outcome.value}).encode() + b"\n"
        headers = _HEADERS.get(outcome, {})
        return Answer(_STATUSES[outcome], body, "application/json", headers)

    def _place(self, path: str) -> tuple[str, str | None]:
        """Read account and token out of a path; what belongs to no account is the strangers'."""
        head, name, *rest = [*path.removeprefix("/").split("/"), ""]
        account = unquote(name)
        is_place = path.startswith("/hooks/") and head == "hooks" and len(rest) <= 2
        if not is_place or account not in self._doors:
            return STRANGERS, None
        return account, unquote(rest[0]) if len(rest) == 2 else None

    def _take(self, account: str, token: str | None, request: Request) -> Outcome:
        if account == STRANGERS:
            return Outcome.UNKNOWN if self._rates.allow(STRANGERS) else Outcome.TOO_MANY
        if request.method != "POST":
            return Outcome.WRONG_METHOD
        inlet = self._doors[account].inlet
        if inlet is None:
            return Outcome.UNUSABLE
        body, now = request.read_body(self._max_body_bytes), utc_now()
        try:
            hook = inlet.check(request.headers, token, body, now)
        except HookRefused as refusal:
            return Outcome(refusal.reason)
        if not hook.generation_id or len(hook.generation_id) > LONGEST_ID:
            return Outcome.MALFORMED
        if not self._rates.allow(account):  # of the genuine ones: a flood of others takes no room
            return Outcome.TOO_MANY
        slip = Slip(
            account=account, generation_id=hook.generation_id, event=hook.event, received_at=now
        )
        try:
            return Outcome.QUEUED if self._intake.put(slip) else Outcome.KNOWN
        except IndexUnavailable:
            return Outcome.BUSY

    def _tell(self, account: str, outcome: Outcome) -> None:
        """Name in the log what was refused, each sort once a minute: its counter has the rest."""
        now, key = time.monotonic(), (account, outcome)
        if now - self._told.get(key, -MINUTE_SECONDS) >= MINUTE_SECONDS:
            self._told[key] = now
            get_logger().warning("webhook.refused", account=account, reason=outcome.value)


def _open_doors(config: Config) -> Mapping[str, _Door]:
    doors: dict[str, _Door] = {}
    for name, options in config.accounts.items() if config.webhooks.listen else ():
        try:
            inlet = open_inlet(options)
        except ConfigInvalid as error:
            get_logger().error("webhooks.unusable", account=name, error=str(error))
            doors[name] = _Door(None)
            continue
        if inlet is not None:
            doors[name] = _Door(inlet)
    return doors


class Rates:
    """How many requests each account, and all strangers, had in this minute. Thread-safe."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def allow(self, whose: str) -> bool:
        """Count one request, unless there were too many."""
        now = time.monotonic()
        with self._lock:
            began_at, many = self._seen.get(whose, (now, 0))
            if now - began_at >= MINUTE_SECONDS:
                began_at, many = now, 0
            if many >= self._per_minute:
                return False
            self._seen[whose] = (began_at, many + 1)
            return True
