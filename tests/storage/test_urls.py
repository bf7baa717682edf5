"""Addresses that `restore --from` takes, without any config."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.errors import ConfigInvalid
from archiver.storage.base import put
from archiver.storage.urls import open_url
from tests.servers import SeaweedFS
from tests.storage.places import LocalPlace, S3Place, fetch


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "file://localhost{path}"])
def test_a_directory_is_opened(local_place: LocalPlace, form: str) -> None:
    """A path and a file address lead to the same directory."""
    put(local_place.destination, "a/b.png", [b"content"], "image/png")

    destination = open_url(form.format(path=local_place.root))

    assert fetch(destination, "a/b.png") == b"content"


def test_a_file_address_may_be_encoded(tmp_path: Path) -> None:
    """Percent signs in a file address stand for other characters, in a path for themselves."""
    for name, url in (("a b", f"file://{tmp_path}/a%20b"), ("a%20b", f"{tmp_path}/a%20b")):
        open_url(url).prepare()
        assert (tmp_path / name).is_dir()


def test_a_bucket_is_opened(
    seaweedfs_place: S3Place, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An s3 address takes its credentials from boto3's usual chain."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    put(seaweedfs_place.destination, "a/b.png", [b"content"], "image/png")

    url = f"s3://{seaweedfs_place.bucket}/{seaweedfs_place.prefix.rstrip('/')}"
    destination = open_url(url, endpoint_url=seaweedfs.endpoint_url, region="us-east-1")
    content = fetch(destination, "a/b.png")
    destination.close()

    assert content == b"content"
    assert destination.name == url


@pytest.mark.parametrize(
    ("url", "endpoint_url"),
    [
        ("", None),
        ("ftp://host/path", None),
        ("https://bucket.s3.amazonaws.com/x", None),
        ("file://other-host/path", None),
        ("file://", None),
        ("s3://", None),
        ("s3://no spaces/x", None),
        ("s3://bucket/../x", None),
        ("s3://bucket/x", "http://s3.example.com"),
        ("/a/path", "https://s3.example.com"),
    ],
)
def test_other_addresses_are_refused(url: str, endpoint_url: str | None) -> None:
    """What cannot be opened is refused with a reason, before anything is asked."""
    with pytest.raises(ConfigInvalid):
        open_url(url, endpoint_url=endpoint_url)
