"""The state machine of generations and of assets: one table each, and no other way to change.

Promise 6: everything ever listed is in one state, and nothing leaves it but by an event of this
table. Listing, capture, take-over from sidecars and config changes all end in such an event;
docs/design.md shows the tables, and a test keeps the two alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from archiver.model import State


class Event(StrEnum):
    """What can happen to a generation or an asset."""

    LISTED = "listed"
    """The provider names it, finished, as it was known; or for the first time."""
    UNFINISHED = "unfinished"
    """The provider names it and is still at work on it."""
    CHANGED = "changed"
    """The provider names it with other facts or files than were known."""
    RULED_OUT = "ruled out"
    """A rule of the config leaves it out."""
    WANTED = "wanted"
    """A rule that left out some of its files does so no more."""
    SECURED = "secured"
    """Every destination that must hold it does, sidecar included."""
    TRY_FAILED = "try failed"
    """It could not be secured now; there is a reason and a next try."""
    PROVEN_GONE = "proven gone"
    """There is evidence that it can never be had."""


Table = Mapping[State | None, Mapping[Event, State]]
"""The state before (None: not known yet), and for each event that may happen the state after."""


def _table(rows: dict[State | None, dict[Event, State]]) -> Table:
    return MappingProxyType({before: MappingProxyType(row) for before, row in rows.items()})


GENERATIONS = _table(
    {
        None: {
            Event.LISTED: State.PENDING,
            Event.UNFINISHED: State.IN_PROGRESS,
            Event.RULED_OUT: State.EXCLUDED,
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
        },
        State.IN_PROGRESS: {
            Event.LISTED: State.PENDING,
            Event.UNFINISHED: State.IN_PROGRESS,
            Event.CHANGED: State.PENDING,
            Event.RULED_OUT: State.EXCLUDED,
            Event.WANTED: State.IN_PROGRESS,
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
        },
        State.PENDING: {
            Event.LISTED: State.PENDING,
            Event.UNFINISHED: State.IN_PROGRESS,
            Event.CHANGED: State.PENDING,
            Event.RULED_OUT: State.EXCLUDED,
            Event.WANTED: State.PENDING,
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
        },
        State.FAILED: {
            Event.LISTED: State.FAILED,
            Event.UNFINISHED: State.IN_PROGRESS,
            Event.CHANGED: State.PENDING,
            Event.RULED_OUT: State.EXCLUDED,
            Event.WANTED: State.PENDING,
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
        },
        State.ARCHIVED: {
            Event.LISTED: State.ARCHIVED,
            Event.UNFINISHED: State.ARCHIVED,
            Event.CHANGED: State.PENDING,
            Event.RULED_OUT: State.ARCHIVED,
            Event.WANTED: State.PENDING,
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
        },
        State.EXCLUDED: {
            Event.LISTED: State.PENDING,
            Event.UNFINISHED: State.IN_PROGRESS,
            Event.CHANGED: State.PENDING,
            Event.RULED_OUT: State.EXCLUDED,
            Event.WANTED: State.EXCLUDED,
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.EXCLUDED,
            Event.PROVEN_GONE: State.EXCLUDED,
        },
        State.LOST: {
            Event.LISTED: State.LOST,
            Event.UNFINISHED: State.LOST,
            Event.CHANGED: State.PENDING,
            Event.RULED_OUT: State.LOST,
            Event.WANTED: State.PENDING,
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
        },
    }
)
"""What is archived or lost stays so while its listing does not change; a loss is never final
when the provider names other files after all."""

ASSETS = _table(
    {
        None: {Event.LISTED: State.PENDING, Event.RULED_OUT: State.EXCLUDED},
        State.PENDING: {
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
            Event.RULED_OUT: State.EXCLUDED,
        },
        State.FAILED: {
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
            Event.RULED_OUT: State.EXCLUDED,
        },
        State.ARCHIVED: {
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.ARCHIVED,
            Event.PROVEN_GONE: State.ARCHIVED,
            Event.RULED_OUT: State.ARCHIVED,
        },
        State.EXCLUDED: {
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.FAILED,
            Event.PROVEN_GONE: State.LOST,
            Event.RULED_OUT: State.EXCLUDED,
            Event.WANTED: State.PENDING,
        },
        State.LOST: {
            Event.SECURED: State.ARCHIVED,
            Event.TRY_FAILED: State.LOST,
            Event.PROVEN_GONE: State.LOST,
            Event.RULED_OUT: State.LOST,
        },
    }
)
"""What is kept is kept: no later word about a file takes that back."""

MISSING_EVENTS: Mapping[State, Event] = MappingProxyType(
    {
        State.FAILED: Event.TRY_FAILED,
        State.LOST: Event.PROVEN_GONE,
        State.EXCLUDED: Event.RULED_OUT,
    }
)
"""What each state of a sidecar's `missing` says had happened."""

DUE_STATES = frozenset({State.PENDING, State.FAILED})
"""What always has a next try."""

RESTING_STATES = frozenset({State.IN_PROGRESS, State.EXCLUDED})
"""What is never tried: only another listing moves it."""


def after(table: Table, before: State | None, event: Event) -> State:
    """Tell the state after an event; KeyError is a bug: the event cannot happen there."""
    return table[before][event]
