"""What blocking code may wait for without holding up the other fibers of its thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from archiver.fibers.hub import Hub, Promise

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


class _Here(threading.local):
    """What this thread does just now: runs a fiber of a hub, or works for one (its number)."""

    hub: Hub | None = None
    owner: int | None = None


here = _Here()


def current_hub() -> Hub | None:
    """Return the hub of the fiber that calls this; None on a plain thread, which may block."""
    return here.hub


def owner() -> int:
    """Tell apart who works: a fiber, wherever its work is done, or a thread."""
    if here.hub is not None:
        return here.hub.running
    return threading.get_ident() if here.owner is None else here.owner


def aside(
    work: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
) -> _Result:
    """Do something that may block; in a fiber, on a helper thread."""
    hub = current_hub()
    if hub is None:
        return work(*args, **kwargs)
    return hub.help(lambda: work(*args, **kwargs)).wait()


def together(
    steps: Sequence[Callable[[], _Result]], *, is_long: bool = True
) -> list[_Result | Exception]:
    """Do some things at the same time; returns what each of them returned or raised.

    In a fiber all but the first are done by helper threads. On a plain thread they are done one
    by one, and so is what is not long.
    """
    hub = current_hub() if is_long else None
    if hub is None:
        return [_end_of(step) for step in steps]
    begun = [_end_of(partial(hub.help, step)) for step in steps[1:]]  # not all, without a thread
    first = [_end_of(step) for step in steps[:1]]
    return first + [one if isinstance(one, Exception) else _end_of(one.wait) for one in begun]


def _end_of(step: Callable[[], _Result]) -> _Result | Exception:
    try:
        return step()
    except Exception as error:
        return error


def gathered(
    group: Hashable, work: Callable[[Sequence[_Item]], Sequence[_Result | Exception]], item: _Item
) -> _Result:
    """Do something to one item together with those of other fibers, in the order they came.

    What `work` returns for the item is returned or raised. What comes while a batch of the group
    runs is the next one, which waits for it a moment. On a plain thread the batch is this one item.
    """
    hub = current_hub()
    end: _Result | BaseException
    end = work([item])[0] if hub is None else hub.gather(group, work, item)
    if isinstance(end, BaseException):
        raise end
    return end


class _Event(threading.Event):
    """The promise of a plain thread."""

    def keep(self, _result: None) -> None:
        self.set()


class Turns:
    """A semaphore for fibers and threads alike, first come, first served."""

    def __init__(self, at_once: int) -> None:
        self._lock = threading.Lock()
        self._free = at_once
        self._waiting: deque[Promise[None] | _Event] = deque()

    def __enter__(self) -> None:
        hub = current_hub()
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            turn: Promise[None] | _Event = _Event() if hub is None else hub.promise()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            turn = self._waiting.popleft() if self._waiting else None
            self._free += turn is None
        if turn is not None:
            turn.keep(None)
