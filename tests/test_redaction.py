"""What is stored or printed holds no secret and no signed query."""

from __future__ import annotations

import hashlib
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.redaction import (
    MAX_EMBEDDED_BYTES,
    clean_record,
    clean_text,
    hide_in_text,
    remember_secret,
)

SIGNED = "https://cdn.example.com/a/b.png?X-Amz-Date=20250927T000000Z&X-Amz-Signature=0123abcd"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def removed(text: str) -> str:
    """Say what stands for a text that was taken out: its length and SHA-256."""
    data = text.encode()
    return f"[removed {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"GET {SIGNED} failed", "GET https://cdn.example.com/a/b.png?[hidden] failed"),
        (f'"{SIGNED}"', '"https://cdn.example.com/a/b.png?[hidden]"'),
        ("https://user:pass@host/path", "https://host/path"),
        ("https://user:p@ss@host/path", "https://host/path"),
        ("postgres://user:pass@host/db", "postgres://host/db"),
        ("https://host/path/a@b.png", "https://host/path/a@b.png"),
        ("https://host/page#section", "https://host/page#section"),
        ("https://host/#access_token=abc", "https://host/#[hidden]"),
        ("https://host/#/route?token=abc", "https://host/#[hidden]"),
        ("https://host/a?b=c#d", "https://host/a?[hidden]"),
        ("HTTPS://HOST/a?sig=1", "HTTPS://HOST/a?[hidden]"),
        ("is it? yes", "is it? yes"),
        ("/a.png?X-Amz-Signature=0123abcd&x=1", "/a.png?X-Amz-Signature=[hidden]&x=1"),
        ("//cdn.h/a?sig=0123abcd", "//cdn.h/a?sig=[hidden]"),
        ("got access_token=0123abcd, why", "got access_token=[hidden] why"),
        ("X-Amz-Credential=AKIA%2F2025", "X-Amz-Credential=[hidden]"),
        ("design=0123abcd0123", "design=0123abcd0123"),
    ],
)
def test_messages_lose_queries_and_users(text: str, expected: str) -> None:
    """An address in a message keeps its host and path, and nothing that opens a door."""
    assert hide_in_text(text) == expected


@pytest.mark.parametrize("secret", ["0123abcd", "X-Amz-Signature"])
def test_addresses_inside_json_are_hidden_too(secret: str) -> None:
    r"""Some servers write "/" as "\/" and "&" as "\u0026": the whole query goes all the same."""
    text = json.dumps({"url": SIGNED})
    for shown in (text, text.replace("/", "\\/"), text.replace("&", "\\u0026")):
        assert secret not in hide_in_text(shown)
        assert hide_in_text(shown).endswith('?[hidden]"}')


def test_known_secrets_are_hidden_whole() -> None:
    """A secret that begins with another one is hidden to its end, also when it is encoded."""
    remember_secret("begin-1")
    remember_secret("begin-1/and more")

    assert hide_in_text("key begin-1/and more.") == "key [secret]."
    assert hide_in_text("key begin-1%2Fand%20more.") == "key [secret]."
    assert hide_in_text("key begin-1.") == "key [secret]."


def test_secrets_may_be_added_while_others_are_hidden() -> None:
    """One thread may read a new secret while another writes a message."""
    is_done = threading.Event()

    def add() -> None:
        for number in range(300):
            remember_secret(f"threaded-secret-{number}")
        is_done.set()

    adding = threading.Thread(target=add)
    adding.start()
    while not is_done.is_set():
        assert hide_in_text("nothing to hide") == "nothing to hide"
    adding.join()


@given(st.text())
def test_hiding_twice_changes_nothing_more(text: str) -> None:
    """A message may pass the filter more than once."""
    assert hide_in_text(hide_in_text(text)) == hide_in_text(text)


