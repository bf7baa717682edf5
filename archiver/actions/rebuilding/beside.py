"""Reads sidecars in a second process, which has a core and an interpreter of its own.

It is sent the destination, then names of sidecars, and answers with their rows, over two pipes that
nobody else has. No error crosses them: what could not be read there is read again here, where its
error is judged. So is everything when that process cannot be started, or died.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO

from archiver.actions.rebuilding.threads import Begin, Read, on_threads
from archiver.index.adopted import Adoptable
from archiver.storage.base import Destination

THREADS = 4
"""Of the second process: enough to keep a disk busy. More wait for each other's interpreter."""
_ITS_END = (OSError, EOFError, pickle.UnpicklingError)
_COMMAND = "from archiver.actions.rebuilding.beside import serve; serve()"


@contextmanager
def beside(destination: Destination, now: datetime, here: Begin) -> Iterator[Begin]:
    """Give what reads a batch at a time in a second process; `here` reads what that could not."""
    process = _start()
    if process is None:
        yield here
        return
    requests, answers = process.stdin, process.stdout
    assert requests is not None, "it was started with pipes"
    assert answers is not None, "it was started with pipes"

    def begin(batch: Sequence[str]) -> Callable[[], list[Read]]:
        _send(requests, batch)
        return lambda: _fill_gaps(batch, _receive(answers, len(batch)), here)

    try:
        _send(requests, (destination, now))
        yield begin
    finally:
        process.kill()  # it only reads
        with suppress(BrokenPipeError):
            requests.close()
        answers.close()
        process.wait()


def _start() -> subprocess.Popen[bytes] | None:
    """Start the second process, if that can be; a terminal's Ctrl-C is for this one alone."""
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
    except OSError:
        return None


def _fill_gaps(batch: Sequence[str], rows: list[Adoptable | None], here: Begin) -> list[Read]:
    gaps = [key for key, one in zip(batch, rows, strict=True) if one is None]
    again = iter(here(gaps)())
    return [next(again) if one is None else one for one in rows]


def _send(requests: IO[bytes], message: object) -> None:
    try:
        pickle.dump(message, requests)
        requests.flush()
    except _ITS_END:
        return  # it died: so no answer will come either, and `_receive` makes up for it


def _receive(answers: IO[bytes], many: int) -> list[Adoptable | None]:
    try:
        rows: list[Adoptable | None] = pickle.load(answers)  # noqa: S301  # from our own process
    except _ITS_END:
        return [None] * many
    return rows


def serve() -> None:
    """Answer until the other process closes its end, or dies."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        destination, now = pickle.load(requests)  # noqa: S301  # from the process that started this
        with on_threads(destination, now, THREADS) as begin:
            while True:
                batch = pickle.load(requests)  # noqa: S301  # likewise
                rows = [one if isinstance(one, Adoptable) else None for one in begin(batch)()]
                pickle.dump(rows, answers)
                answers.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nothing is to be flushed into a pipe that nobody reads
