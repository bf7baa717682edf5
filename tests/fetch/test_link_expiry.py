"""A signed link says itself when it stops working."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.fetch.link_expiry import link_expires_at

HOST = "https://media.example.com/file.png"
MOMENT = datetime(2025, 9, 27, 13, 30, 5, tzinfo=UTC)


def make_token(claims: object) -> str:
    """Make a token that nobody signed."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Date=20250927T123005Z&X-Amz-Expires=3600&X-Amz-Signature=ab",
        "x-amz-expires=3600&x-amz-date=20250927T123005Z",
        "X-Goog-Date=20250927T133000Z&X-Goog-Expires=5",
        f"AWSAccessKeyId=a&Expires={MOMENT.timestamp():.0f}&Signature=b",
        "sv=2022-11-02&se=2025-09-27T13%3A30%3A05Z&sig=c",
        "se=2025-09-27T15%3A30%3A05%2B02%3A00&sig=c",
        f"token={make_token({'exp': MOMENT.timestamp()})}",
    ],
)
def test_each_way_of_saying_it_is_read(query: str) -> None:
    """AWS and Google signatures of both ages, Azure's, and tokens."""
    assert MOMENT == link_expires_at(f"{HOST}?{query}")


def test_the_earliest_of_several_times_counts() -> None:
    """A link that is over in one way is over."""
    token = make_token({"exp": MOMENT.timestamp()})
    url = f"{HOST}?X-Amz-Date=20250927T123005Z&X-Amz-Expires=86400&token={token}"
    assert MOMENT == link_expires_at(url)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "Expires=never",
        "Expires=-5",
        "se=2025-09-27",
        "se=tomorrow&sig=c",
        "X-Amz-Expires=3600",
        "X-Amz-Date=20259927T123005Z&X-Amz-Expires=3600",
        "X-Amz-Date=20250927T123005Z&X-Amz-Expires=99999999999999",
        "X-Amz-Date=20250927T123005Z&X-Amz-Expires=%D9%A3",
        f"token={make_token({'exp': 'soon'})}",
        f"token={make_token({'exp': True})}",
        f"token={make_token({'exp': float('inf')})}",
        f"token={make_token([1])}",
        "token=a.b.c",
    ],
)
def test_what_says_nothing_means_no_time(query: str) -> None:
    """Missing, odd and absurd values are no hint."""
    assert link_expires_at(f"{HOST}?{query}") is None


@given(st.text(max_size=200), st.sampled_from(["Expires", "se", "X-Amz-Date", "token", "sig"]))
def test_no_address_is_too_strange(text: str, name: str) -> None:
    """Whatever a provider calls a link, reading it never fails."""
    for url in (text, f"{HOST}?{text}", f"{HOST}?{name}={text}&sig=1&X-Amz-Expires=9"):
        found = link_expires_at(url)
        assert found is None or found.tzinfo is not None