def test_long_messages_are_hidden_in_linear_time() -> None:
    """A body of a megabyte in a message does not stop the program (the timeout would tell)."""
    for unit in ("a", "https://", "a:", "https://a@", "https://a/?b ", "\\/"):
        text = unit * (1_000_000 // len(unit))
        hide_in_text(text)
        clean_text(f"? {text}")


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=0123",
        "Expires=1758931200",
        "sig=abc&se=2025",
        "token=t",
        "api_key=k",
        "Key-Pair-Id=K",
        "x=0123456789abcdefghij",
        "a=b&Policy=p",
    ],
)
def test_signed_queries_leave_a_record(query: str) -> None:
    """A signed query is replaced by its length and SHA-256; the path stays."""
    url = f"https://cdn.example.com/a.png?{query}"

    assert clean_record(url) == f"https://cdn.example.com/a.png?{removed(query)}"


@pytest.mark.parametrize("address", ["u/a.png", "/u/a.png", "//cdn.example.com/a", "ftp://h/a"])
def test_a_signature_leaves_a_record_without_a_scheme_before_it(address: str) -> None:
    """Relative addresses stand beside the absolute ones, and carry the same signature."""
    query = "X-Amz-Expires=60&X-Amz-Signature=0123abcd"

    assert clean_record(f"at {address}?{query}") == f"at {address}?{removed(query)}"


@pytest.mark.parametrize(
    "prompt", ["Who?token=1", "a=b?c", "what?x=0123456789abcdefghij", "sig=12345678"]
)
def test_words_of_a_prompt_are_no_signature(prompt: str) -> None:
    """Without a scheme only what can be nothing else is taken for one."""
    assert clean_record(prompt) == prompt


@pytest.mark.parametrize("query", ["width=512&format=webp", "page=2", "q=cats", ""])
def test_ordinary_queries_stay_in_a_record(query: str) -> None:
    """What says which file is meant, and opens nothing, stays verbatim."""
    url = f"https://cdn.example.com/a.png?{query}"

    assert clean_record(url) == url


def test_a_record_is_cleaned_at_every_depth() -> None:
    """Addresses are found in lists, in objects, in their names and inside longer texts."""
    query = SIGNED.partition("?")[2]
    record = {"a": [{"b": f"see {SIGNED} now"}], SIGNED: 1, "n": 1.5, "t": True, "z": None}

    cleaned = clean_record(record)

    assert query not in json.dumps(cleaned)
    assert isinstance(cleaned, dict)
    assert [cleaned["n"], cleaned["t"], cleaned["z"]] == [1.5, True, None]
    assert record["a"] == [{"b": f"see {SIGNED} now"}]


@pytest.mark.parametrize("start", ["data:image/png;base64,", ""])
def test_large_embedded_data_leaves_a_record(start: str) -> None:
    """Data over 4 KiB is replaced by its length and SHA-256; smaller data stays."""
    large = start + "QUJD" * (MAX_EMBEDDED_BYTES // 4 + 1)
    small = start + "QUJD" * 100

    assert clean_record(large) == removed(large)
    assert clean_record(small) == small


def test_a_long_prompt_stays() -> None:
    """A long text with words is no embedded data."""
    prompt = "a cat on a roof, " * 1000

    assert clean_text(prompt) == prompt
    assert clean_text(None) is None


@given(json_values)
def test_a_cleaned_record_can_be_stored(value: object) -> None:
    """Whatever a provider sends, the cleaned record is strict JSON in UTF-8."""
    text = json.dumps(clean_record(value), allow_nan=False, ensure_ascii=False)

    text.encode("utf-8")


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["a\ud83d"], float("nan")])
def test_what_json_cannot_hold_becomes_text(value: object) -> None:
    """Halves of surrogate pairs and NaN would make a sidecar that nobody can read."""
    json.dumps(clean_record(value), allow_nan=False, ensure_ascii=False).encode("utf-8")


@given(json_values)
def test_cleaning_twice_changes_nothing_more(value: object) -> None:
    """A record may be cleaned again, when a sidecar is rewritten."""
    cleaned = clean_record(value)

    assert clean_record(cleaned) == cleaned


def test_record_that_repeats_our_webhook_address_keeps_no_token() -> None:
    """A service tells in each generation where it sends word to: the token in it stays a secret."""
    address = "https://home.example/hooks/faces/"

    cleaned = clean_record({"webhookUrl": f"{address}a-long-token", "other": f"{address[:-1]}"})

    assert {"webhookUrl": address + removed("a-long-token"), "other": address[:-1]} == cleaned
    assert cleaned == clean_record(cleaned)
