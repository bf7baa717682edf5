"""Reads a batch of sidecars on some threads of this process, and makes their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from archiver.actions.adopting import make_adoptable, read_sidecar
from archiver.actions.parallel import open_pool
from archiver.index.adopted import Adoptable
from archiver.storage.base import Destination

CHUNK = 32

Read = Adoptable | Exception
"""The rows of a sidecar, or what is wrong with it."""
Begin = Callable[[Sequence[str]], Callable[[], list[Read]]]
"""Begins to read a batch; what it gives back waits for the end, in the order of the keys."""


@contextmanager
def on_threads(destination: Destination, now: datetime, threads: int) -> Iterator[Begin]:
    """Give what reads a batch at a time."""

    def read(some: Sequence[str]) -> list[Read]:
        return [_read(destination, key, now) for key in some]

    with open_pool(threads, "rebuild") as pool:

        def begin(batch: Sequence[str]) -> Callable[[], list[Read]]:
            reads = [
                pool.submit(read, batch[at : at + CHUNK]) for at in range(0, len(batch), CHUNK)
            ]
            return lambda: [one for chunk in reads for one in chunk.result()]

        try:
            yield begin
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _read(destination: Destination, key: str, now: datetime) -> Read:
    """Read one sidecar; gives back what went wrong, as that must not hold up the others."""
    try:
        return make_adoptable(destination.name, read_sidecar(destination, key), now)
    except Exception as error:  # the rebuild decides about each
        return error
