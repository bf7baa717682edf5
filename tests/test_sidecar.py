"""The sidecar: what is written once can be read for ever, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from archiver import __version__, keys
from archiver.errors import CopyDamaged, KeyInvalid
from archiver.model import (
    Cost,
    Digest,
    Failure,
    Generation,
    Kind,
    Media,
    Missing,
    Role,
    State,
    Status,
)
from archiver.sidecar import FORMAT, Sidecar, decode, encode

FIXTURE = Path(__file__).parent / "fixtures" / "sidecar-1.json"
SCHEMA = json.loads(resources.files("archiver").joinpath("sidecar.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
STEM = "geminigen/studio/2025/09/27/hist_abc123def456"


def at(hour: int, minute: int, second: float = 0) -> datetime:
    """A moment of the day on which the fixture was made."""
    return datetime(2025, 9, 27, hour, minute, tzinfo=UTC) + timedelta(seconds=second)


EXPECTED = Sidecar(
    generation=Generation(
        provider="geminigen",
        account="studio",
        id="hist_abc123def456",
        kind=Kind.IMAGE,
        status=Status.COMPLETED,
        created_at=at(10, 0),
        model="imagen-4",
        prompt='一只猫\nunder a\tred moon \a — "ночь" 🐈',
        negative_prompt="",
        name=None,
        completed_at=at(10, 1),
        expires_at=at(10, 0) + timedelta(days=30),
        cost=Cost(amount="0.30", unit="credits"),
        error=Failure(code="PARTIAL", message="one of three pictures failed"),
        parameters={
            "aspect_ratio": "16:9",
            "seed": 12345678901234567890,
            "strength": 0.35,
            "tags": ["a", None, True],
        },
        raw={
            "detail": {"uuid": "hist_abc123def456"},
            "list": {"url": "https://cdn.example.com/a/b.png?[removed 64 bytes, sha256 2c26]"},
        },
    ),
    media=(
        Media(
            key="output/0",
            role=Role.OUTPUT,
            kind=Kind.IMAGE,
            path=f"{STEM}.png",
            original_name='猫 "один".png',
            media_type="image/png",
            digest=Digest(
                size_bytes=4,
                sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ),
            source_url="https://cdn.example.com/a/b.png",
            source_etag='"5d41402abc4b2a76b9719d911017c592"',
            fetched_at=at(10, 20),
        ),
        Media(
            key="thumbnail",
            role=Role.THUMBNAIL,
            kind=Kind.IMAGE,
            path=f"{STEM}.thumbnail.jpg",
            original_name=None,
            media_type="image/jpeg",
            digest=Digest(
                size_bytes=9_000_000_000,
                sha256="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            ),
            source_url=None,
            source_etag=None,
            fetched_at=at(10, 20, 1.5),
        ),
    ),
    missing=(
        Missing(
            key="output/1",
            role=Role.OUTPUT,
            state=State.LOST,
            reason="past its deadline, and a fresh link was refused: the media host answered 410",
            http_status=410,
            at=at(10, 20, 2),
        ),
        Missing(
            key="mask",
            role=Role.MASK,
            state=State.EXCLUDED,
            reason="role mask is not kept",
            http_status=None,
            at=at(10, 20, 3),
        ),
    ),
    archived_at=at(10, 20, 30.123456),
)
SMALLEST = Sidecar(
    generation=Generation(
        provider="oxen",
        account="farm",
        id="1",
        kind=Kind.TEXT,
        status=Status.FAILED,
        created_at=None,
    ),
    media=(),
    missing=(),
    archived_at=at(0, 0),
)


# Format 1


def test_the_first_sidecar_is_readable_for_ever() -> None:
    """This file is never edited: a program that cannot read it has broken format 1."""
    assert decode(FIXTURE.read_bytes(), "sidecar-1.json") == EXPECTED


def test_the_first_sidecar_is_written_the_same_way_today() -> None:
    """But for the version of the program, the same facts make the same bytes."""
    stored = json.loads(FIXTURE.read_bytes())["archiver_version"]
    written = encode(EXPECTED).replace(
        f'"archiver_version": "{__version__}"'.encode(),
        f'"archiver_version": "{stored}"'.encode(),
    )

    assert written == FIXTURE.read_bytes()


def test_the_published_schema_is_valid_and_describes_the_format() -> None:
    """It is JSON Schema 2020-12, and the stored sidecar keeps to it."""
    Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(json.loads(FIXTURE.read_bytes()))

    assert FORMAT == SCHEMA["properties"]["format"]["const"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (SCHEMA["$defs"]["role"]["enum"], Role),
        (SCHEMA["properties"]["kind"]["enum"], Kind),
        (SCHEMA["properties"]["status"]["enum"], Status),
    ],
)
def test_the_schema_knows_all_words_of_the_model(found: list[str], words: type[Role]) -> None:
    """A word that is added to the model is added to the format."""
    assert set(found) == set(words)


@pytest.mark.parametrize("sidecar", [EXPECTED, SMALLEST])
def test_a_sidecar_keeps_to_its_schema(sidecar: Sidecar) -> None:
    """Also one of a generation that failed at its provider and has no files."""
    VALIDATOR.validate(json.loads(encode(sidecar)))


def test_keys_are_sorted_and_a_newline_ends_the_file() -> None:
    """Diffs are small, and a terminal shows it well."""
    written = encode(EXPECTED)
    document = json.loads(written)

    assert list(document) == sorted(document)
    assert list(document["media"][0]) == sorted(document["media"][0])
    assert written.endswith(b"}\n")
    assert "一只猫".encode() in written


def test_the_order_in_which_things_were_learned_does_not_matter() -> None:
    """Equal facts give equal bytes: a sidecar is rewritten only when something changed."""
    generation = EXPECTED.generation
    turned = replace(
        generation,
        parameters=dict(reversed([*generation.parameters.items()])),
        raw=dict(reversed([*generation.raw.items()])),
        created_at=at(10, 0).astimezone(tz=None),
    )

    assert encode(replace(EXPECTED, generation=turned)) == encode(EXPECTED)


# What comes back

TEXT = st.text(max_size=30)
NAME = st.text(min_size=1, max_size=30)
TIME = st.datetimes(timezones=st.just(UTC))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
RECORD = st.dictionaries(TEXT, JSON, max_size=3)
KEY = NAME.map(lambda text: keys.make_part(text) + ".png")
MEDIA_ROLES = st.sampled_from(Role)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The same, or None."""
    return st.none() | strategy


