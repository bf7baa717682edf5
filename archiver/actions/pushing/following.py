"""Follows generations until they are archived or have ended badly: they are asked for by id.

What the provider says of its own pace counts: its estimate shortens a wait, a Retry-After
lengthens it. A generation that a run or the daemon brings home meanwhile is found in the index.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from archiver.actions.archive import Account, Unusable
from archiver.actions.pushing.desk import Desk, rests
from archiver.actions.pushing.take import take
from archiver.actions.running.summary import worst
from archiver.errors import ArchiverError, CredentialsRejected, GenerationNotFound, ProviderError
from archiver.index import queries
from archiver.index.rows import Known
from archiver.model import State
from archiver.providers.base import Progress

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2.0, 30.0
SHORTEST_WAIT_SECONDS = 1.0
LOOK_SECONDS = 0.5
"""So often the index is asked whether somebody else has brought it home."""

_NOT_OVER = (State.IN_PROGRESS, State.PENDING, State.FAILED)


class Watcher(Protocol):
    """Is told how it goes on: a progress line, a log."""

    def progressed(self, known: Known, progress: Progress) -> None:
        """The provider was asked, and is still at work."""

    def delayed(self, generation_id: str, error: ArchiverError, seconds: float) -> None:
        """Something stands in the way just now; it is tried again after so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowOptions:
    """How long to follow, on the clock of `time.monotonic`, and how to wait meanwhile.

    With `tries_once` what cannot be captured at the first try has come to its end.
    """

    give_up_at: float
    pause: Callable[[float], None]
    watcher: Watcher
    tries_once: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Followed:
    """One generation that is followed: its id, who may know it, and what is known of it.

    `unusable` accounts may know it as well, and cannot be asked. At the end `error` says what
    stopped it, and `is_late` that time was over; `delay` is what stood in the way last.
    """

    id: str
    accounts: Sequence[Account] = ()
    unusable: Mapping[str, Unusable] = field(default_factory=dict)
    known: Known | None = None
    error: ArchiverError | None = None
    delay: ArchiverError | None = None
    is_late: bool = False
    is_tried: bool = False
    due_at: float = 0.0
    wait_seconds: float = FIRST_WAIT_SECONDS

    def again_in(self, seconds: float) -> bool:
        """Go on after so many seconds; returns False, as it is not over."""
        self.due_at = time.monotonic() + seconds
        return False

    def back_off(self, at_most: float = LONGEST_WAIT_SECONDS) -> float:
        """Say how long to wait now; twice as long the next time."""
        wait = min(self.wait_seconds, max(at_most, SHORTEST_WAIT_SECONDS))
        self.wait_seconds = min(self.wait_seconds * 2, LONGEST_WAIT_SECONDS)
        return wait


def follow(desk: Desk, wanted: Sequence[Followed], options: FollowOptions) -> Iterator[Followed]:
    """Follow each to its end, and yield it then; those that are late come last."""
    left = list(wanted)
    while left:
        one = min(left, key=lambda other: other.due_at)
        now = time.monotonic()
        if max(one.due_at, now) >= options.give_up_at:
            options.pause(max(0.0, options.give_up_at - now))
            break
        options.pause(max(0.0, one.due_at - now))
        if _is_over(desk, one, options):
            left.remove(one)
            yield one
        desk.save_budgets()
    for one in left:
        known = one.known or _find_in_index(desk, one)
        one.known = desk.look(known) if known else None
        one.is_late = one.known is None or one.known.state in _NOT_OVER
        yield one


def _is_over(desk: Desk, one: Followed, options: FollowOptions) -> bool:
    """Go one step on; tells whether that was the last one."""
    try:
        if one.known is None:
            one.known = _find(desk, one)
        return _go_on(desk, one, desk.look(one.known), options)
    except CredentialsRejected as error:
        one.error = error
    except ProviderError as error:
        one.delay, seconds = error, error.retry_after_seconds or one.back_off()
        options.watcher.delayed(one.id, error, seconds)
        return one.again_in(seconds)
    except ArchiverError as error:
        one.error = error
    return True


def _find(desk: Desk, one: Followed) -> Known:
    """Find a generation in the index, else at the providers that may know it."""
    known = _find_in_index(desk, one)
    if known is not None:
        return known
    found, errors = [], list[ProviderError]()
    for account in one.accounts:
        try:
            found.append((account, account.provider.detail(one.id)))
        except ProviderError as error:
            errors.append(error)
    if len(found) > 1:
        names = " and ".join(account.name for account, _ in found)
        raise ArchiverError(f"{names} both know {one.id}: say which with --account")
    for account, generation in found:
        return take(desk.archive, account, generation)
    for refusal in errors:
        if refusal.is_transient or isinstance(refusal, CredentialsRejected):
            raise refusal
    for refusal in errors:  # what is no answer to this id now is none later
        if not isinstance(refusal, GenerationNotFound):
            raise ArchiverError(f"the index does not know {one.id}, and {refusal}")
    raise _unknown(one)


def _find_in_index(desk: Desk, one: Followed) -> Known | None:
    for name in (*(account.name for account in one.accounts), *one.unusable):
        for known in queries.by_id(desk.archive.index, one.id, name):
            return known
    return None


def _unknown(one: Followed) -> ArchiverError:
    """Say that nobody knows it, as far as they could be asked."""
    names = ", ".join(account.name for account in one.accounts)
    asked = f"neither the index nor the provider of {names} knows {one.id}"
    told = asked if names else f"the index does not know {one.id}"
    if not one.unusable:
        return ArchiverError(told)
    reasons = (f"{name} could not be asked: {it.error}" for name, it in one.unusable.items())
    unasked = ArchiverError(f"{told}, and {'; '.join(reasons)}")
    unasked.exit_code = worst(it.error.exit_code for it in one.unusable.values())
    return unasked


def _go_on(desk: Desk, one: Followed, known: Known, options: FollowOptions) -> bool:
    name = known.generation.account
    if name in one.unusable:
        if known.state is not State.IN_PROGRESS and rests(known):
            one.known = known
            return True
        raise one.unusable[name].error
    account = desk.accounts[name]
    if known.state is State.IN_PROGRESS:
        generation = account.provider.detail(known.generation.id, known.listed_record)
        known = take(desk.archive, account, generation)
        progress = account.provider.progress(generation)
        if known.state is State.IN_PROGRESS:
            one.known = known
            options.watcher.progressed(known, progress)
            eta = progress.eta_seconds
            return one.again_in(one.back_off(LONGEST_WAIT_SECONDS if eta is None else eta))
    if _is_due(desk, one, known):
        known = desk.settle(known)
        one.is_tried = known.state is State.FAILED
    one.known = known
    if one.is_tried and options.tries_once:
        return True
    if known.state in (State.PENDING, State.FAILED):
        return one.again_in(LOOK_SECONDS)
    return known.state is not State.IN_PROGRESS or one.again_in(one.back_off())


def _is_due(desk: Desk, one: Followed, known: Known) -> bool:
    """Whether to try it now: at once, and after a try in vain when its time has come again."""
    next_try_at = known.next_try_at
    return not one.is_tried or next_try_at is None or next_try_at <= desk.archive.clock()
