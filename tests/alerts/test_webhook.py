"""A webhook takes each message as a JSON document (format archiver.alert/1)."""

from __future__ import annotations

import pytest

from archiver import __version__
from archiver.alerts.webhook import Webhook
from archiver.errors import MessageNotSent
from archiver.secrets import SecretSource
from tests.alerts.conftest import make_message
from tests.alerts.receiver import TOKEN, Receiver
from tests.servers import find_free_port


def test_the_document_is_the_one_that_is_documented(receiver: Receiver) -> None:
    """Every field of the format, with its type."""
    Webhook(receiver.source(), 1).send(make_message())

    [request] = receiver.requests
    assert ("POST", f"/{TOKEN}") == (request.method, request.target)
    assert "application/json" == request.headers["content-type"]
    assert {
        "format": "archiver.alert/1",
        "archiver_version": __version__,
        "severity": "problem",
        "host": "nas",
        "sent_at": "2026-03-08T12:00:00Z",
        "title": "archiver on nas: destination (vault)",
        "body": "- vault is full: größer",
        "troubles": [
            {
                "kind": "destination",
                "subject": "vault",
                "message": "vault is full: größer",
                "level": 0,
                "since": "2026-03-08T12:00:00Z",
            }
        ],
    } == request.document


def test_a_server_that_stumbles_is_asked_twice(receiver: Receiver) -> None:
    """A 5xx says that it was not taken: a second try may be."""
    receiver.answers = [503]

    Webhook(receiver.source(), 1).send(make_message())

    assert 2 == len(receiver.requests)


@pytest.mark.parametrize(("status", "tries"), [(500, 2), (404, 1), (401, 1)])
def test_a_refusal_is_an_error_with_its_status(receiver: Receiver, status: int, tries: int) -> None:
    """What is refused for good is not tried again; the address is never told."""
    receiver.answers = [status] * 5

    with pytest.raises(MessageNotSent, match=f"^answered {status}$"):
        Webhook(receiver.source(), 1).send(make_message())

    assert tries == len(receiver.requests)


def test_no_redirect_is_followed(receiver: Receiver) -> None:
    """The address is a secret for one host; the error names the other, and no path."""
    receiver.answers = [302]
    receiver.location = f"https://elsewhere.example.com/{TOKEN}"

    with pytest.raises(MessageNotSent) as caught:
        Webhook(receiver.source(), 1).send(make_message())

    assert "answered 302, a redirect to https://elsewhere.example.com, " in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert 1 == len(receiver.requests)


def test_a_server_that_is_down_is_told_in_the_systems_words() -> None:
    """Why, without the address."""
    source = SecretSource(value=f"http://127.0.0.1:{find_free_port()}/{TOKEN}")

    with pytest.raises(MessageNotSent, match=r"^no connection: Connection refused$"):
        Webhook(source, 1).send(make_message())


def test_silence_is_borne_for_seconds_and_once(receiver: Receiver) -> None:
    """What may have been taken is not sent a second time at once."""
    receiver.hangs = True

    with pytest.raises(MessageNotSent, match=r"^no answer within 4 s$"):
        Webhook(receiver.source(), 1).send(make_message())

    assert 1 == len(receiver.requests)


@pytest.mark.parametrize(
    "address", ["ftp://example.com/x", "no address", "http://", "http://a:b/x", "http://[::1/x"]
)
def test_what_is_no_web_address_is_named_by_its_place(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place, and never what it holds."""
    monkeypatch.setenv("HOOK", address)

    with pytest.raises(MessageNotSent, match="HOOK holds no http or https address"):
        Webhook(SecretSource(env="HOOK"), 1).send(make_message())


def test_a_missing_secret_costs_the_message_only() -> None:
    """The error names the place where it should be."""
    with pytest.raises(MessageNotSent, match="environment variable NOT_SET"):
        Webhook(SecretSource(env="NOT_SET"), 1).send(make_message())
