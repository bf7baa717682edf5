"""Follows generations for `generate` and `wait`, and tells of each how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from archiver.actions.pushing.following import Followed, FollowOptions, follow
from archiver.actions.running.summary import worst
from archiver.cli.interrupt import stopped_says, stopping
from archiver.cli.output import print_json, print_json_line, warn
from archiver.cli.pushing.desk import Opened, pause
from archiver.cli.pushing.following import open_watcher
from archiver.cli.pushing.placed import advice, describe_placed, exit_code, print_placed
from archiver.cli.settings import Settings
from archiver.index import queries
from archiver.index.rows import Known


def tell_asked(settings: Settings, opened: Opened, known: Known, *, as_json: bool) -> int:
    """Tell that something is being made, and leave word for a daemon to follow it."""
    one = Followed(id=known.generation.id, known=known)
    opened.desk.hint(known.generation.account, one.id)
    if as_json:
        print_json(describe_placed(one, {}))
    elif settings.verbosity >= 0:
        click.echo(f"{known.generation.account}/{one.id}: {advice(one.id, known)}")
    return 0


def tell_made(
    settings: Settings, opened: Opened, known: Known, give_up_at: float, *, as_json: bool
) -> int:
    """Wait for what was asked for, and tell how it ended."""
    one = Followed(id=known.generation.id, known=known)
    for ended in _follow(settings, opened, [one], give_up_at):
        _tell(settings, opened, ended, print_json if as_json else None)
    return exit_code(one)


def tell_each(
    settings: Settings, opened: Opened, ids: Sequence[str], give_up_at: float, *, as_json: bool
) -> int:
    """Tell of each as it ends; returns the exit code that says most."""
    wanted = [_look_up(opened, one) for one in dict.fromkeys(ids)]
    for ended in _follow(settings, opened, wanted, give_up_at):
        _tell(settings, opened, ended, print_json_line if as_json else None)
    return worst(map(exit_code, wanted))


def _look_up(opened: Opened, text: str) -> Followed:
    """Take an ID, or ACCOUNT/ID as commands print it; an ID may hold a slash itself."""
    usable, unusable = opened.accounts.usable, opened.accounts.unusable
    name, slash, generation_id = text.partition("/")
    is_name = bool(slash and generation_id) and name in usable.keys() | unusable.keys()
    if is_name and not queries.by_id(opened.desk.archive.index, text):
        usable = {one: usable[one] for one in usable if one == name}
        unusable = {one: unusable[one] for one in unusable if one == name}
        text = generation_id
    return Followed(id=text, accounts=tuple(usable.values()), unusable=unusable)


def _follow(
    settings: Settings, opened: Opened, wanted: Sequence[Followed], give_up_at: float
) -> Iterator[Followed]:
    left = dict.fromkeys(wanted)
    with open_watcher(settings) as watcher:
        options = FollowOptions(give_up_at=give_up_at, pause=pause, watcher=watcher)
        ended = follow(opened.desk, wanted, options)
        while left:
            with saying_when_stopped(lambda: [advice(one.id, one.known) for one in left]):
                one = next(ended)
            del left[one]
            watcher.rest()
            yield one


def _tell(
    settings: Settings, opened: Opened, one: Followed, tell: Callable[[object], None] | None
) -> None:
    paths = opened.paths(one.known)
    if tell is not None:
        tell(describe_placed(one, paths))
    else:
        print_placed(one, paths, is_quiet=settings.verbosity < 0)


@contextmanager
def saying_when_stopped(advice: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Say more when the program is asked to stop in here: what goes on, and what to do next."""
    try:
        with stopped_says("stopped; nothing is half done here"):
            yield
    finally:
        for line in advice() if stopping.is_set() else ():
            warn(line, err=True)
