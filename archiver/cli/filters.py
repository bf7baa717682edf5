"""The filter options that ls, search, show and restore share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from archiver.model import Kind, Role, State
from archiver.units import parse_duration, parse_time

if TYPE_CHECKING:
    from archiver.index import Index
    from archiver.index.queries import Filters


class TimeType(click.ParamType[datetime]):
    """A date or RFC 3339 time, in UTC where it has no zone, or how long ago: "7d", "36h"."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, str) and value.strip()[-1:] in AGE_UNITS:
            read = _parse_age
        else:
            read = parse_time
        try:
            return read(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time such as 2026-03-08 or 2026-03-08T12:00Z, "
                "and no age such as 7d or 36h"
            )


def _parse_age(text: object) -> datetime:
    return datetime.now(UTC) - parse_duration(text)


def values_of(words: type[StrEnum]) -> list[str]:
    """The words of an enumeration, as click offers them."""
    return [word.value for word in words]


AGE_UNITS = tuple("smhdw")
"""No date ends with one of these, and every age does."""
TIME = TimeType()
EXAMPLES = ": 2026-03-08, or 7d for a week ago"
_OPTIONS = (
    click.option("--account", "accounts", multiple=True, metavar="NAME", help="Of these accounts."),
    click.option(
        "--provider", "providers", multiple=True, metavar="NAME", help="Of these providers."
    ),
    click.option(
        "--kind", "kinds", multiple=True, type=click.Choice(values_of(Kind)), help="Of this kind."
    ),
    click.option(
        "--role", "roles", multiple=True, type=click.Choice(values_of(Role)), help="In this role."
    ),
    click.option("--model", "models", multiple=True, metavar="NAME", help="Made by this model."),
    click.option(
        "--status",
        "states",
        multiple=True,
        type=click.Choice(values_of(State)),
        help="In this state.",
    ),
    click.option("--since", type=TIME, help=f"Made at or after this time{EXAMPLES}."),
    click.option("--until", type=TIME, help="Made before this time."),
    click.option(
        "--limit",
        type=click.IntRange(min=0),
        metavar="N",
        help="At most this many, newest first.",
    ),
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filter options to a command; it takes them as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def make_filters(ids: tuple[str, ...] = (), text: str | None = None, **given: Any) -> Filters:
    """Make filters of what `filter_options` collected."""
    from archiver.index.queries import Filters

    return Filters(
        ids=ids,
        text=text,
        accounts=given["accounts"],
        providers=given["providers"],
        kinds=tuple(Kind(kind) for kind in given["kinds"]),
        roles=tuple(Role(role) for role in given["roles"]),
        models=given["models"],
        states=tuple(State(state) for state in given["states"]),
        since=given["since"],
        until=given["until"],
        limit=given["limit"],
    )


def check_accounts(index: Index, names: Collection[str], configured: Collection[str]) -> None:
    """Raise UsageError for an account that neither the config nor the index knows."""
    from archiver.index import queries

    if set(names) - set(configured):
        listed = {account for account, _, _ in queries.count(index, queries.Filters())}
        check_configured(names, listed | set(configured))


def check_configured(names: Collection[str], known: Collection[str]) -> None:
    """Raise UsageError for an account that is not among the known ones."""
    for name in names:
        if name not in known:
            raise click.UsageError(
                f"there is no account {name!r}; known are: {', '.join(sorted(known))}"
            )


def check_destinations(names: Collection[str], known: Collection[str]) -> None:
    """Raise UsageError for a destination that the config does not have."""
    for name in names:
        if name not in known:
            raise click.UsageError(
                f"there is no destination {name!r}; known are: {', '.join(sorted(known))}"
            )
