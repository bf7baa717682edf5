"""Configs that look right and cannot work are refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.config import Config, load_config, parse_config
from archiver.errors import ConfigInvalid

ACCOUNT = '[accounts.a]\nprovider = "oxen"\napi_key = "some-key"\n'
DISK = '[destinations.disk]\ntype = "local"\npath = "/archive"\n'
SMALL = ACCOUNT + DISK


def problems_of(text: str, environment: dict[str, str] | None = None) -> str:
    """What is said about a config that is refused."""
    with pytest.raises(ConfigInvalid) as caught:
        parse_config(text, environment or {})
    return str(caught.value)


def of_environment(**variables: str) -> Config:
    """The smallest config with something of the environment over it."""
    return parse_config(SMALL, {f"ARCHIVER__{name}": text for name, text in variables.items()})


@pytest.mark.parametrize(
    "address",
    [
        "http://api.example.com",
        "https://",
        "https://..",
        "https://user:password@api.example.com",
        "https://api.example.com?key=password",
        "https://api.exa mple.com",
        "https://[::1",
        "api.example.com",
        "",
    ],
)
def test_a_base_url_that_no_key_may_go_to_is_a_mistake_of_the_config(address: str) -> None:
    """It is named with its place, before a run finds out; what may be secret in it is not."""
    said = problems_of(f'{ACCOUNT}base_url = "{address}"\n{DISK}')

    assert "accounts.a.base_url" in said
    assert "password" not in said


@pytest.mark.parametrize(
    "address",
    [
        "https://api.example.com",
        "https://api.example.com:8443/v1/",
        "https://bücher.example",
        "http://localhost:1",
        "http://[::1]:1",
    ],
)
def test_a_base_url_of_a_host_is_taken(address: str) -> None:
    """Other hosts, gateways with a path, and this machine."""
    config = parse_config(f'{ACCOUNT}base_url = "{address}"\n{DISK}', {})

    assert address == config.accounts["a"].base_url


@pytest.mark.parametrize(
    "layout",
    [
        "{account}/{created:%H:%M}/{id}",
        "{account}/{created:../..}/{id}",
        "{account}/{created:%Y/../%m}/{id}",
        "{account}/{created:%e}/{id}",
        "{account}/{created:%Y/}/{id}",
        "{account}/" + "x/" * 450 + "{id}",
    ],
)
def test_a_layout_under_which_nothing_could_be_stored_is_a_mistake(layout: str) -> None:
    """What a date renders to, and how long it all gets, is tried before a run finds out."""
    assert "archive.layout makes names that cannot be stored" in problems_of(
        f'[archive]\nlayout = "{layout}"\n{SMALL}'
    )


@pytest.mark.parametrize(
    "layout",
    [
        "{account}/{id}",
        "{provider}/{account}/{created:%Y-%m-%d}_{kind}_{model}_{id}",
        "{account}/{created:%A, %d. %B %Y}/{created:%H.%M.%S} {id}",
    ],
)
def test_a_layout_that_can_be_stored_is_taken(layout: str) -> None:
    """Dates in words, and everything in one name."""
    config = parse_config(f'[archive]\nlayout = "{layout}"\n{SMALL}', {})

    assert layout == config.archive.layout


def test_paths_of_users_that_are_not_there_are_named_with_their_keys(tmp_path: Path) -> None:
    """A path as "~nobody-here" leads nowhere: both places at once, and no traceback."""
    path = tmp_path / "config.toml"
    disk = DISK.replace("/archive", "~nobody-here/x")
    path.write_text(f'[archive]\nstate_dir = "~nobody-here/state"\n{ACCOUNT}{disk}')

    with pytest.raises(ConfigInvalid) as caught:
        load_config(path, environment={})

    assert "2 mistakes" in str(caught.value)
    assert "archive.state_dir = '~nobody-here/state' is no path" in str(caught.value)
    assert "destinations.disk.path = '~nobody-here/x' is no path" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[transfer]\nexecutor = "dask"\n', "transfer.executor"),
        ('[transfer]\ndask_scheduler = "tls://host"\n', "transfer.dask_scheduler"),
    ],
)
def test_an_option_that_nothing_obeys_yet_is_refused(text: str, place: str) -> None:
    """Whoever sets it counts on it: silence would be a false promise."""
    assert f"line 2: {place} is not available in this version" in problems_of(text + SMALL)


def test_the_defaults_of_such_options_are_taken() -> None:
    """What they say is what happens."""
    text = '[transfer]\nexecutor = "local"\n'

    assert "local" == parse_config(text + SMALL, {}).transfer.executor


@pytest.mark.parametrize(
    "key", ["123456", "1e5", "true", "2026-01-01", "0x1234", '"quoted', "[bracket", "a=b"]
)
def test_a_key_from_the_environment_is_text_whatever_it_looks_like(key: str) -> None:
    """A key of digits is no number."""
    assert key == of_environment(ACCOUNTS__A__API_KEY=key).accounts["a"].api_key.read()


def test_values_of_the_environment_become_what_their_option_is() -> None:
    """Numbers, truths, durations, dates, lists, tables and quoted text."""
    config = of_environment(
        TRANSFER__CONCURRENCY="8",
        TRANSFER__ALLOW_PRIVATE_HOSTS="true",
        TRANSFER__ROLES='["output", "mask"]',
        TRANSFER__BANDWIDTH="20MB/s",
        SCHEDULE__EVERY="1h",
        ARCHIVE__REQUIRE='["disk"]',
        ACCOUNTS__A__API_KEY='{ env = "SOME_KEY" }',
        ACCOUNTS__A__SINCE="2026-01-01",
        ACCOUNTS__A__NAMESPACES='["one"]',
        ACCOUNTS__A__REQUESTS_PER_MINUTE="0",
        DAEMON__LISTEN='""',
    )

    assert 8 == config.transfer.concurrency
    assert config.transfer.allow_private_hosts
    assert ("output", "mask") == config.transfer.roles
    assert 20_000_000 == config.transfer.bandwidth
    assert 3600 == config.schedule.every.total_seconds()
    assert ("disk",) == config.archive.require
    assert "SOME_KEY" == config.accounts["a"].api_key.env
    assert "2026-01-01T00:00:00+00:00" == str(config.accounts["a"].since).replace(" ", "T")
    assert 0 == config.accounts["a"].requests_per_minute
    assert "" == config.daemon.listen


@pytest.mark.parametrize(
    "text",
    [
        ACCOUNT.replace("accounts.a", "accounts.Studio") + DISK,
        ACCOUNT + DISK.replace("disk", "Vau"),
    ],
)
def test_a_name_in_upper_case_is_told_which_characters_there_are(text: str) -> None:
    """Names become folders, and some file systems take both cases for one."""
    said = problems_of(text)

    assert "accounts.Studio is no name" in said or "destinations.Vau is no name" in said
    assert "lower-case letters a-z, digits, - and _" in said
