"""What a signal does to a command."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

HEAD = """
    import os, signal, sys, threading
    from archiver.cli.interrupt import stop_on_signals, stopping
    from archiver.errors import Interrupted
"""


def run(body: str) -> list[str]:
    """Run a small program that gets signals; return the lines it prints."""
    program = textwrap.dedent(HEAD) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.splitlines()


@pytest.mark.parametrize(("signal", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_stops_what_is_in_flight_and_says_why(signal: str, exit_code: int) -> None:
    """Interrupted is raised in the main thread, and everything that waits is told to end."""
    assert [f"{exit_code} True", "class keeps 130"] == run(f"""
        try:
            with stop_on_signals():
                os.kill(os.getpid(), signal.{signal})
                threading.Event().wait(20)
        except Interrupted as error:
            print(error.exit_code, stopping.is_set())
        print("class keeps", Interrupted.exit_code)
    """)


def test_a_second_signal_does_not_disturb_the_way_out() -> None:
    """Whoever presses Ctrl-C twice gets one orderly end."""
    assert ["cleaned up", "130"] == run("""
        try:
            with stop_on_signals():
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    threading.Event().wait(20)
                finally:
                    os.kill(os.getpid(), signal.SIGINT)
                    os.kill(os.getpid(), signal.SIGTERM)
                    print("cleaned up")
        except Interrupted as error:
            print(error.exit_code)
    """)


def test_the_handlers_from_before_come_back() -> None:
    """Outside of the block signals mean what they meant."""
    assert ["True True"] == run("""
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        with stop_on_signals():
            inside = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        after = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        print(after == before, inside != before)
    """)


def test_a_thread_leaves_the_signals_alone() -> None:
    """Handlers can only be set in the main thread; elsewhere the block does nothing."""
    assert ["inside", "True"] == run("""
        before = signal.getsignal(signal.SIGINT)
        def work():
            with stop_on_signals():
                print("inside")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        print(signal.getsignal(signal.SIGINT) == before)
    """)
