from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.daemon.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket as a service manager opens it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        yield end


def environment(manager: socket.socket, **more: str) -> dict[str, str]:
    """What the service manager hands to its service."""
    return {"NOTIFY_SOCKET": manager.getsockname(), **more}


def test_each_state_is_one_datagram(manager: socket.socket) -> None:
    """As sd_notify(3) describes them; a status never breaks into a second line."""
    notifier = Notifier(environment(manager))
    notifier.ready()
    notifier.status("two\nlines")
    notifier.stopping(68)

    heard = [manager.recv(4096).decode() for _ in range(3)]

    expected = ["READY=1", "STATUS=two lines", "STOPPING=1\nEXTEND_TIMEOUT_USEC=68000000"]
    assert expected == heard


def test_a_reload_tells_its_time(manager: socket.socket) -> None:
    """The manager wants the monotonic clock, to know which reload it was."""
    Notifier(environment(manager)).reloading()

    state, _, stamp = manager.recv(4096).decode().partition("\nMONOTONIC_USEC=")

    assert ("RELOADING=1", True) == (state, stamp.isdecimal())


def test_the_watchdog_is_fed_a_few_times_within_its_patience(manager: socket.socket) -> None:
    """However often life is shown, a quarter of the patience lies between two messages."""
    patient = Notifier(environment(manager, WATCHDOG_USEC="400000000"))
    for _ in range(1000):
        patient.feed_watchdog()
    patient.ready()

    assert ["WATCHDOG=1", "READY=1"] == [manager.recv(4096).decode() for _ in range(2)]


@pytest.mark.parametrize(
    "given",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "400", "WATCHDOG_PID": str(os.getpid() + 1)}],
)
def test_a_watchdog_that_is_not_ours_is_not_fed(
    manager: socket.socket, given: dict[str, str]
) -> None:
    """None is set, or it watches another process."""
    notifier = Notifier(environment(manager, **given))
    notifier.feed_watchdog()
    notifier.ready()

    assert manager.recv(4096) == b"READY=1"


def test_an_abstract_socket_is_reached() -> None:
    """Containers often hand one over: its name begins with @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        name = f"archiver-test-{os.getpid()}"
        end.bind(f"\0{name}")
        end.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()

        assert end.recv(4096) == b"READY=1"


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    """On a terminal, in a container, and when the manager has gone."""
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
