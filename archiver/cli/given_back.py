"""How `restore` and `export` tell what they gave back, for a person and for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.cli.output import counted, warn, warn_each
from archiver.units import format_size

if TYPE_CHECKING:
    from archiver.actions.restore import RestoreReport

SHOWN_HEALED = 10
"""Those files are back: what is wrong with the archive is for `verify` to tell."""
_INTERNAL = {"wanted", "wanted_bytes", "done_bytes", "is_refused"}
"""What only a progress bar and the exit code need."""


def describe_given(
    report: RestoreReport, target: Path | str, is_dry_run: bool
) -> Mapping[str, object]:
    """What --json says of it."""
    told = {name: value for name, value in asdict(report).items() if name not in _INTERNAL}
    return {**told, "target": target, "dry_run": is_dry_run}


def tell_given(report: RestoreReport, done: str) -> str:
    """Say how much it was; `done` is the rest of the sentence: "restored to DIR"."""
    size, many = format_size(report.size_bytes), counted(report.generations, "generation")
    return f"{counted(report.files, 'file')} ({size}) of {many} {done}"


def warn_of_given(report: RestoreReport) -> None:
    """Name what another copy stood in for, and what is not there."""
    healed = dict.fromkeys(report.healed)
    shown = set(islice(healed, SHOWN_HEALED))
    warn_each(f"another copy stood in: {line}" for line in report.healed if line in shown)
    if len(healed) > SHOWN_HEALED:
        warn("another copy stood in for others, too: `archiver verify` names all", err=True)
    warn_each((*report.left_out, *report.problems))
