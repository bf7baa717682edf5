"""Opens each kind of destination for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers import SeaweedFS, make_s3_client
from tests.storage.places import LocalPlace, MemoryPlace, Place, S3Place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def local_place(tmp_path: Path) -> LocalPlace:
    """Prepare a local directory."""
    place = LocalPlace(tmp_path / "archive")
    place.destination.prepare()
    return place


@pytest.fixture(scope="session")
def moto_client(moto_url: str) -> Iterator[S3Client]:
    """Reach moto past the port."""
    client = make_s3_client(moto_url, "any", "anything")
    yield client
    client.close()


@pytest.fixture(scope="session")
def seaweedfs_client(seaweedfs: SeaweedFS) -> Iterator[S3Client]:
    """Reach the real store past the port."""
    client = seaweedfs.make_client()
    yield client
    client.close()


@pytest.fixture
def moto_place(moto_client: S3Client) -> Iterator[S3Place]:
    """Prepare a prefix at moto."""
    yield from _opened(S3Place(moto_client, "any", "anything", knows_age=False))


@pytest.fixture
def seaweedfs_place(seaweedfs_client: S3Client) -> Iterator[S3Place]:
    """Prepare a prefix at a real store."""
    keys = (SeaweedFS.access_key, SeaweedFS.secret_key)
    yield from _opened(S3Place(seaweedfs_client, *keys, knows_age=True))


def _opened(place: S3Place) -> Iterator[S3Place]:
    place.create_bucket()
    place.destination.prepare()
    yield place
    place.destination.close()


@pytest.fixture(params=["memory", "local", "moto", "seaweedfs"])
def place(request: pytest.FixtureRequest) -> Place:
    """Open every kind of destination, one after another."""
    if request.param == "memory":
        return MemoryPlace()
    opened: Place = request.getfixturevalue(f"{request.param}_place")
    return opened
