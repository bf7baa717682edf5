"""Runs calls as fibers of one thread, with the face of an executor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import ParamSpec, TypeVar

from archiver.fibers.hub import Hub

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class FiberPool:
    """So many `fibers` at most on one thread, which is started by the first call.

    `helpers` block in their place. `initializer` is called by the thread first.
    """

    def __init__(
        self, fibers: int, name: str, helpers: Executor, initializer: Callable[[], object]
    ) -> None:
        self._fibers = fibers
        self._helpers = helpers
        self._initializer = initializer
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._starting = threading.Lock()
        self._jobs: SimpleQueue[tuple[Future[object], Callable[[], object]]] = SimpleQueue()
        self._begun: set[Future[object]] = set()
        self._hub: Hub | None = None
        self._is_closed = False

    def submit(
        self,
        work: Callable[_Parameters, _Result],
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> Future[_Result]:
        """Call something in a fiber, as soon as there is room for one more."""
        if self._is_closed:
            raise RuntimeError("the fibers were shut down")
        future: Future[_Result] = Future()
        self._jobs.put((future, lambda: work(*args, **kwargs)))  # type: ignore[arg-type]
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()
        self._wake()
        return future

    def shutdown(self) -> None:
        """Cancel what has not begun, and end the thread when the rest is over; returns at once."""
        self._is_closed = True
        for future, _ in iter(self._next_job, None):
            future.cancel()
        self._wake()
        if self._thread.ident is None:
            self._helpers.shutdown(wait=False)

    def _wake(self) -> None:
        if self._hub is not None:
            self._hub.call(lambda: None)

    def _next_job(self) -> tuple[Future[object], Callable[[], object]] | None:
        try:
            return self._jobs.get_nowait()
        except Empty:
            return None

    def _run(self) -> None:
        try:
            self._initializer()
            self._hub = Hub(self._helpers)
            self._turn(self._hub)
        except BaseException as error:  # a bug, or no descriptors: whoever waits must hear of it
            self._is_closed = True
            for future in self._begun:
                future.set_exception(error)
            for future, _ in iter(self._next_job, None):
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
        finally:
            if self._hub is not None:
                self._hub.close()
            self._helpers.shutdown(wait=False)

    def _turn(self, hub: Hub) -> None:
        while hub.live or not self._is_closed:
            while hub.live < self._fibers and (job := self._next_job()) is not None:
                self._begin(hub, *job)
            hub.turn(is_idle=self._jobs.empty() or hub.live >= self._fibers)

    def _begin(self, hub: Hub, future: Future[object], work: Callable[[], object]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        self._begun.add(future)

        def do() -> None:
            try:
                result = work()
            except BaseException as error:  # it belongs to whoever asked
                self._begun.discard(future)
                future.set_exception(error)
            else:
                self._begun.discard(future)
                future.set_result(result)

        hub.begin(do)
