"""Everything back from a store, every hash proven: small files, and large ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import household
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.peers import find, need
from benchmarks.harness.processes import Commands
from benchmarks.harness.report import Figure, Unit, ratio_goals
from benchmarks.harness.settings import CONCURRENCY, LIMIT_SECONDS, rounds, scaled
from benchmarks.harness.store import BUCKET, Store, store
from benchmarks.harness.worlds import world

PREFIX = "archive"
RCLONE = "rclone copy, sync"
WANTED = {RCLONE: ("times rclone copy, sync", 1.0)}
SMALL_BYTES, LARGE_MB, LARGE_FILES = 10_000, 100, 20


def measure(folder: Path) -> Iterator[Figure]:
    """Measure small files, then large ones."""
    small, large_mb = scaled(5000, least=20), scaled(LARGE_MB, least=10)
    yield _measure(folder / "small", small, SMALL_BYTES, "files/s", small)
    yield _measure(
        folder / "large", LARGE_FILES, large_mb * 1_000_000, "MB/s", LARGE_FILES * large_mb
    )


def _measure(folder: Path, files: int, size_bytes: int, unit: Unit, amount: int) -> Figure:
    folder.mkdir()
    pattern = "*.png" if unit == "files/s" else "*.mp4"
    with store(folder / "store") as at:
        config = _fill(folder, files, size_bytes, at)
        contenders = [
            _restore("archiver restore", config, amount, files, pattern),
            _restore("archiver restore, no index", config, amount, files, pattern, has_index=False),
        ]
        if find("rclone"):
            contenders.append(_rclone(at, amount, files, pattern))
        if find("aws"):
            contenders.append(_aws(at, amount, files, pattern))
        measured = play(contenders, folder, rounds(3))
    return Figure(
        name="restore",
        part=folder.name,
        work=f"{files} files of {size_bytes // 1000:,} KB from SeaweedFS",
        unit=unit,
        measured=measured,
        goals=ratio_goals(measured, unit, WANTED),
    )


def _fill(folder: Path, files: int, size_bytes: int, at: Store) -> Path:
    """Archive into the store; the provider is gone afterwards."""
    with world(folder, files, size_bytes, same_bytes=size_bytes > SMALL_BYTES) as made:
        config = household.write_config(
            folder,
            made.provider.base_url,
            made.provider.api_key,
            destinations={"vault": at.destination(PREFIX)},
        )
        subprocess.run(
            household.archiver(config, "run"), cwd=folder, check=True, timeout=LIMIT_SECONDS
        )
    return config


def _restore(
    name: str, config: Path, amount: int, files: int, pattern: str, *, has_index: bool = True
) -> Contender:
    words = [] if has_index else ["--from", "vault"]

    def prepare(folder: Path) -> Commands:
        return [household.archiver(config, "restore", "--to", str(folder / "back"), *words)]

    return Contender(
        name=name,
        amount=amount,
        prepare=prepare,
        check=lambda folder: household.must_hold(folder / "back", files, pattern),
    )


def _rclone(at: Store, amount: int, files: int, pattern: str) -> Contender:
    words = ["--transfers", str(CONCURRENCY), "--checkers", str(CONCURRENCY)]
    copy = [need("rclone"), "--config", "", "--quiet", "copy", at.rclone_place(PREFIX), "back"]

    def prepare(_folder: Path) -> Commands:
        return [[*copy, "--include", pattern, *words], ["sync", "-f", "back"]]

    return Contender(
        name=RCLONE,
        amount=amount,
        prepare=prepare,
        check=lambda folder: household.must_hold(folder / "back", files, pattern),
        environment=at.rclone_environment,
    )


def _aws(at: Store, amount: int, files: int, pattern: str) -> Contender:
    words = ["--recursive", "--only-show-errors", "--exclude", "*", "--include", pattern]
    copy = [need("aws"), "s3", "cp", f"s3://{BUCKET}/{PREFIX}", "back", *words]
    return Contender(
        name="aws s3 cp, sync",
        amount=amount,
        prepare=lambda _: [copy, ["sync", "-f", "back"]],
        check=lambda folder: household.must_hold(folder / "back", files, pattern),
        environment=at.aws_environment,
    )
