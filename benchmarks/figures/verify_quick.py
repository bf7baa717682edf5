"""A look at what is there, and how large, in a bucket of many objects: against a bare listing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import history, household
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.peers import need
from benchmarks.harness.report import Figure, Goal, value
from benchmarks.harness.settings import LIMIT_SECONDS, rounds, scaled
from benchmarks.harness.store import Store, store

OBJECTS = 100_000
DEARER = 1.2
PREFIX = "archive"


def measure(folder: Path) -> Iterator[Figure]:
    """Fill a bucket once, and list it several times."""
    generations = scaled(OBJECTS, least=200) // 2
    with store(folder / "store") as at:
        home = folder / "home"
        history.begin(home, {"disk": household.LOCAL, "vault": at.destination(PREFIX)})
        history.multiply(home, generations, "--sidecars", str(home / "disk"), "--media")
        _upload(home, at)
        words = ("verify", "--quick", "--destination", "vault")
        ours = household.archiver(home / "config.toml", *words)
        bare = at.listing(PREFIX)
        amount = generations * 2
        measured = play(
            [
                Contender(name="archiver verify --quick", amount=amount, prepare=lambda _: [ours]),
                Contender(
                    name="bare listing (boto3)",
                    amount=amount,
                    prepare=lambda _: [bare],
                    environment=at.aws_environment,
                ),
            ],
            folder,
            rounds(3),
        )
    seconds, base = (value(one, "s") for one in measured)
    yield Figure(
        name="verify_quick",
        part="",
        work=f"{amount:,} objects in SeaweedFS",
        unit="s",
        measured=measured,
        goals=[
            Goal(text="times a bare listing", value=seconds / base, bound=DEARER, is_floor=False)
        ],
    )


def _upload(home: Path, at: Store) -> None:
    """Bring what the local destination holds to the store, as rclone does that quickly."""
    words = ["copy", "disk", at.rclone_place(PREFIX), "--exclude", ".archiver/**", "--no-traverse"]
    subprocess.run(
        [need("rclone"), "--config", "", "--quiet", *words, "--transfers", "32"],
        cwd=home,
        env={**at.rclone_environment},
        check=True,
        timeout=LIMIT_SECONDS,
    )
