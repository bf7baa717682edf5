"""What is logged, and what never is (promise 8)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from archiver.log import NOISY, configure, escape, redact
from archiver.redaction import remember_secret

KEY = "sk-0123456789abcdef"
SIGNED = "https://cdn.example.com/a.png?X-Amz-Signature=feed"
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
NESTED = st.recursive(
    PLAIN | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Leave the process's logging as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in NOISY}
    yield
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Read back the JSON lines of standard error; nothing may be on standard output."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_off_a_terminal_each_event_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, level, time and keys, for a program to read."""
    configure("auto", 0)

    structlog.get_logger().info("run.finished", account="studio", files=3)

    [line] = logged(capsys)
    assert str(line.pop("timestamp")).endswith("Z")
    expected = {"event": "run.finished", "level": "info", "account": "studio", "files": 3}
    assert expected == line


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """No colours where there is no terminal, and an exception with its traceback."""
    configure("text", 0)

    try:
        raise ValueError(SIGNED)
    except ValueError:
        structlog.get_logger().exception("capture.failed", account="studio")

    said = capsys.readouterr().err
    assert "capture.failed" in said
    assert "account=studio" in said
    assert "Traceback" in said
    assert "feed" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [(-1, ["warning", "error"]), (0, ["info", "warning", "error"])],
)
def test_verbosity_chooses_the_levels(
    capsys: pytest.CaptureFixture[str], verbosity: int, expected: list[str]
) -> None:
    """Quiet is warnings and worse; the default leaves out what only a developer wants."""
    configure("json", verbosity)
    log = structlog.get_logger()

    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("event")

    assert expected == [line["level"] for line in logged(capsys)]


def test_verbose_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """One -v is enough for debug events."""
    configure("json", 1)

    structlog.get_logger().debug("event")

    assert "debug" == logged(capsys)[0]["level"]


def test_libraries_speak_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    """Their records come as the same events, redacted, and without Python's own objects."""
    configure("json", 0)

    logging.getLogger("somelib").warning("asked %s", SIGNED)

    [line] = logged(capsys)
    line.pop("timestamp")
    assert {
        "event": "asked https://cdn.example.com/a.png?[hidden]",
        "level": "warning",
    } == line


@pytest.mark.parametrize("name", NOISY)
def test_noisy_libraries_only_warn(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Each request of a client is no event of ours."""
    configure("json", 1)

    logging.getLogger(name).info("GET %s", SIGNED)

    assert [] == logged(capsys)


def test_no_secret_is_logged_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, keys, values, nested values, objects and tracebacks are all redacted."""
    remember_secret(KEY)
    configure("json", 0)
    log = structlog.get_logger().bind(bound=SIGNED)

    try:
        raise ValueError(f"{KEY} and {SIGNED}")
    except ValueError as error:
        log.exception(
            SIGNED,
            text=KEY,
            nested={"list": [SIGNED, {"deep": (KEY,)}], SIGNED: 1, "set": {KEY}},
            raw=KEY.encode(),
            error=error,
            **{KEY: 1},
        )

    said = capsys.readouterr().err
    assert KEY not in said
    assert "feed" not in said
    assert "ValueError" in said


def test_a_strangers_text_does_not_command_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Control characters are shown as they are written, however deep they stand."""
    configure("text", 0)

    structlog.get_logger().info("listed", prompt="\x1b[2J", nested=["\x9b2J", {"\x07": "\u202e"}])

    said = capsys.readouterr().err
    assert all(character.isprintable() or character == "\n" for character in said)
    assert "\\x1b[2J" in said


@given(st.dictionaries(st.text(), NESTED))
def test_any_event_can_be_logged(event: dict[str, object]) -> None:
    """Whatever is given, what comes out is plain data that JSON can hold."""
    cleaned = escape(None, "info", redact(None, "info", dict(event)))

    json.dumps(cleaned)
