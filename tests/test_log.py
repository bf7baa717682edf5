"""What is logged, and what never is (promise 8)."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import warnings

import pytest
import urllib3
from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.schedulers.background import BackgroundScheduler
from hypothesis import given
from hypothesis import strategies as st

from archiver.actions.parallel import in_parallel
from archiver.log import NOISY, bound, configure, get_logger
from archiver.log.events import escape, redact
from archiver.redaction import remember_secret

CROWD = """
import logging, sys, threading
from archiver.log import configure, get_logger
configure("json", 0)
sys.setswitchinterval(1e-6)
speak = (get_logger().warning, logging.getLogger("somelib").warning)
def work(say):
    for _ in range(1000):
        say("an event")
threads = [threading.Thread(target=work, args=(speak[n % 2],)) for n in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
KEY = "sk-0123456789abcdef"
SIGNED = "https://cdn.example.com/a.png?X-Amz-Signature=feed"
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
NESTED = st.recursive(
    PLAIN | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Read back the JSON lines of standard error; nothing may be on standard output."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_off_a_terminal_each_event_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, level, time and keys, for a program to read."""
    configure("auto", 0)

    get_logger().info("run.finished", account="studio", files=3)

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
        get_logger().exception("capture.failed", account="studio")

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
    log = get_logger()

    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("event")

    assert expected == [line["level"] for line in logged(capsys)]


def test_verbose_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """One -v is enough for debug events."""
    configure("json", 1)

    get_logger().debug("event")

    assert "debug" == logged(capsys)[0]["level"]


def test_text_shows_lists_and_tables_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """What the daemon says at its start is read by the person who started it."""
    configure("text", 0)

    get_logger().info("daemon.started", accounts=["box", "farm"], due={"farm": "12:00"})

    assert capsys.readouterr().err.rstrip().endswith("accounts='box, farm' due='farm 12:00'")


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
    log = get_logger().bind(bound=SIGNED)

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


def test_no_local_variable_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback shows lines of code and the error, never what the variables held."""
    held = "-".join(("held", "by", "nobody"))
    for log_format in ("json", "text"):
        configure(log_format, 0)
        try:
            raise ValueError(len(held))
        except ValueError:
            get_logger().exception("job.crashed")
        said = capsys.readouterr().err
        assert "raise ValueError(len(held))" in said
        assert held not in said


def test_what_urllib3_says_of_a_lost_connection_is_redacted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It names the address, whose query is as good as a key."""
    configure("json", 0)

    with pytest.raises(urllib3.exceptions.MaxRetryError):
        urllib3.PoolManager().request(
            "GET", "http://127.0.0.1:1/a.png?X-Amz-Signature=feedfeedfeed", retries=1
        )

    [line] = logged(capsys)
    assert "warning" == line["level"]
    assert "/a.png?X-Amz-Signature=[hidden]" in str(line["event"])


def test_what_the_scheduler_says_of_a_failed_job_is_redacted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its traceback is an event like any other."""
    remember_secret(KEY)
    configure("json", 0)

    def fail() -> None:
        raise ValueError(f"{KEY} at {SIGNED}")

    told = threading.Event()
    scheduler = BackgroundScheduler()
    scheduler.add_listener(lambda _event: told.set(), EVENT_JOB_ERROR)
    scheduler.start()
    scheduler.add_job(fail, id="poll")
    assert told.wait(20)
    scheduler.shutdown()

    said = capsys.readouterr().err
    [line] = [json.loads(line) for line in said.splitlines()]
    assert ("error", True) == (line["level"], "[secret]" in line["exception"])
    assert KEY not in said
    assert "feed" not in said


def test_a_warning_of_python_is_an_event_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's warning does not break the lines of JSON, and is redacted."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure("json", 0)
        warnings.warn(f"old: {SIGNED}", FutureWarning, stacklevel=1)
        logging.captureWarnings(False)

    [line] = logged(capsys)
    assert "warning" == line["level"]
    assert "a.png?[hidden]" in str(line["event"])


def test_every_event_of_a_block_has_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """Also what libraries say, and what threads that work for it say; nothing after it."""
    configure("json", 0)

    def work(number: int) -> int:
        get_logger().warning("worked", number=number)
        return number

    with bound(run="r1"):
        get_logger().warning("begun")
        logging.getLogger("somelib").warning("slow")
        assert [7] == list(in_parallel(work, [7], 1, "worker"))
    get_logger().warning("after")

    assert [("begun", "r1"), ("slow", "r1"), ("worked", "r1"), ("after", None)] == [
        (line["event"], line.get("run")) for line in logged(capsys)
    ]


def test_a_line_begins_with_what_every_event_has(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who reads the lines as they are sees first when, how bad, and what."""
    configure("json", 0)

    with bound(run="r1"):
        get_logger().info("account.listed", account="studio", listed=1)

    [line] = logged(capsys)
    assert ["timestamp", "level", "event", "run", "account", "listed"] == list(line)


def test_lines_of_many_threads_stay_lines() -> None:
    """Ours and those of libraries are written whole, one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", CROWD], capture_output=True, text=True, timeout=60, check=True
    )

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert 4000 == len(lines)


def test_a_strangers_text_forges_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What follows a line break is indented: lines of ours begin at the margin."""
    configure("text", 0)

    forged = "bad\n2026-01-01T00:00:00Z [info] run.finished"
    get_logger().warning("row.invalid", reason=forged)
    logging.getLogger("somelib").warning("%s", forged)

    said = capsys.readouterr().err
    assert 2 == said.count("bad")
    assert 2 == len([line for line in said.splitlines() if not line.startswith("    ")])


# The journal


SPEAK = """
import sys
from archiver.log import configure, get_logger
configure(sys.argv[1], 1)
log = get_logger()
for level in ("debug", "info", "warning", "error"):
    getattr(log, level)("event." + level)
try:
    raise ValueError("first line\\nsecond line")
except ValueError:
    log.exception("job.crashed")
"""


def said_to(journal: str | None, *command: str) -> list[str]:
    """Run a program whose stderr is a pipe; $JOURNAL_STREAM names that pipe, or something else."""
    ours, theirs = os.pipe()
    stream = os.fstat(theirs)
    name = f"{stream.st_dev}:{stream.st_ino}" if journal is None else journal
    process = subprocess.Popen(
        [sys.executable, *command], stderr=theirs, env={**os.environ, "JOURNAL_STREAM": name}
    )
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        lines = pipe.read().splitlines()
    process.wait()
    return lines


def test_the_journal_is_told_the_level_of_each_line() -> None:
    """Each line of a traceback too, and no time: it has its own."""
    lines = said_to(None, "-c", SPEAK, "text")

    assert ["<7>[debug", "<6>[info", "<4>[warning", "<3>[error"] == [
        line.split()[0] for line in lines[:4]
    ]
    assert len(lines) > 7
    assert {"<3>"} == {line[:3] for line in lines[4:]}
    assert any(line.endswith("second line") for line in lines)


def test_json_in_the_journal_stays_json() -> None:
    """Behind the level, which systemd takes off; with its time, as it may be sent elsewhere."""
    lines = said_to(None, "-c", SPEAK, "json")

    assert ["<7>", "<6>", "<4>", "<3>", "<3>"] == [line[:3] for line in lines]
    assert all("timestamp" in json.loads(line[3:]) for line in lines)


@pytest.mark.parametrize("other", ["1:1", "", "nonsense", "8:12:4"])
def test_what_is_not_the_journal_gets_no_levels(other: str) -> None:
    """A service's stderr that was sent to a file inherits the variable, but is another stream."""
    lines = said_to(other, "-c", SPEAK, "json")

    assert 5 == len([json.loads(line) for line in lines])


def test_the_last_word_of_a_command_is_an_error_in_the_journal() -> None:
    """`journalctl -p err` shows why a unit failed."""
    [line] = said_to(None, "-m", "archiver", "-c", "/nowhere/config.toml", "status")

    assert line.startswith("<3>archiver: ")


def test_a_strangers_text_does_not_command_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Control characters are shown as they are written, however deep they stand."""
    configure("text", 0)

    get_logger().info("listed", prompt="\x1b[2J", nested=["\x9b2J", {"\x07": "\u202e"}])

    said = capsys.readouterr().err
    assert all(character.isprintable() or character == "\n" for character in said)
    assert "\\x1b[2J" in said


@given(st.dictionaries(st.text(), NESTED))
def test_any_event_can_be_logged(event: dict[str, object]) -> None:
    """Whatever is given, what comes out is plain data that JSON can hold."""
    cleaned = escape(None, "info", redact(None, "info", dict(event)))

    json.dumps(cleaned)
