"""Makes calls that may hang, beside the program: none of them holds it up for long (promise 9).

A timeout on a socket bounds neither a slow name server nor a host that trickles. So each call is
made in a thread that is waited for so long and no longer. One that hangs is left behind, and as
long as it does the next call of that name fails at once: they cannot pile up.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from archiver.errors import MessageNotSent

MOMENT_SECONDS = 0.2

_under_way: dict[str, threading.Thread] = {}


@dataclass(frozen=True, slots=True)
class Call:
    """Something to do for one name; raises MessageNotSent when it failed."""

    name: str
    do: Callable[[], None]


Made = TypeVar("Made", bound=Call)


def make_calls(
    calls: Sequence[Made], seconds_in_all: float
) -> Iterator[tuple[Made, MessageNotSent | None]]:
    """Make all calls, those of one name in turn, and say of each as it ends how.

    Ends in time, whatever hangs. When one of a name fails, those after it are not tried.
    """
    results: queue.SimpleQueue[tuple[Made, MessageNotSent | None]] = queue.SimpleQueue()
    ends_at = time.monotonic() + seconds_in_all
    for name in dict.fromkeys(call.name for call in calls):
        _begin(name, [call for call in calls if call.name == name], results)
    waiting = list(calls)
    while waiting:
        try:
            result = results.get(timeout=max(0.0, ends_at - time.monotonic()))
        except queue.Empty:
            late = MessageNotSent(f"no answer within {seconds_in_all:.0f} s")
            yield from ((call, late) for call in waiting)
            return
        waiting.remove(result[0])
        yield result


def _begin(
    name: str, calls: Sequence[Made], results: queue.SimpleQueue[tuple[Made, MessageNotSent | None]]
) -> None:
    before = _under_way.get(name)
    if before is not None:
        before.join(MOMENT_SECONDS)  # it may have said how it ended a moment before it ends
    if before is not None and before.is_alive():
        for call in calls:
            results.put((call, MessageNotSent("an earlier message to it still hangs")))
        return
    work = partial(_make_in_turn, calls, results)
    _under_way[name] = threading.Thread(target=work, name=name, daemon=True)
    _under_way[name].start()


def _make_in_turn(
    calls: Sequence[Made], results: queue.SimpleQueue[tuple[Made, MessageNotSent | None]]
) -> None:
    error: MessageNotSent | None = None
    for call in calls:
        error = error or _failure(call)
        results.put((call, error))


def _failure(call: Call) -> MessageNotSent | None:
    """Make one call; whatever goes wrong in it is no reason for anything else to end."""
    try:
        call.do()
    except MessageNotSent as error:
        return error
    except Exception as error:  # a library's own mistake: its words may hold an address
        return MessageNotSent(f"this is a bug, please report it: {type(error).__name__}")
    return None
