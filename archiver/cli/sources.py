"""`--from`: a destination of the config by its name, a directory, or an s3:// address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from archiver.errors import ArchiveMissing
from archiver.storage.base import Destination

if TYPE_CHECKING:
    from archiver.config import Config


def is_address(source: str) -> bool:
    """Tell an address or a path from the name of a destination."""
    return "://" in source or "/" in source or source in (".", "..")


@contextmanager
def open_source(
    source: str, endpoint_url: str | None, config: Config | None
) -> Iterator[Destination]:
    """Open what --from names; raises ArchiveMissing when it is neither name nor address."""
    from archiver.storage.urls import open_url
    from archiver.wiring import require_destination

    if is_address(source):
        destination = open_url(source, endpoint_url=endpoint_url)
    elif config is not None:
        destination = require_destination(config, source)
    else:
        raise ArchiveMissing(f"{source!r} is a name, and there is no config that knows it")
    try:
        yield destination
    finally:
        destination.close()
