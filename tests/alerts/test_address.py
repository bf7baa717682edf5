"""Addresses are secrets, also in parts (promise 8)."""

from __future__ import annotations

import pytest

from archiver.alerts.address import SecretText
from archiver.redaction import hide_in_text
from archiver.secrets import SecretSource


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        (
            "https://hc.example.com/0f0f0f0f-9b3a-4f0e-8d0c-1f2e3d4c5b6a",
            "0f0f0f0f-9b3a-4f0e-8d0c-1f2e3d4c5b6a",
        ),
        ("https://kuma.example.com/api/push/zPqRsT9uVw?status=up", "zPqRsT9uVw"),
        ("https://hooks.example.com/services/T02/B03/QqQ1wWw2eEe3", "QqQ1wWw2eEe3"),
        ("https://hooks.example.com/services/T04/B05/x", "/services/T04/B05/x"),
        ("https://me:pass%20word@example.com/hook", "pass word"),
        ("https://example.com/hook?auth=aBcDeF012345", "aBcDeF012345"),
        ("tgram://987654321:AAH-abcdefghijklmnop/12345", "AAH-abcdefghijklmnop"),
        ("slack://Tok3nTok3nA/Tok3nTok3nB/Tok3nTok3nC", "Tok3nTok3nB"),
        ("mailtos://someone:hunter@mail.example.com", "hunter"),
    ],
)
def test_what_may_be_a_token_is_redacted_alone(address: str, secret: str) -> None:
    """A library or a server may repeat any part of an address."""
    SecretText(SecretSource(value=address)).read()

    assert secret not in hide_in_text(f"it said {secret} and no more")


@pytest.mark.parametrize("word", ["hooks", "push", "services", "127.0.0.1", "example.com"])
def test_ordinary_words_stay_readable(word: str) -> None:
    """A log in which every such word is hidden would help nobody."""
    SecretText(SecretSource(value=f"https://{word}/{word}/push/services")).read()
    SecretText(SecretSource(value=f"json://{word}/a")).read()

    assert f"see {word}" == hide_in_text(f"see {word}")
