"""A poll of an account with a long history: no news, and one new generation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import history, household
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.history import Household
from benchmarks.harness.processes import Commands
from benchmarks.harness.report import Figure, Goal, value
from benchmarks.harness.settings import scaled

NOTHING_SECONDS, NOTHING_REQUESTS = 0.3, 3
ONE_SECONDS, ONE_MEDIA_REQUESTS = 0.5, 1
FLAT = 1.2
"""So much longer than over a thousand may it take: the machine's own drift."""


def measure(folder: Path) -> Iterator[Figure]:
    """Measure over a thousand and over a million."""
    many, few = scaled(1_000_000, least=1000), 1000
    with (
        history.known(history.long_home(folder, few), few) as short,
        history.known(history.long_home(folder, many), many) as long,
    ):
        yield _nothing_new(folder, short, long, many)
        yield _one_new(folder, long, many)


def _nothing_new(folder: Path, short: Household, long: Household, many: int) -> Figure:
    measured = play([_run(long, f"{many:,} known"), _run(short, "1,000 known")], folder)
    requests = history.poll(long)["api"]
    seconds, base = (value(one, "s") for one in measured)
    return Figure(
        name="poll",
        part="nothing new",
        work=f"{many:,} known generations",
        unit="s",
        measured=measured,
        goals=[
            Goal(text="s", value=seconds, bound=NOTHING_SECONDS, is_floor=False),
            Goal(text="requests", value=requests, bound=NOTHING_REQUESTS, is_floor=False),
            Goal(text="times 1,000 known", value=seconds / base, bound=FLAT, is_floor=False),
        ],
    )


def _one_new(folder: Path, long: Household, many: int) -> Figure:
    measured = play([_run(long, "one new", adds=True)], folder)
    long.provider.helper.ask("add")
    media_requests = history.poll(long)["media"]
    return Figure(
        name="poll",
        part="one new",
        work=f"one among {many:,}",
        unit="s",
        measured=measured,
        goals=[
            Goal(text="s", value=value(measured[0], "s"), bound=ONE_SECONDS, is_floor=False),
            Goal(
                text="media requests",
                value=media_requests,
                bound=ONE_MEDIA_REQUESTS,
                is_floor=False,
            ),
        ],
    )


def _run(made: Household, name: str, *, adds: bool = False) -> Contender:
    def prepare(_folder: Path) -> Commands:
        if adds:
            made.provider.helper.ask("add")
        return [household.archiver(made.config, "run", "--json")]

    def check(folder: Path) -> None:
        household.must_have_ended(folder, new=int(adds), archived=int(adds))

    return Contender(name=name, amount=1, prepare=prepare, check=check)
