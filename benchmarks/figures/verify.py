"""Every byte of a local archive read again and proven, against sha256sum with as many workers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import household
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.processes import Commands
from benchmarks.harness.report import Figure, ratio_goals
from benchmarks.harness.settings import CONCURRENCY, LIMIT_SECONDS, rounds, scaled
from benchmarks.harness.worlds import world

SIZE_MB = 100
FILES = 100
SHA256SUM = "sha256sum"
WANTED = {SHA256SUM: ("times sha256sum with as many workers", 0.8)}


def measure(folder: Path) -> Iterator[Figure]:
    """Archive once, and read it several times."""
    size_mb = scaled(SIZE_MB, least=10)
    with world(folder, FILES, size_mb * 1_000_000, same_bytes=True) as made:
        config = household.write_config(folder, made.provider.base_url, made.provider.api_key)
        subprocess.run(
            household.archiver(config, "run"), cwd=folder, check=True, timeout=LIMIT_SECONDS
        )
    names = sorted(str(path) for path in (folder / "disk").rglob("*.mp4"))
    hashing = ["xargs", "-0", "-n", "1", "-P", str(CONCURRENCY), "-a", "names", "sha256sum"]

    def prepare_peer(place: Path) -> Commands:
        (place / "names").write_text("\0".join(names), encoding="utf-8")
        return [hashing]

    amount = FILES * size_mb
    ours = household.archiver(config, "verify", "--all")
    measured = play(
        [
            Contender(name="archiver verify --all", amount=amount, prepare=lambda _: [ours]),
            Contender(name=SHA256SUM, amount=amount, prepare=prepare_peer),
        ],
        folder,
        rounds(3),
    )
    yield Figure(
        name="verify",
        part="",
        work=f"{FILES} files of {size_mb} MB on a local disk",
        unit="MB/s",
        measured=measured,
        goals=ratio_goals(measured, "MB/s", WANTED),
    )
