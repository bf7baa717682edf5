"""What restore and export read from: the archive at hand, or a bare directory or bucket."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from archiver.cli.settings import Settings
from archiver.cli.sources import load_config_of, open_source
from archiver.errors import ArchiveMissing, ArchiverError

if TYPE_CHECKING:
    from archiver.config import Config
    from archiver.index import Index
    from archiver.index.queries import Filters
    from archiver.storage.base import Destination


@dataclass(frozen=True, slots=True)
class Origin:
    """What is read from; `accounts` are those of the config, when it was read."""

    index: Index
    destinations: Mapping[str, Destination]
    accounts: Collection[str] = ()
    broken: tuple[str, ...] = ()


def open_origin(
    settings: Settings,
    source: str | None,
    endpoint_url: str | None,
    stack: ExitStack,
    *,
    as_of: datetime | None = None,
    thaw_days: int | None = None,
) -> Origin:
    """Open the index and where to read from; without an index, one is made on the fly.

    Likewise where the index knows nothing of the destination that was named: one that was
    rebuilt from another destination does not, and would bring nothing of it.
    `as_of` reads a versioned bucket as it was then. `thaw_days` asks for frozen sidecars.
    """
    if source is None:
        if as_of is not None:
            raise click.UsageError("--as-of needs --from: say which bucket to look back into")
        return _open_config(settings.load(), stack)
    config = load_config_of(settings, source)
    if config is not None and as_of is None:
        from archiver.index.database import index_path
        from archiver.index.standing import standing

        if index_path(config.archive.state_dir).exists():
            origin = _open_config(config, stack)
            if standing(origin.index, source).copies:
                return origin
    destination = stack.enter_context(open_source(source, endpoint_url, config))
    place = destination if as_of is None else destination.as_of(as_of)
    return _read_sidecars(source, place, config, thaw_days, stack)


def _open_config(config: Config, stack: ExitStack) -> Origin:
    from archiver.wiring.archive import open_archive

    archive = stack.enter_context(open_archive(config))
    return Origin(archive.index, archive.destinations, config.accounts)


def _read_sidecars(
    source: str,
    place: Destination,
    config: Config | None,
    thaw_days: int | None,
    stack: ExitStack,
) -> Origin:
    """Make an index that lasts as long as the command, from the sidecars of one place."""
    from archiver.actions.rebuild import rebuild
    from archiver.index import open_temporary_index

    def on_frozen(key: str) -> None:
        if thaw_days is not None:
            place.request_thaw(key, thaw_days)

    index = open_temporary_index()
    stack.callback(index.close)
    found = rebuild(index, place, is_rescue=True, on_frozen=on_frozen)
    broken = list(found.broken)
    if found.broken_count > len(broken):
        broken.append(f"and {found.broken_count - len(broken)} more sidecars cannot be read")
    if found.frozen:
        what = "they were asked for" if thaw_days else "--request-thaw asks the store for them"
        broken.append(f"{found.frozen} sidecars lie in an archive tier: {what}")
    if not found.sidecars:
        nothing = f"there are no sidecars at {source}: is this the root of an archive?"
        raise ArchiveMissing(broken[-1] if found.frozen else nothing)
    accounts = () if config is None else config.accounts
    return Origin(index, {place.name: place}, accounts, tuple(broken))


def name_unknown_ids(index: Index, filters: Filters) -> list[str]:
    """Name the ids that stand for nothing; raises ArchiverError when all of them do."""
    from archiver.index import queries

    is_filtered = replace(filters, ids=(), limit=None) != queries.Filters()
    where = "among those that the filters choose" if is_filtered else "here"
    one_by_one = (replace(filters, ids=(one,), limit=1) for one in dict.fromkeys(filters.ids))
    problems = [
        f"there is no generation {one.ids[0]!r} {where}; `archiver ls` lists them"
        for one in one_by_one
        if not any(queries.find(index, one))
    ]
    if problems and len(problems) == len(set(filters.ids)):
        raise ArchiverError("\n".join(problems))
    return problems
