"""Messages over apprise (extra): a phone, a chat, and about a hundred other places.

The library is loaded when there is something to send. It is kept from logging, since it writes
addresses in forms of its own, which redaction cannot know (promise 8).
"""

from __future__ import annotations

import logging
from types import ModuleType
from typing import TYPE_CHECKING

from archiver.alerts.address import SecretText
from archiver.alerts.base import Message, Severity
from archiver.errors import MessageNotSent
from archiver.secrets import SecretSource

if TYPE_CHECKING:
    from apprise import Apprise

_LOGGER = "apprise"


class AppriseMessenger:
    """Sends to one address of apprise; `number` is its place in the config, from 1."""

    def __init__(self, source: SecretSource, number: int) -> None:
        self._address = SecretText(source)
        self._number = number

    @property
    def name(self) -> str:
        """Its number in the config."""
        return f"apprise {self._number}"

    def send(self, message: Message) -> None:
        """Keep the port's promise."""
        library = _load()
        kind = library.NotifyType
        is_problem = message.severity is Severity.PROBLEM
        was_taken = self._open(library).notify(
            title=message.title,
            body=message.body,
            notify_type=kind.FAILURE if is_problem else kind.SUCCESS,
            body_format=library.NotifyFormat.TEXT,
        )
        if not was_taken:
            raise MessageNotSent(
                f"apprise could not deliver it; try the address of the {self._address.place} "
                "with `apprise -vv`"
            )

    def _open(self, library: ModuleType) -> Apprise:
        asset = library.AppriseAsset(app_id="archiver", app_desc="archiver", async_mode=False)
        asset.http_redirects = False
        opened: Apprise = library.Apprise(asset=asset)
        if not opened.add(self._address.read()):
            raise MessageNotSent(
                f"the {self._address.place} holds no address that apprise understands"
            )
        return opened


def _load() -> ModuleType:
    try:
        import apprise
    except ImportError:
        raise MessageNotSent("apprise is not installed: pip install 'archiver[apprise]'") from None
    logging.getLogger(_LOGGER).disabled = True
    return apprise
