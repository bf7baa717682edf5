"""Opens what a config has for watching a run from outside: messengers, pings, a metrics file.

Nothing here ever ends a run or holds it up for long (promise 9): what fails is one warning in the
log, without the address. Secrets are read when they are first needed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from archiver.actions.alert import tell
from archiver.actions.alerting.memory import Memory
from archiver.actions.alerting.standing import Look
from archiver.actions.troubles import INTERRUPTED, Trouble
from archiver.alerts.address import SecretText
from archiver.alerts.apprise import AppriseMessenger
from archiver.alerts.base import Messenger
from archiver.alerts.beside import Call, make_calls
from archiver.alerts.files import replace_file
from archiver.alerts.mail import Mail, MailServer
from archiver.alerts.ping import Ended, Ping
from archiver.alerts.webhook import Webhook
from archiver.config import Config
from archiver.config.alerts import AlertsSection, MailSection
from archiver.log import get_logger

SECONDS_TO_START, SECONDS_TO_END = 5.0, 10.0
TEXTFILE_MODE = 0o644
"""node_exporter runs as another user."""


def open_watch(config: Config) -> Watch:
    """Open the watch of a config. What was told is remembered in its state directory."""
    alerts = config.alerts
    shortest = min(every for _, every in config.poll_intervals.values())
    return Watch(
        ping=Ping(alerts.ping_url) if alerts.ping_url else None,
        messengers=open_messengers(alerts),
        memory=Memory(config.archive.state_dir),
        look=Look(calm=2 * shortest),
        textfile=alerts.textfile,
    )


def open_messengers(alerts: AlertsSection) -> tuple[Messenger, ...]:
    """Make a messenger for each webhook, mail recipient and apprise address, in this order."""
    return (
        *(Webhook(source, number) for number, source in enumerate(alerts.webhook, start=1)),
        *(_open_mail(alerts.mail) if alerts.mail else ()),
        *(AppriseMessenger(source, number) for number, source in enumerate(alerts.apprise, 1)),
    )


def _open_mail(mail: MailSection) -> tuple[Mail, ...]:
    server = MailServer(
        host=mail.host,
        port=mail.port,
        security=mail.security,
        username=mail.username,
        password=SecretText(mail.password) if mail.password else None,
        sender=mail.sender,
    )
    return tuple(Mail(server, recipient) for recipient in mail.to)


class Watch:
    """Tells the outside about runs and troubles. No method raises anything of ours.

    `started` takes 5 s at most, `ended` 10 s, `report` 15 s.
    """

    def __init__(
        self,
        *,
        ping: Ping | None,
        messengers: Sequence[Messenger],
        memory: Memory,
        look: Look,
        textfile: Path | None,
    ) -> None:
        self._ping = ping
        self._messengers = messengers
        self._memory = memory
        self._look = look
        self._textfile = textfile
        self._run: uuid.UUID | None = None
        self._started_at = time.monotonic()

    def started(self) -> None:
        """Ping that a run begins."""
        self._run, self._started_at = uuid.uuid4(), time.monotonic()
        if self._ping is not None:
            ping, run = self._ping, self._run
            _ping("start", lambda: ping.started(run), SECONDS_TO_START)

    def ended(self, exit_code: int | None, summary: str) -> None:
        """Ping how a run ended; `exit_code` is None when it broke off without one.

        A run that somebody stopped is neither well nor failed: it gets no ping, and the switch
        calls if no other follows.
        """
        if self._ping is None or exit_code in INTERRUPTED:
            return
        seconds = time.monotonic() - self._started_at
        end = Ended(exit_code=exit_code, summary=summary, seconds=seconds)
        ping, run, self._run = self._ping, self._run, None
        _ping("end", lambda: ping.ended(run, end), SECONDS_TO_END)

    def report(
        self, troubles: Sequence[Trouble], now: datetime, *, is_complete: bool = True
    ) -> None:
        """Tell what is new among the troubles, and what is over.

        Give all there are: what is not among them counts as gone, unless the look was not
        complete, as when the index cannot be read.
        """
        look = Look(calm=self._look.calm, is_complete=is_complete)
        tell(troubles, self._messengers, self._memory, now, look)

    def write_textfile(self, text: bytes) -> None:
        """Replace the file of alerts.textfile, if there is one: whole, and for all to read."""
        if self._textfile is None:
            return
        try:
            replace_file(self._textfile, text, TEXTFILE_MODE)
        except OSError as error:
            get_logger().warning("textfile.failed", path=str(self._textfile), error=error.strerror)


def _ping(what: str, do: Callable[[], None], seconds: float) -> None:
    for _, error in make_calls([Call(f"ping {what}", do)], seconds):
        if error is not None:
            get_logger().warning("ping.failed", what=what, error=str(error))
