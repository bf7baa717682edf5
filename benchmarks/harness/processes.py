"""Runs command lines under the meter, and helper processes that answer line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.failure import Unmeasurable
from benchmarks.harness.settings import LIMIT_SECONDS, ROOT

Commands = Sequence[Sequence[str]]
_NOT_USUAL = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
_METER = Path(__file__).with_name("meter.py")


@dataclass(frozen=True, slots=True)
class Cost:
    """What some command lines cost together; `peak_mib` is that of the largest process."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def run(commands: Commands, folder: Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run command lines in a folder; a failure ends the benchmark with what was said."""
    order = {"commands": [list(command) for command in commands], "limit_seconds": LIMIT_SECONDS}
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_METER)],
        input=json.dumps(order),
        cwd=folder,
        env={**_environment(), **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (folder / "output").read_text(errors="replace")[-2000:]
        raise Unmeasurable(f"{' '.join(commands[0])[:200]} ended with {done.returncode}:\n{said}")
    return Cost(**json.loads(done.stdout))


def _environment() -> dict[str, str]:
    """Return this process's environment, but let Python keep its bytecode, as it does for users."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_USUAL}


class Helper:
    """A child process of ours that reads a line and answers with one JSON document."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, line: str = "") -> Any:
        """Send a line (or none) and return what it answers."""
        assert self._process.stdin is not None  # noqa: S101 - both pipes were asked for
        assert self._process.stdout is not None  # noqa: S101
        if line:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise Unmeasurable(f"a helper ended with {self._process.wait()}")
        return json.loads(answer)


@contextmanager
def helper(module: str, *arguments: str) -> Iterator[Helper]:
    """Start a module of this package, and end it at the end."""
    command = [sys.executable, "-m", f"benchmarks.harness.{module}", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Helper(process)
        finally:
            process.terminate()
