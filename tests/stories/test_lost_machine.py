"""Everything is lost but the bucket: files, index and search come back from it."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.servers import SeaweedFS, make_s3_client
from tests.stories.hand_made import files_of, make
from tests.stories.house import House, tree

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TABLES = {
    "generations": "SELECT account, id, provider, kind, status, state, is_secured, reason, model,"
    " prompt, negative_prompt, name, created_at, completed_at, expires_at, stem, stem_folded,"
    " details, archived_at FROM generations g WHERE EXISTS (SELECT 1 FROM copies s"
    " WHERE s.generation = g.number AND s.key = '' AND s.destination = 'vault')",
    "assets": "SELECT g.account, g.id, a.key, a.role, a.ordinal, a.state, a.path,"
    " a.path_folded, a.media_type, a.size_bytes, a.sha256,"
    " CASE a.state WHEN 'archived' THEN a.source_url END,"
    " CASE a.state WHEN 'archived' THEN a.original_name END, a.source_etag,"
    " a.fetched_at, a.reason, a.http_status, a.failed_at FROM assets a"
    " JOIN generations g ON g.number = a.generation WHERE EXISTS (SELECT 1 FROM copies s"
    " WHERE s.generation = g.number AND s.key = '' AND s.destination = 'vault')",
    "copies": "SELECT g.account, g.id, c.key, c.path, c.size_bytes, c.sha256 FROM copies c"
    " JOIN generations g ON g.number = c.generation WHERE c.destination = 'vault'",
}
"""All that sidecars hold; what else is in the index is about runs, listings and links."""


def rows(house: House) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the index, as far as sidecars hold them, in an order of their own."""
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index:
        return {table: sorted(index.execute(sql), key=repr) for table, sql in TABLES.items()}


def bucket_of(house: House) -> str:
    """The bucket of the house's vault."""
    return house.destinations["vault"].split('bucket = "')[1].partition('"')[0]


def lose_everything(house: House) -> None:
    """A new machine."""
    shutil.rmtree(house.folder / "state")
    shutil.rmtree(house.disk)
    house.config_path.unlink()


@pytest.fixture
def chain(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> SeaweedFS:
    """Credentials as boto3 finds them by itself."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    return seaweedfs


def test_bucket_gives_files_and_index_back(house_with_bucket: House, chain: SeaweedFS) -> None:
    """Identical trees, an index that is equal row for row, and the next run fetches nothing."""
    house = house_with_bucket
    house.simulator.world.add("geminigen", state="failed", prompt="a lost cause")
    house.simulator.world.add("geminigen", prompt="雪后的长城")
    house.run()
    files, index = tree(house.disk), rows(house)
    listed = house.archiver("ls", "--status", "archived", "--json").lines
    address = f"s3://{bucket_of(house)}/generations"
    lose_everything(house)

    back = house.bare(
        *("restore", "--from", address, "--endpoint-url", chain.endpoint_url),
        *("--to", house.folder / "back", "--with-sidecars"),
    )
    rebuilt = house.archiver("rebuild", "--from", "vault", "--json")

    assert 0 == back.exit_code, back.err
    assert files == tree(house.folder / "back")
    assert 0 == rebuilt.exit_code, rebuilt.err
    assert len(index["generations"]) == rebuilt.document["sidecars"]
    for table, expected in index.items():
        assert expected == rows(house)[table], table
    found = house.archiver("ls", "--status", "archived", "--json").lines
    assert sorted((one["id"], one["size_bytes"], one["prompt"]) for one in listed) == sorted(
        (one["id"], one["size_bytes"], one["prompt"]) for one in found
    )
    assert 1 == len(house.archiver("search", "长城", "--account", "studio", "--json").lines)
    house.simulator.requests.clear()
    assert 0 == house.run().exit_code
    assert 0 == house.simulator.requests.count("media")
    assert files == tree(house.disk)


def test_forgotten_prefix_is_told(house_with_bucket: House, chain: SeaweedFS) -> None:
    """One line with the address that is meant."""
    house = house_with_bucket
    house.run()
    address = f"s3://{bucket_of(house)}"

    done = house.bare(
        *("restore", "--from", address, "--endpoint-url", chain.endpoint_url),
        *("--to", house.folder / "back"),
    )

    assert 10 == done.exit_code
    assert 1 == len(done.err.splitlines())
    assert done.err.rstrip().endswith(f"most likely {address}/generations")


@pytest.mark.parametrize("key", ["", "wrong"])
def test_bucket_that_refuses_the_keys_is_exit_12(
    house_with_bucket: House, chain: SeaweedFS, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """No credentials at all, or wrong ones: a person must act, and is told in one line."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, key) if key else monkeypatch.delenv(name)

    done = house_with_bucket.bare(
        *("restore", "--from", f"s3://{bucket_of(house_with_bucket)}/generations"),
        *("--endpoint-url", chain.endpoint_url, "--to", house_with_bucket.folder / "back"),
    )

    assert 12 == done.exit_code, done.err
    assert 1 == len(done.err.splitlines())


@pytest.fixture
def moto(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    """A store that knows archive tiers and versions."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto_url)
    client = make_s3_client(moto_url, "key", "secret")
    yield client
    client.close()


def test_frozen_files_are_told_asked_for_and_brought_later(house: House, moto: S3Client) -> None:
    """An archive tier: nothing is asked unless told; the same command goes on when it thawed."""
    moto.create_bucket(Bucket="frozen")
    made = [make(number) for number in range(3)]
    for key, body in files_of(made):
        tier = "STANDARD" if key.endswith(".json") else "GLACIER"
        moto.put_object(Bucket="frozen", Key=key, Body=body, StorageClass=tier)  # type: ignore[arg-type]
    restore = ("restore", "--from", "s3://frozen", "--to", house.folder / "back")

    told = house.bare(*restore)
    assert 3 == told.exit_code
    assert "3 files" in told.err
    assert "--request-thaw asks" in told.err
    assert "Restore" not in moto.head_object(Bucket="frozen", Key=made[0].media_key)

    asked = house.bare(*restore, "--request-thaw", "--thaw-days", "2")
    assert 3 == asked.exit_code
    assert "they were asked for" in asked.err

    later = house.bare(*restore)
    assert 0 == later.exit_code, later.err
    assert {one.media_key for one in made} == set(tree(house.folder / "back"))


def test_bucket_as_it_was_gives_back_what_was_deleted(house: House, moto: S3Client) -> None:
    """--as-of: files and sidecars of that moment, whatever became of them since."""
    moto.create_bucket(Bucket="versions")
    moto.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    one, two = make(1), make(2)
    for key, body in files_of([one, two]):
        moto.put_object(Bucket="versions", Key=key, Body=body)
    time.sleep(1.1)  # stores tell the times of versions in whole seconds
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.1)
    moto.put_object(Bucket="versions", Key=one.media_key, Body=b"ransom")
    for key in two.files:
        moto.delete_object(Bucket="versions", Key=key)
    restore = ("restore", "--from", "s3://versions", "--to", house.folder / "back")

    assert 3 == house.bare(*restore).exit_code
    done = house.bare(*restore, "--as-of", moment)

    assert 0 == done.exit_code, done.err
    for made in (one, two):
        assert made.body == (house.folder / "back" / made.media_key).read_bytes()


def test_past_without_a_place_is_a_usage_error(house: House) -> None:
    """Which bucket is meant has to be said."""
    done = house.archiver("restore", "--to", house.folder / "back", "--as-of", "2026-01-01")
    assert 2 == done.exit_code
    assert "--from" in done.err
