"""Messages over apprise, and its silence about addresses (promise 8)."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from archiver.alerts.apprise import AppriseMessenger
from archiver.errors import MessageNotSent
from archiver.log import configure
from archiver.secrets import SecretSource
from tests.alerts.conftest import make_message
from tests.alerts.receiver import TOKEN, Receiver

pytest.importorskip("apprise")
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # of its plugins


def source(receiver: Receiver) -> SecretSource:
    """The address of a receiver in the way of apprise."""
    address = receiver.origin.replace("http://", "json://")
    return SecretSource(value=f"{address}/{TOKEN}")


def test_a_message_arrives(receiver: Receiver) -> None:
    """Title, text and whether it is a failure."""
    AppriseMessenger(source(receiver), 1).send(make_message())

    [request] = receiver.requests
    assert f"/{TOKEN}" == request.path
    document = request.document
    expected = ("archiver on nas: destination (vault)", "- vault is full: größer", "failure")
    assert expected == (document["title"], document["message"], document["type"])


def test_a_refusal_is_an_error_and_nothing_of_the_address_is_shown(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library logs addresses in its own forms: it is kept from logging at all."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure("json", 1)
    receiver.answers = [500]
    try:
        with pytest.raises(MessageNotSent, match="apprise could not deliver it") as caught:
            AppriseMessenger(source(receiver), 1).send(make_message())
    finally:
        root.handlers[:], root.level = handlers, level

    said = capfd.readouterr()
    assert TOKEN not in f"{caught.value}{said.out}{said.err}"
    assert ("", "") == (said.out, said.err)


def test_no_redirect_is_followed(receiver: Receiver) -> None:
    """What was meant for one host goes to no other."""
    receiver.answers = [302]
    receiver.location = f"{receiver.origin}/elsewhere"

    with pytest.raises(MessageNotSent):
        AppriseMessenger(source(receiver), 1).send(make_message())

    assert [f"/{TOKEN}"] == [request.path for request in receiver.requests]


def test_an_address_that_it_does_not_know_is_named_by_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The place, and never what it holds."""
    monkeypatch.setenv("PHONE", "nosuch://token-0123456789")

    with pytest.raises(MessageNotSent, match="PHONE holds no address that apprise understands"):
        AppriseMessenger(SecretSource(env="PHONE"), 1).send(make_message())


def test_it_is_loaded_only_to_send() -> None:
    """A daemon that has nothing to tell does not carry it."""
    code = (
        "import sys, archiver.wiring.watching, archiver.alerts.apprise\n"
        "print('apprise' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()


def test_without_the_extra_it_says_what_to_install() -> None:
    """The message is the command."""
    code = (
        "import sys; sys.modules['apprise'] = None\n"
        "from archiver.alerts.apprise import AppriseMessenger\n"
        "from archiver.secrets import SecretSource\n"
        "try: AppriseMessenger(SecretSource(value='json://127.0.0.1:1'), 1).send(None)\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "apprise is not installed: pip install 'archiver[apprise]'" == done.stdout.strip()
