"""Reads sidecars a batch at a time, the next one while the last is written.

To make the rows of a sidecar takes as long as to write them, and one interpreter does one of the
two at a time. So once there is more than a batch, what lies on this machine is read by a second
process (`beside`). What is far away is mostly waited for: there threads are enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import islice

from archiver.actions.rebuilding.beside import beside
from archiver.actions.rebuilding.threads import Read, on_threads
from archiver.storage.base import Destination

BATCH = 512
THREADS = 16


def read_all(
    destination: Destination, found: Iterator[str], now: datetime
) -> Iterator[tuple[list[str], list[Read]]]:
    """Read sidecars in the order of their keys, a batch at a time."""
    with ExitStack() as stack:
        here = stack.enter_context(on_threads(destination, now, THREADS))
        batch = list(islice(found, BATCH))
        begin, end = here, here(batch)
        while batch:
            done, read = batch, end()
            batch = list(islice(found, BATCH))
            if batch and begin is here and destination.capabilities.is_near:
                begin = stack.enter_context(beside(destination, now, here))
            end = begin(batch)
            yield done, read
