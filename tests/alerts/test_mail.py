"""Mail is handed in over TLS with a checked certificate, and cannot be bent (promise 8)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from archiver.alerts.address import SecretText
from archiver.alerts.mail import Mail, MailServer, make_letter
from archiver.alerts.network import trusted
from archiver.errors import MessageNotSent
from archiver.secrets import SecretSource
from tests.alerts.conftest import NOON, make_message
from tests.alerts.mailbox import PASSWORD, USER, Mailbox, make_certificate
from tests.servers import find_free_port

Open = Callable[..., Mailbox]
TO = "me@example.com"
# The server does not see that a connection which is TLS from its beginning needs no STARTTLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture
def open_mailbox() -> Iterator[Open]:
    """Start mail servers, and end them all."""
    opened: list[Mailbox] = []

    def start(certificate: Path | None = None, *, is_tls: bool = False) -> Mailbox:
        opened.append(Mailbox(certificate, is_tls=is_tls))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate that nobody vouches for."""
    return make_certificate(tmp_path)


@pytest.fixture
def trusted_certificate(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, vouched for by $SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trusted.cache_clear()
    yield certificate
    trusted.cache_clear()


def server(
    port: int, security: str = "none", username: str | None = None, password: str = PASSWORD
) -> MailServer:
    """What a config says of a mail server."""
    secret = SecretText(SecretSource(value=password)) if username else None
    return MailServer(
        host="127.0.0.1",
        port=port,
        security=security,  # type: ignore[arg-type]
        username=username,
        password=secret,
        sender="Archiver <archiver@example.com>",
    )


def test_a_letter_over_starttls_with_login(open_mailbox: Open, trusted_certificate: Path) -> None:
    """It arrives with the headers of an automatic letter, and its text as it was."""
    mailbox = open_mailbox(trusted_certificate)

    Mail(server(mailbox.port, "starttls", USER), TO).send(make_message())

    [letter] = mailbox.letters
    assert [("archiver@example.com", [TO])] == mailbox.envelopes
    assert [True] == mailbox.was_encrypted
    assert "archiver on nas: destination (vault)" == letter["Subject"]
    assert "auto-generated" == letter["Auto-Submitted"]
    assert NOON == parsedate_to_datetime(letter["Date"])
    assert letter["Message-ID"].endswith("@example.com>")
    assert "- vault is full: größer" == letter.get_content().strip()


def test_a_letter_over_tls_from_the_beginning(
    open_mailbox: Open, trusted_certificate: Path
) -> None:
    """As on port 465."""
    mailbox = open_mailbox(trusted_certificate, is_tls=True)

    Mail(server(mailbox.port, "tls", USER), TO).send(make_message())

    assert 1 == len(mailbox.letters)


@pytest.mark.parametrize(("security", "is_tls"), [("starttls", False), ("tls", True)])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    open_mailbox: Open, certificate: Path, security: str, is_tls: bool
) -> None:
    """No password goes to a server that cannot prove its name."""
    mailbox = open_mailbox(certificate, is_tls=is_tls)

    with pytest.raises(MessageNotSent, match="certificate is not trusted: self-signed"):
        Mail(server(mailbox.port, security, USER), TO).send(make_message())

    assert [] == mailbox.letters


def test_a_server_without_tls_gets_nothing_where_tls_was_asked_for(open_mailbox: Open) -> None:
    """There is no quiet way down to plain text."""
    mailbox = open_mailbox()

    with pytest.raises(MessageNotSent, match="STARTTLS extension not supported"):
        Mail(server(mailbox.port, "starttls"), TO).send(make_message())

    assert [] == mailbox.letters


def test_a_wrong_password_is_told_without_it(open_mailbox: Open, trusted_certificate: Path) -> None:
    """The message names the section of the config."""
    mailbox = open_mailbox(trusted_certificate)
    wrong = server(mailbox.port, "starttls", USER, "wrong-password-1")

    with pytest.raises(MessageNotSent) as caught:
        Mail(wrong, TO).send(make_message())

    expected = "the mail server refuses username and password: check [alerts.mail]"
    assert expected == str(caught.value)


def test_a_refused_recipient_keeps_nobody_else_from_hearing(open_mailbox: Open) -> None:
    """Each recipient is a messenger of its own."""
    mailbox = open_mailbox()
    mailbox.refused = {"gone@example.com"}

    with pytest.raises(MessageNotSent, match="refuses the recipient: 550 no such user"):
        Mail(server(mailbox.port), "gone@example.com").send(make_message())
    Mail(server(mailbox.port), TO).send(make_message())

    assert [("archiver@example.com", [TO])] == mailbox.envelopes


def test_a_refused_letter_is_an_error(open_mailbox: Open) -> None:
    """In the server's own words."""
    mailbox = open_mailbox()
    mailbox.data_answer = "552 mailbox full"

    with pytest.raises(MessageNotSent, match="refuses the letter: 552 mailbox full"):
        Mail(server(mailbox.port), TO).send(make_message())


def test_what_was_taken_is_taken(open_mailbox: Open) -> None:
    """A server that then stumbles over the goodbye must not be sent the letter again."""
    mailbox = open_mailbox()
    mailbox.quit_answer = "500 what?"

    Mail(server(mailbox.port), TO).send(make_message())

    assert 1 == len(mailbox.letters)


@pytest.mark.parametrize("bad", ["me@example.com\nBcc: x@evil.example", "a\r\n\r\nbody"])
def test_no_header_can_be_smuggled_in(bad: str) -> None:
    """A line end in a title or an address is refused, not sent."""
    for title, recipient in ((bad, TO), ("title", bad)):
        with pytest.raises(ValueError, match=r"linefeed|newline"):
            make_letter(make_message(title), "archiver@example.com", recipient)


def test_a_server_that_is_down_is_told_in_the_systems_words() -> None:
    """As for the other messengers."""
    with pytest.raises(MessageNotSent, match=r"cannot be used: Connection refused$"):
        Mail(server(find_free_port()), TO).send(make_message())


def test_a_server_that_hangs_up_is_an_error() -> None:
    """Whatever it is that listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        with pytest.raises(MessageNotSent, match="the mail cannot be sent"):
            Mail(server(listener.getsockname()[1]), TO).send(make_message())
        hanging_up.join()
