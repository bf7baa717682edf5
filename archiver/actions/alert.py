"""Tells each trouble once, and its end once, whatever restarts in between (promise 9).

Exactly once for each messenger, save that one that died between sending and remembering sends
again: rather twice than never. What could not be sent is offered again at the next evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from archiver.actions.alerting.memory import Memory
from archiver.actions.alerting.standing import (
    Known,
    Look,
    Standing,
    keep_messengers,
    mark_told,
    observe,
    problems_for,
    recoveries_for,
)
from archiver.actions.alerting.wording import make_message
from archiver.actions.troubles import Trouble
from archiver.alerts.base import Message, Messenger, Severity
from archiver.alerts.beside import Call, make_calls
from archiver.errors import LockHeld, MessageNotSent
from archiver.log import get_logger

SECONDS_IN_ALL = 10.0


@dataclass(frozen=True, slots=True)
class _Delivery(Call):
    severity: Severity
    troubles: Mapping[str, Known]


def tell(
    troubles: Sequence[Trouble],
    messengers: Sequence[Messenger],
    memory: Memory,
    now: datetime,
    look: Look,
) -> None:
    """Tell every messenger what it does not know yet: one message of what is new, one of ends.

    Raises nothing of ours, and takes 15 s at most: 5 s for another evaluation, 10 s to send.
    """
    if not messengers:
        return
    try:
        with memory.held() as standing:
            keep_messengers(standing, [messenger.name for messenger in messengers])
            observe(standing, {trouble.key: trouble for trouble in troubles}, now, look)
            memory.save(standing)
            _send(standing, memory, list(_due(standing, troubles, messengers, now)))
    except LockHeld as error:
        get_logger().warning("alert.failed", messenger="all", error=str(error))


def _due(
    standing: Standing,
    troubles: Sequence[Trouble],
    messengers: Sequence[Messenger],
    now: datetime,
) -> Iterator[_Delivery]:
    keys = dict.fromkeys(trouble.key for trouble in troubles)
    for messenger in messengers:
        for severity, due in (
            (Severity.PROBLEM, problems_for(standing, messenger.name, keys)),
            (Severity.RECOVERY, recoveries_for(standing, messenger.name)),
        ):
            if due:
                message = make_message(severity, list(due.values()), now)
                yield _delivery(messenger, message, due)


def _delivery(messenger: Messenger, message: Message, due: Mapping[str, Known]) -> _Delivery:
    return _Delivery(messenger.name, partial(messenger.send, message), message.severity, due)


def _send(standing: Standing, memory: Memory, deliveries: Sequence[_Delivery]) -> None:
    """Send all, and remember each as soon as it was taken."""
    failed: set[str] = set()
    for delivery, error in make_calls(deliveries, SECONDS_IN_ALL):
        if error is None:
            mark_told(standing, delivery.name, delivery.troubles)
            memory.save(standing)
            _log_sent(delivery)
        elif delivery.name not in failed:
            failed.add(delivery.name)
            _log_failed(delivery, error)


def _log_sent(delivery: _Delivery) -> None:
    get_logger().info(
        "alert.sent",
        messenger=delivery.name,
        severity=delivery.severity.value,
        troubles=list(delivery.troubles),
    )


def _log_failed(delivery: _Delivery, error: MessageNotSent) -> None:
    get_logger().warning(
        "alert.failed",
        messenger=delivery.name,
        troubles=list(delivery.troubles),
        error=str(error),
    )
