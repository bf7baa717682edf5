"""An index of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.index import Index, open_index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Open a new index in a state directory."""
    opened = open_index(tmp_path, create=True)
    yield opened
    opened.close()
