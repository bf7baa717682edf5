"""Messages by mail, over a server that the operator names (SMTP, RFC 5321)."""

from __future__ import annotations

import email.utils
import smtplib
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

from archiver.alerts.address import SecretText
from archiver.alerts.base import Message
from archiver.alerts.network import say_why, trusted
from archiver.errors import MessageNotSent

SECONDS_A_STEP = 8.0
"""An own greeting delay of five seconds is usual against spam."""
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str | None
    password: SecretText | None
    sender: str


class Mail:
    """Writes to one recipient: so each hears everything once, whoever else is refused."""

    def __init__(self, server: MailServer, recipient: str) -> None:
        self._server = server
        self._recipient = recipient

    @property
    def name(self) -> str:
        """Whom it reaches."""
        return f"mail to {self._recipient}"

    def send(self, message: Message) -> None:
        """Keep the port's promise; the server's certificate is checked."""
        with _mail_errors():
            letter = make_letter(message, self._server.sender, self._recipient)
            with closing(_connect(self._server)) as connection:
                _log_in(connection, self._server)
                connection.send_message(letter)
                with suppress(smtplib.SMTPException, OSError):  # the letter is taken
                    connection.quit()


def make_letter(message: Message, sender: str, recipient: str) -> EmailMessage:
    """Write a letter; raises ValueError where an address would break its header.

    `Auto-Submitted` (RFC 3834) keeps absence notes from answering.
    """
    letter = EmailMessage(policy=SMTP)
    letter["From"] = sender
    letter["To"] = recipient
    letter["Subject"] = message.title
    letter["Date"] = email.utils.format_datetime(message.sent_at)
    letter["Message-ID"] = email.utils.make_msgid("archiver", sender.rpartition("@")[2].rstrip(">"))
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(message.body)
    return letter


def _connect(server: MailServer) -> smtplib.SMTP:
    own_name = socket.gethostname()
    # The library's way to find our full name may take a name server's whole timeout.
    hello = own_name if own_name.isascii() and "." in own_name else "[127.0.0.1]"
    if server.security == "tls":
        return smtplib.SMTP_SSL(
            server.host, server.port, hello, timeout=SECONDS_A_STEP, context=trusted()
        )
    return smtplib.SMTP(server.host, server.port, hello, timeout=SECONDS_A_STEP)


def _log_in(connection: smtplib.SMTP, server: MailServer) -> None:
    if server.security == "starttls":
        connection.starttls(context=trusted())
    if server.username is not None:
        connection.login(server.username, server.password.read() if server.password else "")


@contextmanager
def _mail_errors() -> Iterator[None]:
    """Say in our words what went wrong."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise MessageNotSent(_refused("the recipient", code, words)) from None
    except smtplib.SMTPSenderRefused as error:
        raise MessageNotSent(_refused("the sender", error.smtp_code, error.smtp_error)) from None
    except smtplib.SMTPAuthenticationError:
        raise MessageNotSent(
            "the mail server refuses username and password: check [alerts.mail]"
        ) from None
    except smtplib.SMTPResponseException as error:
        raise MessageNotSent(_refused("the letter", error.smtp_code, error.smtp_error)) from None
    except TimeoutError:
        raise MessageNotSent("the mail server does not answer in time") from None
    except smtplib.SMTPException as error:
        raise MessageNotSent(f"the mail cannot be sent: {error}") from None
    except OSError as error:
        raise MessageNotSent(f"the mail server cannot be used: {say_why(error)}") from None
    except ValueError as error:
        raise MessageNotSent(f"no letter can be made of it: {error}") from None


def _refused(what: str, code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"the mail server refuses {what}: {code} {' '.join(text.split())[:_LONGEST_REASON]}"
