"""How `generate` and `wait` tell what became of a generation, and where its files lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

from archiver.actions.pushing.ending import exit_code_of, reason_of
from archiver.cli.output import counted, pad, visible, warn
from archiver.model import State, Status

if TYPE_CHECKING:
    from archiver.actions.pushing.following import Followed
    from archiver.index.queries import Copy
    from archiver.index.rows import Known


def paths_of(copies: Iterable[Copy], places: Mapping[str, str]) -> dict[str, list[str]]:
    """Say where each file lies at each destination of the config, the sidecar last."""
    paths: dict[str, list[str]] = {}
    for copy in sorted(copies, key=lambda copy: (copy.is_sidecar, copy.receipt.key)):
        name = copy.receipt.destination
        if name in places:
            paths.setdefault(name, []).append(places[name] + copy.receipt.key)
    return paths


EXIT_LATE = 3


def exit_code(one: Followed) -> int:
    """Tell the exit code that one generation comes to."""
    if one.error is not None:
        return one.error.exit_code
    return EXIT_LATE if one.known is None else exit_code_of(one.known)


def describe_placed(one: Followed, paths: Mapping[str, list[str]]) -> Mapping[str, object]:
    """The end of one generation as JSON has it."""
    known = one.known
    return {
        "account": known.generation.account if known else None,
        "provider": known.generation.provider if known else None,
        "id": one.id,
        "state": known.state if known else None,
        "status": known.generation.status if known else None,
        "model": known.generation.model if known else None,
        "prompt": known.generation.prompt if known else None,
        "paths": paths,
        "late": one.is_late,
        "error": problem_of(one),
    }


def print_placed(one: Followed, paths: Mapping[str, list[str]], *, is_quiet: bool) -> None:
    """Print where one lies, to a person or a script that cuts lines; what is wrong on stderr."""
    problem, known = problem_of(one), one.known
    if problem is not None:
        warn(f"{one.id}: {problem}", err=True)
    if known is None or is_quiet:
        return
    if known.state is State.ARCHIVED and known.generation.status is not Status.FAILED:
        files = counted(sum(asset.media is not None for asset in known.assets), "file")
        click.echo(visible(f"{known.generation.account}/{one.id}: archived, {files}"))
    size = max(map(len, paths), default=0)
    for name, lines in paths.items():
        for line in lines:
            click.echo(f"  {pad(name, size)}  {visible(line)}")


def problem_of(one: Followed) -> str | None:
    """Say what is wrong, and what to do about it; None when all is well."""
    if one.error is not None:
        return str(one.error)
    if one.is_late and one.known is None:
        return f"time is up, and nobody could be asked: {one.delay or 'try again'}"
    if one.is_late:
        return f"time is up; {advice(one.id, one.known)}"
    if one.known is None or one.known.state is State.IN_PROGRESS or not exit_code_of(one.known):
        return None
    return reason_of(one.known) or one.known.state.value


def advice(generation_id: str, known: Known | None) -> str:
    """Say how a generation is followed that is not waited for any more."""
    account = f" --account {known.generation.account}" if known else ""
    how = "it goes on at the provider"
    if known is not None and known.state in (State.PENDING, State.FAILED):
        how = f"it is made, and not archived yet ({known.reason or 'another run is at work'})"
    return (
        f"{how}: `archiver wait {generation_id}{account}` follows it, and any later run archives it"
    )
