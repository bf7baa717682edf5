"""Few large files, checked, hashed and durable: plain, and over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures.capture_small import ours, peer
from benchmarks.harness import fetchers
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.peers import find
from benchmarks.harness.report import Figure, ratio_goals
from benchmarks.harness.settings import rounds, scaled
from benchmarks.harness.worlds import World, world

FILES = 20
SIZE_MB = 100
CURL = "curl, sha256sum, sync"
WANTED = {CURL: ("times curl --parallel, sha256sum, sync", 0.9)}


def measure(folder: Path) -> Iterator[Figure]:
    """Measure both ways, one after the other."""
    size_mb = scaled(SIZE_MB, least=10)
    for part in ("plain", "TLS"):
        place = folder / part
        with world(place, FILES, size_mb * 1_000_000, tls=part == "TLS", same_bytes=True) as made:
            contenders = list(_contenders(made, part == "TLS", FILES * size_mb))
            measured = play(contenders, folder, rounds(5))
        yield Figure(
            name="capture_large",
            part=part,
            work=f"{FILES} files of {size_mb} MB to a local disk",
            unit="MB/s",
            measured=measured,
            goals=ratio_goals(measured, "MB/s", WANTED),
        )


def _contenders(made: World, is_tls: bool, amount_mb: int) -> Iterator[Contender]:
    mine = ours(made.provider, FILES, "*.mp4")
    trusted = {"SSL_CERT_FILE": str(made.media.certificate)} if is_tls else {}
    yield Contender(
        name=mine.name,
        amount=amount_mb,
        prepare=mine.prepare,
        check=mine.check,
        environment=trusted,
    )
    if find("curl"):
        write = partial(fetchers.curl, certificate=made.media.certificate if is_tls else None)
        theirs = peer(CURL, made.provider.links, write, "*.mp4")
        yield Contender(name=CURL, amount=amount_mb, prepare=theirs.prepare, check=theirs.check)
