"""A household whose index knows a long history already, and the provider that lists it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import household
from benchmarks.harness.million import PROVIDER
from benchmarks.harness.settings import LIMIT_SECONDS, ROOT
from benchmarks.harness.worlds import Provider, provider


@dataclass(frozen=True, slots=True)
class Household:
    """A config, and the running provider of its one account."""

    folder: Path
    config: Path
    provider: Provider


def begin(folder: Path, destinations: Mapping[str, str] | None = None) -> None:
    """Archive a history of one generation, so that there is something to multiply."""
    folder.mkdir()
    with provider("--provider", PROVIDER, "--count", "1") as one:
        config = household.write_config(
            folder, one.base_url, one.api_key, provider=PROVIDER, destinations=destinations
        )
        subprocess.run(
            household.archiver(config, "run"), cwd=folder, check=True, timeout=LIMIT_SECONDS
        )


def multiply(folder: Path, count: int, *more: str, with_index: bool = True) -> None:
    """Multiply what `begin` archived."""
    state = folder / "state" if with_index else folder / "none"
    words = [sys.executable, "-m", "benchmarks.harness.million", str(state), "--count", str(count)]
    subprocess.run([*words, *more], cwd=ROOT, check=True, timeout=LIMIT_SECONDS)


def long_home(folder: Path, count: int) -> Path:
    """Return the household of a long history, made once for all figures of a run."""
    home = folder.parent / f"known-{count}"
    if not home.exists():
        begin(home)
        multiply(home, count)
    return home


@contextmanager
def known(home: Path, count: int) -> Iterator[Household]:
    """Serve the history of an index; two polls bring that to where it stays."""
    with provider("--provider", PROVIDER, "--count", str(count)) as serving:
        config = household.write_config(home, serving.base_url, serving.api_key, provider=PROVIDER)
        made = Household(home, config, serving)
        for _ in range(2):
            poll(made)
        yield made


def poll(made: Household) -> dict[str, int]:
    """Make one run; returns how many requests came to the provider and to its media."""
    made.provider.helper.ask("requests")
    command = household.archiver(made.config, "run", "--json")
    done = subprocess.run(
        command, cwd=made.folder, check=True, capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    [account] = json.loads(done.stdout)["accounts"].values()
    requests: dict[str, int] = made.provider.helper.ask("requests")
    return {"api": requests[PROVIDER], "media": requests["media"], "new": account["new"]}
