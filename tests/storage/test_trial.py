"""What every destination must do when it is tried out: the promises of `storage.trial`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import pytest

from archiver import keys
from archiver.errors import DestinationError, KeyInvalid
from archiver.storage.base import put
from archiver.storage.local import destination as local
from archiver.storage.local.trial import open_trial as open_local_trial
from archiver.storage.s3.trial import open_trial as open_s3_trial
from archiver.storage.trial import TRIAL_PREFIX, make_trial_key
from tests.servers import SeaweedFS
from tests.storage.places import LocalPlace, Place, S3Place, fetch, list_keys, make_options

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SIX_MINUTES = 360.0


def test_what_was_tried_is_gone_again(place: Place) -> None:
    """A file comes back as it was, and after `remove` nothing is left at the place."""
    key = make_trial_key()
    with closing(place.open_trial()) as trial:
        trial.prepare()
        put(trial, key, [b"tried"], "text/plain")
        assert b"tried" == fetch(trial, key)

        assert trial.remove(key)

    assert [] == list_keys(place.destination)
    assert 0 == place.count_leftovers()


@pytest.mark.parametrize(
    "key", [keys.MARKER_KEY, "a/b.png", "", f"{TRIAL_PREFIX}/../archive.json", ".archiver/trial"]
)
def test_nothing_else_can_be_removed(place: Place, key: str) -> None:
    """Only a key that was made to be tried out: no other file is ever touched."""
    put(place.destination, keys.MARKER_KEY, [b"{}"], "application/json")
    put(place.destination, "a/b.png", [b"dear"], "image/png")

    with closing(place.open_trial()) as trial, pytest.raises(KeyInvalid):
        trial.remove(key)

    assert [keys.MARKER_KEY, "a/b.png"] == list_keys(place.destination)


def test_removing_what_is_not_there_is_done(place: Place) -> None:
    """An upload may have failed, and its name is removed all the same."""
    with closing(place.open_trial()) as trial:
        assert trial.remove(make_trial_key())


def test_what_the_store_does_with_damaged_bytes_is_found_out(
    place: Place, request: pytest.FixtureRequest
) -> None:
    """As docs/stores.md says of each; what was taken can be removed."""
    expected = {"memory": None, "local": None, "moto": False}
    store = request.node.callspec.params["place"]
    key = make_trial_key()
    with closing(place.open_trial()) as trial:
        assert expected.get(store, True) is trial.refuses_damaged(key)

        assert trial.remove(key)

    assert [] == list_keys(place.destination)


def test_the_place_has_an_address(place: Place) -> None:
    """A person is told where to look."""
    with closing(place.open_trial()) as trial:
        around = trial.look_around()

    assert around.place
    assert around.is_there


def test_a_directory_tells_its_room(local_place: LocalPlace) -> None:
    """How much is free of how much."""
    around = local_place.open_trial().look_around()

    assert str(local_place.root) == around.place
    assert 0 < (around.free_bytes or 0) <= (around.total_bytes or 0)


def test_a_directory_is_never_made(tmp_path: Path) -> None:
    """It may be a disk that is not mounted: the trial says so, and makes nothing."""
    root = tmp_path / "not" / "there"
    trial = open_local_trial("disk", local.Options(type="local", path=root))

    around = trial.look_around()

    assert (False, True, str(tmp_path)) == (around.is_there, around.can_be_made, around.parent)
    with pytest.raises(DestinationError, match="is the disk mounted"):
        trial.prepare()
    assert [] == list(tmp_path.iterdir())


def test_the_marker_s_folder_stays_where_it_was(local_place: LocalPlace) -> None:
    """Only a folder that is empty goes with the file that was tried."""
    put(local_place.destination, keys.MARKER_KEY, [b"{}"], "application/json")
    key, trial = make_trial_key(), local_place.open_trial()
    put(trial, key, [b"tried"], "text/plain")

    assert trial.remove(key)

    assert [keys.MARKER_KEY] == list_keys(local_place.destination)


def test_no_version_of_what_was_tried_is_left(
    seaweedfs_client: S3Client, seaweedfs: SeaweedFS
) -> None:
    """In a versioned bucket a plain delete would only hide it, and leave a mark."""
    place = _seaweed_place(seaweedfs_client, bucket="trial-versions")
    place.create_bucket(with_versions=True)
    key = make_trial_key()
    with closing(place.open_trial()) as trial:
        put(trial, key, [b"one"], "text/plain")
        put(trial, key, [b"two"], "text/plain")

        assert trial.remove(key)
        assert trial.remove(make_trial_key())

    found = seaweedfs_client.list_object_versions(Bucket=place.bucket)
    assert ([], []) == (found.get("Versions", []), found.get("DeleteMarkers", []))


def test_what_is_tried_is_not_locked_for_years(seaweedfs_client: S3Client) -> None:
    """A config with an object lock: the bucket's lock is told, and the file can be removed."""
    lock = {"mode": "COMPLIANCE", "days": 3650}
    place = _seaweed_place(seaweedfs_client, bucket="trial-lock", object_lock=lock)
    place.create_bucket(with_object_lock=True)
    key = make_trial_key()
    with closing(place.open_trial()) as trial:
        trial.prepare()
        put(trial, key, [b"tried"], "text/plain")
        around = trial.look_around()

        assert trial.remove(key)

    assert (True, True) == (around.wants_lock, around.has_lock)
    assert "Versions" not in seaweedfs_client.list_object_versions(Bucket=place.bucket)


def test_a_bucket_that_cannot_lock_is_told(seaweedfs_place: S3Place) -> None:
    """It was made without object lock."""
    with closing(seaweedfs_place.open_trial()) as trial:
        assert False is trial.look_around().has_lock


def test_a_bucket_that_locks_by_itself_keeps_what_was_tried(seaweedfs_client: S3Client) -> None:
    """The store does what it was told to: the file stays, and `remove` says so."""
    place = _seaweed_place(seaweedfs_client, bucket="trial-default")
    place.create_bucket(with_object_lock=True)
    seaweedfs_client.put_object_lock_configuration(
        Bucket=place.bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
        },
    )
    key = make_trial_key()
    with closing(place.open_trial()) as trial:
        put(trial, key, [b"tried"], "text/plain")

        assert True is trial.look_around().locks_all
        assert not trial.remove(key)


def test_a_store_s_clock_is_heard(seaweedfs_place: S3Place) -> None:
    """Each answer tells the time; this one's is ours."""
    with closing(seaweedfs_place.open_trial()) as trial:
        assert trial.clock_skew_seconds is None
        trial.prepare()

        assert abs(trial.clock_skew_seconds or 99.0) < 30


def test_a_store_that_refuses_our_clock_tells_its_own() -> None:
    """A refusal has a date too, and it is the one that matters."""
    with (
        _refusing_store(SIX_MINUTES) as url,
        closing(
            open_s3_trial(
                "vault",
                make_options(endpoint_url=url, access_key="any", secret_key="anything"),
            )
        ) as trial,
    ):
        with pytest.raises(DestinationError):
            trial.prepare()

        assert abs((trial.clock_skew_seconds or 0.0) - SIX_MINUTES) < 30


def _seaweed_place(client: S3Client, bucket: str, object_lock: object = None) -> S3Place:
    keys = (SeaweedFS.access_key, SeaweedFS.secret_key)
    return S3Place(client, *keys, knows_age=True, bucket=bucket, object_lock=object_lock)


@contextmanager
def _refusing_store(ahead_seconds: float) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(403)
            self.send_header("Date", formatdate(time() + ahead_seconds, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
