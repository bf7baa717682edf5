"""The table of docs/stores.md says what the stores of the tests do, and they do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.storage.probes import PROBES, open_buckets

PAGE = Path(__file__).parents[2] / "docs" / "stores.md"
STORES = ("moto", "seaweedfs", "rclone", "ceph")


def read_table(store: str) -> dict[str, str]:
    """Read one column of the table: question -> answer."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    column = STORES.index(store) + 1
    return {row[0]: row[column] for row in rows if len(row) == len(STORES) + 1 and row[0] in PROBES}


@pytest.mark.parametrize("store", STORES)
def test_a_store_does_what_the_page_says(request: pytest.FixtureRequest, store: str) -> None:
    """Each row of the table is asked of the store itself; a new version that differs is seen."""
    client = request.getfixturevalue(f"{store}_client")
    open_buckets(client)

    found = {question: probe(client) for question, probe in PROBES.items()}

    assert read_table(store) == found