GENERATIONS = st.builds(
    Generation,
    provider=NAME,
    account=NAME,
    id=NAME,
    kind=st.sampled_from(Kind),
    status=st.sampled_from(Status),
    created_at=optional(TIME),
    model=optional(TEXT),
    prompt=optional(TEXT),
    negative_prompt=optional(TEXT),
    name=optional(TEXT),
    completed_at=optional(TIME),
    expires_at=optional(TIME),
    cost=optional(st.builds(Cost, amount=TEXT, unit=TEXT)),
    error=optional(st.builds(Failure, code=optional(TEXT), message=optional(TEXT))),
    parameters=RECORD,
    assets=st.just(()),
    raw=RECORD,
)
MEDIA = st.builds(
    Media,
    key=NAME,
    role=MEDIA_ROLES,
    kind=st.sampled_from([kind for kind in Kind if kind is not Kind.TEXT]),
    path=KEY,
    original_name=optional(TEXT),
    media_type=st.sampled_from(["image/png", "video/mp4", "application/octet-stream"]),
    digest=st.builds(
        Digest,
        size_bytes=st.integers(1, 1 << 60),
        sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    ),
    source_url=optional(st.just("https://cdn.example.com/a.png")),
    source_etag=optional(TEXT),
    fetched_at=TIME,
)
MISSING = st.builds(
    Missing,
    key=NAME,
    role=MEDIA_ROLES,
    state=st.sampled_from([State.LOST, State.FAILED, State.EXCLUDED]),
    reason=TEXT,
    http_status=optional(st.integers(100, 599)),
    at=TIME,
)
SIDECARS = st.builds(
    Sidecar,
    generation=GENERATIONS,
    media=st.lists(MEDIA, max_size=2).map(tuple),
    missing=st.lists(MISSING, max_size=2).map(tuple),
    archived_at=TIME,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(SIDECARS)
def test_what_is_written_is_read_back_the_same(sidecar: Sidecar) -> None:
    """Nothing is lost on the way, in any script, and what is written keeps to the schema."""
    written = encode(sidecar)

    assert decode(written, "it") == sidecar
    assert encode(decode(written, "it")) == written
    VALIDATOR.validate(json.loads(written))


def test_half_a_character_does_not_make_a_sidecar_unreadable() -> None:
    """Half of a surrogate pair is no text; the rest of the prompt survives it."""
    broken = replace(SMALLEST, generation=replace(SMALLEST.generation, prompt="a\ud83db"))

    assert "a?b" == decode(encode(broken), "it").generation.prompt


# What is refused


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """Encode the stored sidecar with one thing changed."""
    document = json.loads(FIXTURE.read_bytes())
    change(document)
    return json.dumps(document).encode()


def put(place: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Set one place of the document, such as "media.0.path"."""

    def change(document: dict[str, Any]) -> None:
        *path, last = place.split(".")
        here: Any = document
        for step in path:
            here = here[int(step)] if isinstance(here, list) else here[step]
        here[last] = value

    return change


@pytest.mark.parametrize("format_name", ["archiver.sidecar/2", "archiver.sidecar/1.1", "", 1, None])
def test_another_format_is_refused_by_its_name(format_name: object) -> None:
    """A newer program's sidecars are not half understood: the message names the format."""
    with pytest.raises(CopyDamaged, match=r"a/b\.json") as caught:
        decode(changed(put("format", format_name)), "a/b.json")

    assert repr(format_name) in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "../outside.png",
        "/etc/passwd",
        "a/../../b.png",
        "a\\b.png",
        "a\0b.png",
        "",
        ".",
        "a//b.png",
        "con.png",
        ".archiver-tmp-x",
        "a/" + "x" * 300,
    ],
)
def test_a_path_that_leaves_the_root_is_refused(path: str) -> None:
    """A sidecar may come from anywhere: its paths pass the same validator as our own."""
    with pytest.raises((CopyDamaged, KeyInvalid)):
        decode(changed(put("media.0.path", path)), "it")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("id", ""),
        ("id", 5),
        ("account", None),
        ("provider", ["oxen"]),
        ("kind", "picture"),
        ("status", "done"),
        ("prompt", {"text": "a"}),
        ("model", 4),
        ("created_at", "yesterday"),
        ("created_at", 5),
        ("created_at", "0001-01-01T00:00:00+05:00"),
        ("archived_at", None),
        ("cost", {"amount": "1"}),
        ("cost", {"amount": "1", "unit": "credits", "tax": "1"}),
        ("error", "bad"),
        ("parameters", []),
        ("parameters", None),
        ("raw", "text"),
        ("media", None),
        ("media", {"a": 1}),
        ("media", [5]),
        ("media.0.size", "4"),
        ("media.0.size", 0),
        ("media.0.size", -1),
        ("media.0.size", 4.0),
        ("media.0.size", True),
        ("media.0.size", 10**30),
        ("media.0.sha256", None),
        ("media.0.sha256", "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"),
        ("media.0.sha256", "9f86"),
        ("media.0.path", 5),
        ("media.0.role", "hat"),
        ("media.0.key", ""),
        ("missing.0.state", "gone"),
        ("missing.0.at", ""),
        ("missing.0.http_status", "never"),
    ],
)
def test_a_document_that_is_no_sidecar_is_damaged(place: str, value: object) -> None:
    """Whatever is wrong, the error is CopyDamaged with the file's name, and nothing else."""
    with pytest.raises(CopyDamaged, match=r"a/b\.json"):
        decode(changed(put(place, value)), "a/b.json")


