"""Does one thing with many items on some threads; memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from archiver.log import inherit

if TYPE_CHECKING:
    from archiver.fibers.pool import FiberPool

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def open_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """Make threads whose log lines have what is bound here (`log.bound`): they name their run."""
    return ThreadPoolExecutor(threads, name, initializer=inherit())


def open_fibers(fibers: int, name: str, steps: int) -> FiberPool:
    """Make a thread that does so many things at a time, with helpers for what blocks.

    There is one for each of the `steps` that a fiber may take at once: what one of them waits for
    (memory that another upload holds) may need another.
    """
    from archiver.fibers.pool import FiberPool

    helpers = open_pool(fibers * (steps + 1), f"{name}_aside")
    return FiberPool(fibers, name, helpers, initializer=inherit())


def in_parallel(
    work: Callable[[_Item], _Result], items: Iterable[_Item], concurrency: int, name: str
) -> Generator[_Result, None, None]:
    """Yield the results as they come; an error of `work` is raised, and nothing new begins."""
    with open_pool(concurrency, name) as workers:
        running: set[Future[_Result]] = set()
        try:
            for item in items:
                running.add(workers.submit(work, item))
                if len(running) >= concurrency * 2:
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (one.result() for one in ended)
            while running:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in ended)
        except BaseException:
            for one in running:
                one.cancel()
            raise
