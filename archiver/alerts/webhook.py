"""Messages as JSON documents, posted to an address of the operator's choice.

Format `archiver.alert/1`, described in docs/operations.md: fields may be added, none is taken
away or changes its meaning.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from archiver import __version__
from archiver.alerts.address import WebAddress
from archiver.alerts.base import Message
from archiver.alerts.http import ask
from archiver.secrets import SecretSource
from archiver.units import format_time

FORMAT = "archiver.alert/1"


class Webhook:
    """Posts to one address, the `number`th of the config; any 2xx means that it was taken."""

    def __init__(self, source: SecretSource, number: int) -> None:
        self._address = WebAddress(source)
        self._number = number

    @property
    def name(self) -> str:
        """Its number in the config."""
        return f"webhook {self._number}"

    def send(self, message: Message) -> None:
        """Keep the port's promise."""
        body = json.dumps(_document(message), ensure_ascii=False).encode()
        ask("POST", self._address.read(), body, "application/json")


def _document(message: Message) -> dict[str, object]:
    return {
        "format": FORMAT,
        "archiver_version": __version__,
        "severity": message.severity,
        "host": message.host,
        "sent_at": format_time(message.sent_at),
        "title": message.title,
        "body": message.body,
        "troubles": [
            {**asdict(notice), "since": format_time(notice.since)} for notice in message.notices
        ],
    }
