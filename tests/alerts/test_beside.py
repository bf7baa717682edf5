"""Calls that may hang hold nothing up (promise 9)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from archiver.alerts.beside import Call, make_calls
from archiver.errors import MessageNotSent

SHORT = 0.3


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a hanging call waits for; opened at the end."""
    opened = threading.Event()
    yield opened
    opened.set()


def refuse() -> None:
    """Fail as a messenger does."""
    raise MessageNotSent("no")


def stumble() -> None:
    """Fail as a library with a mistake does, with a secret in its words."""
    raise KeyError("secret")


def hang(gate: threading.Event) -> Callable[[], None]:
    """Make a call that waits at a gate."""

    def wait() -> None:
        gate.wait()

    return wait


def ended(*calls: Call) -> dict[str, str | None]:
    """Make calls; by name how the last of each ended."""
    return {
        call.name: None if error is None else str(error) for call, error in make_calls(calls, SHORT)
    }


def do_nothing() -> None:
    """Succeed."""


def test_each_call_ends_in_its_own_way(gate: threading.Event) -> None:
    """One that hangs, one that fails and one with a bug do not touch the one that works."""
    found = ended(
        Call("hangs", hang(gate)),
        Call("refuses", refuse),
        Call("stumbles", stumble),
        Call("works", do_nothing),
    )

    assert {
        "works": None,
        "refuses": "no",
        "stumbles": "this is a bug, please report it: KeyError",
        "hangs": "no answer within 0 s",
    } == found


def test_calls_that_hang_do_not_pile_up(gate: threading.Event) -> None:
    """As long as one is under way, the next of its name fails at once; then all is well again."""
    hanging = Call("one", hang(gate))
    ended(hanging)
    before = threading.active_count()

    assert {"one": "an earlier message to it still hangs"} == ended(hanging)
    assert before == threading.active_count()

    gate.set()
    assert {"one": None} == ended(hanging)


def test_nothing_is_tried_behind_a_failure() -> None:
    """A messenger that did not take the first message is not asked to take the second."""
    made: list[int] = []

    calls = [Call("a", refuse), Call("a", lambda: made.append(1))]

    assert ["no", "no"] == [str(error) for _, error in make_calls(calls, SHORT)]
    assert [] == made


def test_a_call_right_behind_another_is_made() -> None:
    """A thread that has just said how it ended is not one that hangs."""
    for _ in range(200):
        assert {"quick": None} == ended(Call("quick", do_nothing))
