"""Many small files from a media host that is 50 ms away: what counts is how many wait at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.figures.capture_small import SIZE_BYTES, peer
from benchmarks.figures.capture_small import ours as archiver_run
from benchmarks.harness import fetchers
from benchmarks.harness.contest import play
from benchmarks.harness.peers import find
from benchmarks.harness.processes import helper
from benchmarks.harness.report import Figure, Goal, value
from benchmarks.harness.settings import CONCURRENCY, rounds, scaled
from benchmarks.harness.worlds import world

LATENCY_MS = 50
SHARE = 0.9


def measure(folder: Path) -> Iterator[Figure]:
    """Measure with the project and curl behind the same delay."""
    files = scaled(3000, least=50)
    with (
        world(folder, files, SIZE_BYTES, delay_ms=LATENCY_MS) as made,
        helper("delay", made.provider.base_url, str(LATENCY_MS)) as api,
    ):
        provider = replace(made.provider, base_url=api.ask())
        contenders = [archiver_run(provider, files, "*.png")]
        if find("curl"):
            contenders.append(peer("curl, sha256sum, sync", provider.links, fetchers.curl))
        measured = play(contenders, folder, rounds(3))
    possible = CONCURRENCY / LATENCY_MS * 1000
    yield Figure(
        name="latency",
        part="",
        work=f"{files} generations of {SIZE_BYTES // 1000} KB, {LATENCY_MS} ms away",
        unit="files/s",
        measured=measured,
        goals=[
            Goal(
                text=f"of {possible:.0f} files/s (concurrency / latency)",
                value=value(measured[0], "files/s") / possible,
                bound=SHARE,
            )
        ],
    )
