"""Opens each kind of destination for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ceph import Ceph
from tests.rclone import Rclone
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


@pytest.fixture(scope="session")
def rclone_client(rclone: Rclone) -> Iterator[S3Client]:
    """Reach rclone past the port."""
    client = make_s3_client(rclone.endpoint_url, rclone.access_key, rclone.secret_key)
    yield client
    client.close()


@pytest.fixture(scope="session")
def ceph_client(ceph: Ceph) -> Iterator[S3Client]:
    """Reach Ceph past the port."""
    client = make_s3_client(ceph.endpoint_url, ceph.access_key, ceph.secret_key)
    yield client
    client.close()


@pytest.fixture
def rclone_place(rclone_client: S3Client) -> Iterator[S3Place]:
    """Prepare a prefix at rclone."""
    keys = (Rclone.access_key, Rclone.secret_key)
    yield from _opened(S3Place(rclone_client, *keys, knows_age=True, refuses_second=False))


@pytest.fixture
def ceph_place(ceph_client: S3Client) -> Iterator[S3Place]:
    """Prepare a prefix at Ceph."""
    yield from _opened(S3Place(ceph_client, Ceph.access_key, Ceph.secret_key, knows_age=True))


def _opened(place: S3Place) -> Iterator[S3Place]:
    place.create_bucket()
    place.destination.prepare()
    yield place
    place.destination.close()


@pytest.fixture(params=["moto", "seaweedfs", "rclone", "ceph"])
def s3_place(request: pytest.FixtureRequest) -> S3Place:
    """Open every S3 store, one after another."""
    opened: S3Place = request.getfixturevalue(f"{request.param}_place")
    return opened


@pytest.fixture(params=["memory", "local", "moto", "seaweedfs", "rclone", "ceph"])
def place(request: pytest.FixtureRequest) -> Place:
    """Open every kind of destination, one after another."""
    if request.param == "memory":
        return MemoryPlace()
    opened: Place = request.getfixturevalue(f"{request.param}_place")
    return opened
