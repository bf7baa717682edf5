"""`archiver generate`: has a provider make something, and archives it."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.durations import timeout_option
from archiver.cli.settings import Settings

if TYPE_CHECKING:
    from archiver.actions.archive import Account
    from archiver.providers.making import Wish

_NOBODY_KNOWS = (
    "it may have been taken: look at the provider, or make a run, before asking for it again"
)


@click.command("generate")
@click.option("--account", metavar="NAME", help="Whose; may be left out when only one can make.")
@click.option("--model", required=True, metavar="NAME", help="What makes it.")
@click.option(
    "--prompt", required=True, metavar="TEXT", help="What to make; - reads it from stdin."
)
@click.option("--aspect-ratio", metavar="W:H", help="Such as 16:9.")
@click.option("--style", metavar="NAME", help="Such as Photorealistic.")
@click.option("--service-mode", metavar="NAME", help="How it is queued there: stable or unstable.")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A reference to make it from; may be given several times.",
)
@click.option("--force", is_flag=True, help="Send what the provider's pages do not list, too.")
@timeout_option("10m", "Wait so long for it.")
@click.option("--no-wait", is_flag=True, help="Only ask for it; a later run archives it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    settings: Settings,
    /,
    account: str | None,
    prompt: str,
    force: bool,
    timeout: timedelta,
    no_wait: bool,
    as_json: bool,
    **wanted: Any,
) -> int:
    """Have a provider make something, wait for it, archive it, and print where it lies.

    This costs credit there. Exit code 1 when it failed at the provider (which is recorded), 3 when
    time is up, or when nobody can tell whether it was taken.
    """
    from archiver.actions.generate import generate
    from archiver.cli.pushing.desk import opened
    from archiver.cli.pushing.followed import saying_when_stopped, tell_asked, tell_made
    from archiver.cli.pushing.making import choose_maker
    from archiver.providers.making import Wish

    wish = Wish(prompt=_read_prompt(prompt), **wanted)
    give_up_at = time.monotonic() + timeout.total_seconds()
    with opened(settings, () if account is None else (account,)) as desk:
        chosen = desk.account(choose_maker(desk.config, account))
        _check(chosen, wish, is_forced=force)
        desk.desk.make_ready()
        with saying_when_stopped(lambda: [_NOBODY_KNOWS]):
            known = generate(desk.desk.archive, chosen, wish)
        if no_wait:
            return tell_asked(settings, desk, known, as_json=as_json)
        return tell_made(settings, desk, known, give_up_at, as_json=as_json)


def _read_prompt(given: str) -> str:
    if given == "-" and sys.stdin is None:
        raise click.UsageError("the prompt is to be read from stdin, which is closed")
    prompt = sys.stdin.read().strip() if given == "-" else given
    if not prompt.strip():
        raise click.UsageError("the prompt is empty")
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise click.UsageError("the prompt is no UTF-8") from None
    return prompt


def _check(account: Account, wish: Wish, *, is_forced: bool) -> None:
    """Refuse what the provider's pages do not list: a slip of the finger costs credit as well."""
    from archiver.actions.generate import maker_of

    unknown = maker_of(account).undocumented(wish)
    if unknown and not is_forced:
        raise click.UsageError("; ".join(unknown) + " (--force sends it all the same)")
