"""The most memory that a run takes, by the size of a file and by the length of a history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import history, household
from benchmarks.harness.contest import Contender, Measured, play
from benchmarks.harness.processes import Commands
from benchmarks.harness.report import Figure, Goal, value
from benchmarks.harness.settings import SCALE
from benchmarks.harness.store import store
from benchmarks.harness.worlds import provider

SIZES = {"10 KB": 10_000, "1 MB": 10**6, "100 MB": 10**8, "1 GB": 10**9, "10 GB": 10**10}
HISTORIES = (1_000, 100_000, 1_000_000)
BOUND_MIB = 120.0
FLAT = 1.25


def measure(folder: Path) -> Iterator[Figure]:
    """Measure once each: what matters is the peak."""
    sizes = {name: size for name, size in SIZES.items() if size <= SIZES["10 GB"] * SCALE}
    local = [_of_size(folder, name, size, household.LOCAL) for name, size in sizes.items()]
    yield _figure("size of a file, local", local)
    with store(folder / "store") as at:
        in_store = {name: size for name, size in sizes.items() if size <= SIZES["1 GB"]}
        places = [
            _of_size(folder, name, size, at.destination(f"memory-{size}"))
            for name, size in in_store.items()
        ]
    yield _figure("size of a file, S3", places)
    counts = [count for count in HISTORIES if count <= HISTORIES[-1] * SCALE]
    yield _figure("length of a history, sweep", [_of_history(folder, count) for count in counts])


def _figure(part: str, measured: list[Measured]) -> Figure:
    peaks = [value(one, "MiB") for one in measured]
    flat = max(peaks) / min(peaks)
    return Figure(
        name="memory",
        part=part,
        work="peak of one run",
        unit="MiB",
        measured=measured,
        goals=[
            Goal(text="MiB at most", value=max(peaks), bound=BOUND_MIB, is_floor=False),
            Goal(text="times the least", value=flat, bound=FLAT, is_floor=False),
        ],
    )


def _of_size(folder: Path, name: str, size_bytes: int, destination: str) -> Measured:
    """Capture sixteen small files, or one large one."""
    count = 16 if size_bytes <= SIZES["100 MB"] else 1
    options = ["--count", str(count), "--size-bytes", str(size_bytes)]
    with provider(*options) as one:

        def prepare(place: Path) -> Commands:
            config = household.write_config(
                place, one.base_url, one.api_key, destinations={"place": destination}
            )
            return [household.archiver(config, "run", "--json")]

        def check(place: Path) -> None:
            household.must_have_ended(place, archived=count)

        contender = Contender(name=name, amount=1, prepare=prepare, check=check)
        return play([contender], folder, 1)[0]


def _of_history(folder: Path, count: int) -> Measured:
    """Sweep a whole history of which everything is known."""
    with history.known(history.long_home(folder, count), count) as made:
        command = household.archiver(made.config, "run", "--sweep")
        contender = Contender(name=f"{count:,}", amount=1, prepare=lambda _: [command])
        return play([contender], folder, 1)[0]
