"""How far a drill goes: a sample in every test run, all of it under `ARCHIVER_TORTURE=all`."""

from __future__ import annotations

import os

import pytest

TORTURE_VARIABLE = "ARCHIVER_TORTURE"
WHOLE_TIMEOUT_SECONDS = 1800


def is_whole() -> bool:
    """Tell whether everything is swept, and not a sample."""
    return os.environ.get(TORTURE_VARIABLE) == "all"


def require_whole(what: str) -> None:
    """Skip what is too long, or needs too much, for every test run."""
    if not is_whole():
        pytest.skip(f"{what}: only under {TORTURE_VARIABLE}=all")
