"""What a signal does to a command."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

HEAD = """
    import os, signal, sys, threading
    from archiver.cli.interrupt import stop_on_signals, stopping
    from archiver.errors import Interrupted
"""


def execute(body: str) -> subprocess.CompletedProcess[str]:
    """Run a small program that gets signals."""
    program = textwrap.dedent(HEAD) + textwrap.dedent(body)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def run(body: str) -> list[str]:
    """Run such a program to its own end; return the lines it prints."""
    done = execute(body)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.splitlines()


@pytest.mark.parametrize(("name", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_stops_what_is_in_flight_and_says_why(name: str, exit_code: int) -> None:
    """Interrupted is raised in the main thread, and everything that waits is told to end."""
    assert [f"{exit_code} True", "class keeps 130"] == run(f"""
        try:
            with stop_on_signals():
                os.kill(os.getpid(), signal.{name})
                threading.Event().wait(20)
        except Interrupted as error:
            print(error.exit_code, stopping.is_set())
        print("class keeps", Interrupted.exit_code)
    """)


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGTERM"), ("SIGTERM", "SIGINT")])
def test_a_second_signal_ends_the_process_at_once(first: str, second: str) -> None:
    """Whoever presses Ctrl-C twice does not wait for the way out."""
    done = execute(f"""
        with stop_on_signals():
            try:
                os.kill(os.getpid(), signal.{first})
                threading.Event().wait(20)
            finally:
                os.kill(os.getpid(), signal.{second})
                print("goes on", flush=True)
    """)

    message = "archiver: stopped at once; what is stored is whole, start it again to go on\n"
    assert "" == done.stdout
    assert message == done.stderr
    assert 128 + signal.Signals[second] == done.returncode


def test_a_way_out_that_hangs_is_cut_short() -> None:
    """One signal is enough, whatever waits for whatever on the way out."""
    done = execute("""
        with stop_on_signals():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                threading.Event().wait(20)
            finally:
                threading.Event().wait(60)
    """)

    assert "archiver: stopped; nothing is half done, start it again to go on\n" == done.stderr
    assert 143 == done.returncode


def test_no_library_takes_a_signal_for_its_own_error() -> None:
    """Code that wraps every Exception, as botocore does, cannot swallow Ctrl-C."""
    assert ["130"] == run("""
        try:
            with stop_on_signals():
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    threading.Event().wait(20)
                except Exception:
                    print("swallowed")
        except Interrupted as error:
            print(error.exit_code)
    """)


def test_a_thread_that_hangs_does_not_hold_the_end_up() -> None:
    """When it was asked to stop, the process leaves its threads behind; its words are not lost."""
    done = execute("""
        from archiver.cli.interrupt import leave
        threading.Thread(target=lambda: threading.Event().wait(60)).start()
        try:
            with stop_on_signals():
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(20)
        except Interrupted as error:
            print("said")
            leave(error.exit_code)
    """)

    assert (130, "said\n", "") == (done.returncode, done.stdout, done.stderr)


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
