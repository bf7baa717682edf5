"""Does one thing with many items on some threads; memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from archiver.log import inherit

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def open_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """Make threads whose log lines have what is bound here (`log.bound`): they name their run."""
    return ThreadPoolExecutor(threads, name, initializer=inherit())


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
