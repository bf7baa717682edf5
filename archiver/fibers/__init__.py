"""Many captures on one thread, which change places only where they wait.

On threads each of them would have to win the interpreter's lock back after every call to the
system, and two dozen at it spend more time on that than on files (docs/performance.md). A fiber
is a greenlet: plain blocking code that keeps the thread until it waits for one of these:

- `aside`: something slow that is done by a helper thread meanwhile (a store, a provider's API);
- `together`: some such things at the same time;
- `gathered`: something that costs as much for many as for one (files made durable);
- `Turns`: a place among the transfers of a host;
- and whatever waits on a `Promise` of its `Hub`, as the transfers of `fetch/loop.py`.

The same code runs without a fiber, on any thread: there it just blocks. A lock MUST NOT be held
across one of these waits. What only waits loads no greenlet: that is left to whoever makes fibers
(`pool`).
"""

from archiver.fibers.waits import Turns, aside, current_hub, gathered, owner, together

__all__ = ["Turns", "aside", "current_hub", "gathered", "owner", "together"]
