"""A big restore from two destinations, killed in the middle; and as many sidecars made an index.

`ARCHIVER_TORTURE=all` restores 5,000 files and reads 100,000 sidecars, else some hundred.
"""

from __future__ import annotations

import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from archiver.actions.rebuild import rebuild
from archiver.actions.running.prepare import prepare
from archiver.config import load_config
from archiver.wiring.archive import open_archive
from tests.servers import SeaweedFS
from tests.stories.hand_made import files_of, make, write
from tests.stories.house import media_tree, tree
from tests.torture.ground import sample

[FILES] = sample([5000], 400)
[SIDECARS] = sample([100_000], 500)
pytestmark = pytest.mark.timeout(1200)


class Wire:
    """A wire to a store that notes which objects are asked for."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._port = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """Take no more connections."""
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._socket.accept()
                theirs = socket.create_connection(("127.0.0.1", self._port))
                for one, other, note in ((ours, theirs, self._note), (theirs, ours, None)):
                    threading.Thread(target=_pump, args=(one, other, note), daemon=True).start()

    def _note(self, block: bytes) -> None:
        self.asked += [
            unquote(path.decode()) for path in re.findall(rb"GET (\S+\.png)[? ]\S* ?HTTP", block)
        ]


def _pump(one: socket.socket, other: socket.socket, note: Callable[[bytes], None] | None) -> None:
    with suppress(OSError):
        while block := one.recv(1 << 16):
            if note is not None:
                note(block)
            other.sendall(block)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@pytest.fixture
def wire(seaweedfs: SeaweedFS) -> Iterator[Wire]:
    """A wire to the real store."""
    wire = Wire(urlsplit(seaweedfs.endpoint_url).port or 0)
    yield wire
    wire.close()


def test_killed_restore_goes_on_and_fetches_nothing_twice(
    tmp_path: Path,
    wire: Wire,
    seaweedfs: SeaweedFS,
    record_property: Callable[[str, object], None],
) -> None:
    """Half of the files are at the one place only; what was whole at the kill is not asked for."""
    made = [make(number) for number in range(FILES)]
    expected = write(tmp_path / "disk", made)
    fill(seaweedfs, "big", list(files_of(made)))
    for one in made[::2]:
        (tmp_path / "disk" / one.media_key).unlink()
    config = make_index(tmp_path, wire.url, seaweedfs)
    command = [sys.executable, "-m", "archiver", "-q", "-c", str(config), "restore"]
    command += ["--from", "disk", "--to", str(tmp_path / "back")]

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(media_tree(tmp_path / "back")) < FILES // 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)  # until the wire has delivered what the dead process still asked for
    whole = media_tree(tmp_path / "back")
    first, wire.asked = wire.asked, []
    began_at = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False)
    seconds = time.monotonic() - began_at

    assert len(whole) < FILES
    assert 0 == done.returncode, done.stderr
    assert {one.media_key: expected[one.media_key] for one in made} == tree(tmp_path / "back")
    again = {path.removeprefix("/big/") for path in wire.asked}
    assert set() == again & whole.keys()
    assert len(wire.asked) == len(again) == sum(one.media_key not in whole for one in made[::2])
    rest = FILES - len(whole)
    record_property(
        "restore",
        f"{FILES} files, killed after {len(whole)}; the other {rest} in {seconds:.1f} s"
        f" ({rest / seconds:.0f} a second); {len(first)} + {len(wire.asked)} objects asked for",
    )


def fill(store: SeaweedFS, bucket: str, files: list[tuple[str, bytes]]) -> None:
    """Put files into a new bucket."""
    client = store.make_client()
    client.create_bucket(Bucket=bucket)
    with ThreadPoolExecutor(8) as workers:
        list(
            workers.map(
                lambda one: client.put_object(Bucket=bucket, Key=one[0], Body=one[1]), files
            )
        )
    client.close()


def make_index(folder: Path, endpoint_url: str, store: SeaweedFS) -> Path:
    """Write a config with both places, and take both over into the index."""
    config = folder / "config.toml"
    config.write_text(
        '[archive]\nstate_dir = "state"\n[destinations.disk]\ntype = "local"\npath = "disk"\n'
        f'[destinations.vault]\ntype = "s3"\nbucket = "big"\nendpoint_url = "{endpoint_url}"\n'
        f'region = "{store.region}"\naccess_key = "{store.access_key}"\n'
        f'secret_key = "{store.secret_key}"\n'
        '[accounts.studio]\nprovider = "geminigen"\napi_key = "none"\n',
        encoding="utf-8",
    )
    with open_archive(load_config(config), create_index=True) as archive:
        for destination in archive.destinations.values():
            assert FILES == rebuild(archive.index, destination).sidecars
    return config


def test_sidecars_become_an_index(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """All of them, at a rate that is told, in memory that does not grow with their number."""
    write(tmp_path / "disk", (make(number) for number in range(SIDECARS)))
    config = tmp_path / "config.toml"
    config.write_text(
        '[archive]\nstate_dir = "state"\n[destinations.disk]\ntype = "local"\npath = "disk"\n'
        '[accounts.studio]\nprovider = "geminigen"\napi_key = "none"\n',
        encoding="utf-8",
    )
    with open_archive(load_config(config), create_index=True) as archive:
        prepare(archive)
    (tmp_path / "state" / "index.sqlite").unlink()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    began_at = time.monotonic()

    done = subprocess.run(
        [sys.executable, "-m", "archiver", "-c", str(config), "rebuild", "--from", "disk"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert f"{SIDECARS} generations taken over" in done.stdout
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    seconds = time.monotonic() - began_at
    assert peak == before or peak < 300 << 10
    record_property(
        "rebuild",
        f"{SIDECARS} sidecars in {seconds:.1f} s ({SIDECARS / seconds:.0f} a second),"
        f" {peak >> 10} MiB at most",
    )