@pytest.mark.parametrize("name", sorted(json.loads(FIXTURE.read_bytes())))
def test_a_sidecar_without_one_of_its_fields_is_damaged(name: str) -> None:
    """All fields are always written; which program wrote it does not matter to a reader."""
    body = changed(lambda document: document.pop(name))

    if name == "archiver_version":
        assert decode(body, "it") == EXPECTED
        return
    with pytest.raises(CopyDamaged):
        decode(body, "it")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"archiver.sidecar/1"',
        b"\xff\xfe",
        b"\x00" * 100,
        b"<html></html>",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"NaN",
        FIXTURE.read_bytes()[:-3],
        FIXTURE.read_bytes() + b"{}",
        FIXTURE.read_bytes().replace(b"0.35", b"NaN"),
        FIXTURE.read_bytes().replace(b"0.35", b"Infinity"),
    ],
)
def test_bytes_that_are_no_sidecar_are_damaged(body: bytes) -> None:
    """A cut, empty, nested or foreign file ends in an error that can be counted and shown."""
    with pytest.raises(CopyDamaged):
        decode(body, "it")


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_sidecar_or_damaged(body: bytes) -> None:
    """No file of a destination makes the reader itself fail."""
    with pytest.raises(CopyDamaged):
        decode(body, "it")
