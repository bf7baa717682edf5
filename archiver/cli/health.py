"""`archiver health`: whether all is well, for the health check of a container."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from archiver.cli.output import print_json, warn
from archiver.cli.settings import Settings

if TYPE_CHECKING:
    from archiver.actions.health import Health
    from archiver.config import Config

EXIT_UNWELL = 1


@click.command("health")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, as_json: bool) -> int:
    """Whether the last success is fresh and nothing is at risk; else exit code 1 and why.

    Fresh is what is younger than two intervals. Nothing is written, and a run may go on meanwhile.
    """
    health = _judge(settings.load())
    if as_json:
        print_json({"healthy": health.is_well, "reasons": health.reasons})
    else:
        for reason in health.reasons:
            warn(reason)
        if health.is_well and settings.verbosity >= 0:
            click.echo("all is well")
    return 0 if health.is_well else EXIT_UNWELL


def _judge(config: Config) -> Health:
    """Judge by the index; that there is none, or none that can be read, is a reason too."""
    from archiver.actions.health import Health, judge_health
    from archiver.errors import ArchiveMissing, IndexUnavailable
    from archiver.index import index_as_it_is, index_path
    from archiver.wiring.watched import watched

    path = index_path(config.archive.state_dir)
    if not path.exists():
        return Health(False, (f"nothing was archived yet: there is no index at {path}",))
    try:
        with index_as_it_is(config.archive.state_dir) as index:
            if index.is_behind():
                return Health(False, ("the next run brings the index to its new schema",))
            return judge_health(index, watched(config), datetime.now(UTC))
    except (ArchiveMissing, IndexUnavailable) as error:
        return Health(False, (str(error),))
