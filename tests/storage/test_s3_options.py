"""Options of an S3 destination: what cannot work or would leak is refused at once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from archiver.errors import (
    DestinationUnavailable,
)
from archiver.storage.s3 import destination as s3
from tests.storage.places import (
    make_options,
)

KEY = "geminigen/studio/hist_abc123.png"


@pytest.mark.parametrize(
    "given",
    [
        {"bucket": "no spaces"},
        {"bucket": ""},
        {"prefix": "../other"},
        {"prefix": "x" * 200},
        {"endpoint_url": "s3.example.com"},
        {"endpoint_url": "ftp://s3.example.com"},
        {"endpoint_url": "https://user:password@s3.example.com"},
        {"endpoint_url": "http://s3.example.com"},
        {"endpoint_url": "http://10.0.0.1:9000"},
        {"endpoint_url": "http://127.0.0.1.example.com"},
        {"region": "https://s3.example.com"},
        {"access_key": "only"},
        {"secret_key": "only"},
        {"session_token": "only"},
        {"kms_key_id": "alias/x"},
        {"sse": "AES256", "kms_key_id": "alias/x"},
        {"object_lock": {"mode": "FOREVER", "days": 1}},
        {"object_lock": {"mode": "GOVERNANCE", "days": 0}},
        {"part_size": "4MiB"},
        {"part_size": "6GiB"},
        {"connections": 0},
        {"checksum": "never"},
        {"unknown": 1},
    ],
)
def test_options_that_cannot_work_are_refused(given: dict[str, object]) -> None:
    """A config that would fail or leak later is refused before anything starts."""
    with pytest.raises(ValidationError):
        make_options(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint_url": "https://s3.example.com"},
        {"endpoint_url": "http://127.0.0.1:9000"},
        {"endpoint_url": "http://[::1]:9000"},
        {"endpoint_url": "http://localhost:9000"},
        {"endpoint_url": "http://nas.lan:9000", "allow_http": True},
        {"part_size": "64MiB", "sse": "aws:kms", "kms_key_id": "alias/x"},
    ],
)
def test_options_that_work_are_taken(given: dict[str, object]) -> None:
    """Plain http is fine on this machine, and elsewhere only when it is asked for."""
    assert make_options(**given).type == "s3"


@pytest.mark.parametrize("prefix", ["a/b", "a/b/", "/a/b", "/a/b/"])
def test_a_prefix_is_a_folder(prefix: str) -> None:
    """However the slashes are written, the prefix means the same folder."""
    assert make_options(prefix=prefix).prefix == "a/b/"


def test_options_hide_secrets_in_errors() -> None:
    """A mistake beside a secret does not print the secret."""
    with pytest.raises(ValidationError) as caught:
        make_options(access_key="any", secret_key="very-secret-value", bucket="no spaces")

    assert "very-secret-value" not in str(caught.value)


def test_an_address_from_the_environment_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 may take the address from the environment: plain http is refused there as well."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.com")
    options = make_options(access_key="any", secret_key="anything")

    with pytest.raises(DestinationUnavailable, match="plain http"):
        s3.open_destination("vault", options).prepare()
