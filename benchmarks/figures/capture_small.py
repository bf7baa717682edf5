"""Many small files: listed, checked, hashed, durable, with sidecar and index, to a local disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.harness import fetchers, household
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.peers import find
from benchmarks.harness.processes import Commands
from benchmarks.harness.report import Figure, ratio_goals
from benchmarks.harness.settings import scaled
from benchmarks.harness.worlds import Provider, world

SIZE_BYTES = 10_000
WANTED = {
    "gallery-dl": ("times gallery-dl with metadata and a download archive", 10.0),
    "rclone copyurl": ("times rclone copyurl, which only copies", 1.0),
    "curl, sha256sum, sync": ("times curl --parallel, sha256sum, sync", 0.8),
}
Write = Callable[[Path, fetchers.Links], Commands]
PEERS: dict[str, tuple[str, float, Write]] = {
    "gallery-dl": ("gallery-dl", 0.1, fetchers.gallery_dl),
    "rclone copyurl": ("rclone", 1.0, fetchers.rclone),
    "curl, sha256sum, sync": ("curl", 1.0, fetchers.curl),
    "aria2c": ("aria2c", 1.0, fetchers.aria2c),
    "wget2": ("wget2", 1.0, fetchers.wget2),
}
"""By name: the program, the share of the links that it is given, and how it is told."""


def measure(folder: Path) -> Iterator[Figure]:
    """Measure the project and every peer that is there."""
    files = scaled(3000, least=20)
    with world(folder, files, SIZE_BYTES) as made:
        contenders = [ours(made.provider, files, "*.png"), *_peers(made.provider)]
        measured = play(contenders, folder)
    yield Figure(
        name="capture_small",
        part="",
        work=f"{files} generations of {SIZE_BYTES // 1000} KB to a local disk",
        unit="files/s",
        measured=measured,
        goals=ratio_goals(measured, "files/s", WANTED),
    )


def ours(provider: Provider, files: int, pattern: str, name: str = "archiver run") -> Contender:
    """Make the contender that everything is about."""

    def prepare(folder: Path) -> Commands:
        config = household.write_config(folder, provider.base_url, provider.api_key)
        return [household.archiver(config, "run")]

    def check(folder: Path) -> None:
        household.must_hold(folder / "disk", files, pattern)
        household.must_hold(folder / "disk", files, household.SIDECAR)

    return Contender(name=name, amount=files, prepare=prepare, check=check)


def _peers(provider: Provider) -> Iterator[Contender]:
    for name, (program, share, write) in PEERS.items():
        if find(program) is not None:
            yield peer(name, provider.links[: max(1, round(len(provider.links) * share))], write)


def peer(name: str, links: fetchers.Links, write: Write, pattern: str = "*.png") -> Contender:
    """Make a contender that is handed its links."""
    return Contender(
        name=name,
        amount=len(links),
        prepare=lambda folder: write(folder, links),
        check=lambda folder: household.must_hold(folder / "disk", len(links), pattern),
    )
