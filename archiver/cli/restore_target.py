"""Keeps a restore or an export out of the archive: its files would be taken for its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from archiver.cli.settings import Settings
from archiver.errors import ConfigInvalid


def refuse_inside_archive(settings: Settings, source: str | None, target: Path) -> None:
    """Raise UsageError when the target is a local destination, or the source, or inside one."""
    place = target.expanduser().resolve()
    for root in _roots(settings, source):
        if place.is_relative_to(root.expanduser().resolve()):
            raise click.UsageError(f"{target} is inside the archive at {root}: name another place")


def _roots(settings: Settings, source: str | None) -> Iterator[Path]:
    """Name the folders that hold an archive; where no config is needed, none has to be right."""
    if source is not None and "://" not in source and Path(source).is_dir():
        yield Path(source)
    try:
        config = settings.load()
    except ConfigInvalid:
        if source is None:
            raise
        return  # whether --from needs a config is told by what opens it
    for options in config.destinations.values():
        path = getattr(options, "path", None)
        if path is not None:
            yield Path(path)
