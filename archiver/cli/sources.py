"""`--from`: a destination of the config by its name, a directory, or an s3:// address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.errors import (
    ArchiveMissing,
    ArchiverError,
    ConfigInvalid,
    DestinationUnavailable,
)

if TYPE_CHECKING:
    from archiver.cli.settings import Settings
    from archiver.config import Config
    from archiver.storage.base import Destination

NOT_FOUND = 404


def is_address(source: str) -> bool:
    """Tell an address or a path from the name of a destination."""
    return "://" in source or "/" in source or source in (".", "..")


def load_config_of(settings: Settings, source: str) -> Config | None:
    """Load the config when `source` is a name in it; None when it is an address or a directory.

    Raises ArchiveMissing when it is neither.
    """
    if is_address(source):
        return None
    try:
        config = settings.load()
    except ConfigInvalid as error:
        if Path(source).is_dir():
            return None
        message = f"{source!r} is no directory here, and as a destination's name it needs a config"
        raise ConfigInvalid(f"{message}: {error}") from error
    if source in config.destinations:
        return config
    if Path(source).is_dir():
        return None
    raise _unknown(source, config)


def _unknown(source: str, config: Config | None) -> ArchiveMissing:
    names = "there is no config" if config is None else ", ".join(config.destinations)
    return ArchiveMissing(
        f"there is no destination and no directory {source!r} (destinations of the config: {names})"
    )


@contextmanager
def open_source(
    source: str, endpoint_url: str | None, config: Config | None
) -> Iterator[Destination]:
    """Open what --from names; a name of the config comes before a directory of that name.

    Raises ArchiveMissing when nothing is there, DestinationForbidden when the keys are refused.
    """
    from archiver.storage.urls import open_url
    from archiver.wiring.archive import require_destination

    if config is not None and source in config.destinations:
        _require_folder(str(getattr(config.destinations[source], "path", ".")))
        destination = require_destination(config, source)
    elif is_address(source) or Path(source).is_dir():
        destination = open_url(source, endpoint_url=endpoint_url)
        _require_folder(source)
    else:
        raise _unknown(source, config)
    try:
        yield destination
    except DestinationUnavailable as error:
        raise _judge(error) from error
    finally:
        destination.close()


def _require_folder(source: str) -> None:
    """Raise ArchiveMissing for a folder that is not there: nothing could be read from it."""
    if "://" not in source and not Path(source).expanduser().is_dir():
        raise ArchiveMissing(f"there is no folder {source}: is the disk mounted, the path right?")


def _judge(error: DestinationUnavailable) -> ArchiverError:
    """Tell a source that is not there from one that is down."""
    return ArchiveMissing(str(error)) if error.http_status == NOT_FOUND else error
