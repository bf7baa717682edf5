"""Loads what a command works with in less time: a process that asks often is mostly loading."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Load modules without a look for garbage: all they make stays, and is not searched later.

    Looking for it among a hundred thousand objects again and again took a tenth of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
