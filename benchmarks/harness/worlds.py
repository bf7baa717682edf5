"""A provider with its media on nginx, as most figures use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.nginx import MediaHost, media_host
from benchmarks.harness.processes import Helper, helper


@dataclass(frozen=True, slots=True)
class Provider:
    """A simulated provider. `links` name its media in the order of their making."""

    base_url: str
    api_key: str
    helper: Helper
    links: tuple[str, ...] = ()


@contextmanager
def provider(*options: str) -> Iterator[Provider]:
    """Serve a history whose media lie at the simulator itself."""
    with helper("world", *options) as child:
        yield Provider(**child.ask(), helper=child)


@dataclass(frozen=True, slots=True)
class World:
    """A provider and the nginx that has its media."""

    provider: Provider
    media: MediaHost


@contextmanager
def world(
    folder: Path,
    files: int,
    size_bytes: int,
    *,
    tls: bool = False,
    same_bytes: bool = False,
    delay_ms: int = 0,
) -> Iterator[World]:
    """Serve so many generations of one file each; `same_bytes` saves the disk of large ones."""
    with ExitStack() as stack:
        host = stack.enter_context(media_host(folder / "nginx"))
        url = host.tls_url if tls else host.plain_url
        if delay_ms:
            url = stack.enter_context(helper("delay", url, str(delay_ms))).ask()
        options = ["--count", str(files), "--size-bytes", str(size_bytes)]
        options += ["--media-root", str(host.root), "--media-url", url]
        options += ["--same-bytes"] if same_bytes else []
        child = stack.enter_context(helper("world", *options))
        told = child.ask()
        names = (host.root / "names").read_text(encoding="utf-8").split()
        links = tuple(f"{url}/{name}" for name in names)
        yield World(Provider(**told, helper=child, links=links), host)
