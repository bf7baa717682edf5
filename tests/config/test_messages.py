"""What is said of each mistake in a config, in the words of somebody who writes one."""

from __future__ import annotations

import re
import tomllib

import pytest

from archiver.config import parse_config
from archiver.config.cron import check_cron
from archiver.config.describe import as_document, as_toml
from archiver.errors import ConfigInvalid

ACCOUNT = '[accounts.a]\nprovider = "oxen"\napi_key = { env = "A_KEY" }\n'
DISK = '[destinations.disk]\ntype = "local"\npath = "/archive"\n'
VAULT = '[destinations.vault]\ntype = "s3"\nbucket = "my-bucket"\n'
LOCAL = DISK.replace('path = "/archive"\n', "")
SMALL = ACCOUNT + DISK
PYTHONIC = re.compile(
    r"pydantic|pathlib|<class|tuple|dict\w*|\bstr\b|\bint\b|integer|boolean|literal\[|isoformat|"
    r"SecretSource|ObjectLock|Section\b|function-|pattern|input|NoneType|\^\[",
    re.IGNORECASE,
)
"""Words of the language and libraries that the program is made with."""


def message(text: str) -> str:
    """Everything that is said about a config that is refused."""
    with pytest.raises(ConfigInvalid) as caught:
        parse_config(text, {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[transfer]\nconcurrency = 0\n" + SMALL, "transfer.concurrency should be at least 1"),
        ("[transfer]\nconcurrency = 999\n" + SMALL, "transfer.concurrency should be at most 256"),
        ("[transfer]\nconcurrency = 1.5\n" + SMALL, "should be a whole number"),
        ("[transfer]\nper_host = 'many'\n" + SMALL, "should be a whole number"),
        ("[transfer]\nallow_private_hosts = 'maybe'\n" + SMALL, "should be true or false"),
        ("[transfer]\nroles = 'output'\n" + SMALL, "transfer.roles should be a list"),
        ("[transfer]\nroles = []\n" + SMALL, "transfer.roles is an empty list"),
        ("[archive]\nrequire = 'some'\n" + SMALL, 'should be "all", "any" or a list'),
        ("[archive]\nrequire = [1]\n" + SMALL, 'should be "all", "any" or a list'),
        ("[archive]\nrequire = ['Disk']\n" + SMALL, "names 'Disk', which is no destination"),
        ("[archive]\nrequire = []\n" + SMALL, "archive.require is an empty list"),
        ("[archive]\nstate_dir = 5\n" + SMALL, "archive.state_dir should be a path in quotes"),
        ("[archive]\nstate_dir = ''\n" + SMALL, "archive.state_dir is empty"),
        ("archive = 5\n" + SMALL, "archive should be a table"),
        ("accounts = []\n" + DISK, "accounts needs a table such as [accounts.NAME]"),
        ("[accounts]\n" + DISK, "accounts needs a table such as [accounts.NAME]"),
        ("[destinations]\ndisk = '/x'\n" + ACCOUNT, "destinations.disk should be a table"),
        ("[schedule]\nevery = ''\n" + SMALL, "schedule.every is empty"),
        ("[schedule]\nevery = 15\n" + SMALL, "should be a duration such as"),
        ("[daemon]\nlisten = 8786\n" + SMALL, "daemon.listen should be a text in quotes"),
        ("[daemon]\nlisten = 'nonsense'\n" + SMALL, "daemon.listen should be HOST:PORT"),
        ("[daemon]\nlisten = 'localhost:99999'\n" + SMALL, "daemon.listen should be HOST:PORT"),
        ("[daemon]\nlisten = '127.0.0.1'\n" + SMALL, "daemon.listen should be HOST:PORT"),
        ("[daemon]\nlisten = ':8786'\n" + SMALL, "daemon.listen should be HOST:PORT"),
        ("[daemon]\nlisten = '::1:80'\n" + SMALL, "daemon.listen should be HOST:PORT"),
        ("[webhooks]\nlisten = 'nonsense'\n" + SMALL, "webhooks.listen should be HOST:PORT"),
        ("[webhooks]\nlisten = '[::1]:8787'\n" + SMALL, "no account says how its webhooks are"),
        ("[webhooks]\nper_minute = 0\n" + SMALL, "webhooks.per_minute should be at least 1"),
        ("[webhooks]\nmax_body = 'big'\n" + SMALL, "webhooks.max_body should be a size such as"),
        ("[alerts]\napprise = 'x'\n" + SMALL, "alerts.apprise should be a list"),
        ("[alerts]\nping_url = 5\n" + SMALL, 'alerts.ping_url should be { env = "…" }'),
        (ACCOUNT.replace('{ env = "A_KEY" }', "5") + DISK, 'api_key should be { env = "…" }'),
        (ACCOUNT.replace('{ env = "A_KEY" }', "''") + DISK, "accounts.a.api_key is empty"),
        (ACCOUNT.replace('"A_KEY"', "''") + DISK, "accounts.a.api_key.env is empty"),
        (ACCOUNT.replace('env = "A_KEY"', "command = 'pass'") + DISK, "command should be a list"),
        (ACCOUNT.replace('env = "A_KEY"', "command = []") + DISK, "command is an empty list"),
        (ACCOUNT + "since = 'soon'\n" + DISK, "since should be a date or a time such as"),
        (ACCOUNT + "since = 12:00:00\n" + DISK, "since should be a date or a time such as"),
        (ACCOUNT + "kinds = ['smell']\n" + DISK, "accounts.a.kinds: 'smell' is not one of image"),
        (ACCOUNT + "requests_per_minute = -1\n" + DISK, "requests_per_minute should be at least 0"),
        (ACCOUNT + "base_url = ''\n" + DISK, "accounts.a.base_url is empty"),
        (ACCOUNT + LOCAL + "path = ''\n", "destinations.disk.path is empty"),
        (ACCOUNT + LOCAL + "path = '  '\n", "destinations.disk.path is empty"),
        (ACCOUNT + LOCAL + "path = 5\n", "destinations.disk.path should be a path in quotes"),
        (ACCOUNT + VAULT.replace("my-bucket", "My Bucket!"), "bucket is no name of a bucket"),
        (ACCOUNT + VAULT + 'region = "https://x"\n', "region is no name of a region"),
        (ACCOUNT + VAULT + "storage_class = 'cold'\n", "a word in capitals such as"),
        (ACCOUNT + VAULT + "part_size = '1MB'\n", "part_size should be at least 5MiB"),
        (ACCOUNT + VAULT + "access_key = 'x'\n", "destinations.vault: access_key and secret_key"),
        (ACCOUNT + VAULT + "object_lock = true\n", "object_lock should be a table"),
        ('[archive]\nx = "unclosed\n', "A text is not closed with a quote (at line 2"),
        ("[a.b]\n[a.b]\n", "Cannot declare [a.b] twice (at line 2"),
        ("a = 1\na = 2\n", "A key stands there twice (at line 2"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_config(text: str, expected: str) -> None:
    """The place and what should stand there; nothing of what the program is made of."""
    said = message(text)

    assert expected in said
    assert not PYTHONIC.search(said), said


def test_what_is_empty_is_one_mistake() -> None:
    """Not a second one for what an empty text is not."""
    assert "has 1 mistake:" in message("[schedule]\nevery = ''\n" + SMALL)


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8786", "localhost:1", "[::1]:65535", "0.0.0.0:80"]
)
def test_addresses_to_listen_on(address: str) -> None:
    """A host and a port; nothing at all is no listener."""
    assert address == parse_config(f'[daemon]\nlisten = "{address}"\n{SMALL}', {}).daemon.listen


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/15 * * * *", "0 3 1-7,15 jan-mar mon", "5,35 0-23/2 * * 7"]
)
def test_cron_fields_that_can_be(text: str) -> None:
    """Numbers, ranges, lists, steps, and names of months and days."""
    assert text == check_cron(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("every day", "five fields"),
        ("* * * * * *", "not 6"),
        ("60 * * * *", "'60' for the minute"),
        ("* 24 * * *", "'24' for the hour"),
        ("* * 0 * *", "'0' for the day of the month"),
        ("* * * foo *", "'foo' for the month"),
        ("* * * * 5-1", "'5-1' for the day of the week"),
        ("*/0 * * * *", "'*/0' for the minute"),
        ("1,, * * * *", "'1,,' for the minute"),
    ],
)
def test_cron_fields_that_cannot_be_are_named(text: str, expected: str) -> None:
    """Which field it is, and how far it goes."""
    assert expected in message(f'[schedule]\ncron = "{text}"\n{SMALL}')


def test_config_show_writes_as_a_person_does() -> None:
    """Durations as they were written, sizes in units; the defaults as the example has them."""
    text = (
        '[schedule]\nevery = "24h"\nlook_back = "1h30m"\n'
        f'[transfer]\nmax_file_size = "1500MB"\nbandwidth = "20MB/s"\n{SMALL}{VAULT}'
    )

    shown = as_document(parse_config(text, {}))

    assert {"every": "24h", "look_back": "1h30m", "sweep_every": "24h", "verify_cycle": "90d"} == {
        name: shown["schedule"][name]
        for name in ("every", "look_back", "sweep_every", "verify_cycle")
    }
    assert ("1500MB", "20MB/s") == (
        shown["transfer"]["max_file_size"],
        shown["transfer"]["bandwidth"],
    )
    assert "5MiB" == shown["destinations"]["vault"]["part_size"]
    assert shown == as_document(parse_config(as_toml(shown), {}))
    assert tomllib.loads(as_toml(shown)) == shown
