"""What is right: an uninterrupted run, and checks of anything else against it.

The media of the uninterrupted run are compared with the simulator's own bytes first.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archiver import sidecar
from tests.stories.house import House, expected_hashes, media_tree, sha256_of

RUN_TIMEOUT_SECONDS = 300
_CRASH = re.compile("Traceback|internal error|this is a bug")
_TIMES = ("archived_at", "fetched_at", "at")
_SIGNATURE = re.compile(r"\[removed \d+ bytes, sha256 [0-9a-f]+\]")
_LONG_AGO_SECONDS = 3 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run of the real program ended."""

    exit_code: int
    said: str
    summary: Mapping[str, Any]
    seconds: float

    @property
    def media_requests(self) -> int:
        """How often a media host was asked."""
        return int(self.summary["media_requests"])


@dataclass(frozen=True, slots=True)
class Truth:
    """Where an uninterrupted run ends: media by path, sidecars without the times of the run."""

    media: Mapping[str, str]
    sidecars: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """How much was visible, and committed."""

    files: int
    sidecars: int
    archived: int


def run_to_end(house: House, *arguments: str, under: Sequence[str] = ()) -> Ended:
    """Run `archiver run` as a process, by itself or under another program."""
    started_at = time.monotonic()
    done = subprocess.run(
        [*under, *command_of(house), *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
        check=False,
    )
    seconds = time.monotonic() - started_at
    summary = summary_of(done.stdout)
    return Ended(exit_code=done.returncode, said=done.stderr, summary=summary, seconds=seconds)


def crash_in(ended: Ended) -> str | None:
    """Name what only a mistake of ours would say, or None."""
    found = _CRASH.search(ended.said) or _CRASH.search(json.dumps(ended.summary))
    return found and found.group()


def summary_of(printed: str) -> Mapping[str, Any]:
    """Read what a run printed; nothing when it did not come so far."""
    summary: Mapping[str, Any] = json.loads(printed) if printed.startswith("{") else {}
    return summary


def command_of(house: House) -> list[str]:
    """The command line of a run."""
    config = str(house.config_path)
    return [sys.executable, "-m", "archiver", "-q", "-c", config, "run", "--json"]


def start_run(house: House, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a run that the caller ends or waits for."""
    return subprocess.Popen(
        [*command_of(house), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def learn(house: House, *arguments: str) -> Truth:
    """Make an uninterrupted run, and prove its files against the simulator's bytes."""
    house.write_config()
    ended = run_to_end(house, *arguments)
    assert 0 == ended.exit_code, ended.said
    media = media_tree(house.disk)
    assert expected_hashes(house.simulator) == sorted(media.values())
    return Truth(media, _sidecars(house.disk))


def check_anything_visible(house: House, truth: Truth) -> Seen:
    """Nothing wrong stands under a final name, and the index claims nothing that is not there."""
    disk = house.disk
    media = media_tree(disk) if disk.exists() else {}
    assert {name: truth.media.get(name) for name in media} == media
    documents = _documents(disk) if disk.exists() else {}
    for name, document in documents.items():
        for one in sidecar.decode(document, name).media:
            assert media.get(one.path) == one.digest.sha256, one.path
    marker = disk / ".archiver" / "archive.json"
    if marker.exists():
        assert json.loads(marker.read_bytes())["id"]
    return Seen(len(media), len(documents), _check_index(house))


def check_ends_alike(house: House, truth: Truth, *arguments: str) -> Ended:
    """One plain run ends where an uninterrupted one does; the next has nothing to do or clean."""
    house.write_config()
    ended = run_to_end(house, *arguments)
    assert 0 == ended.exit_code, ended.said + json.dumps(ended.summary)
    check_is_whole(house, truth)
    _let_days_pass(house)
    again = run_to_end(house)
    assert (0, 0) == (again.exit_code, again.media_requests), again.said
    assert [] == leftovers(house.disk)
    return ended


def check_is_whole(house: House, truth: Truth) -> None:
    """The archive is what an uninterrupted run leaves, and the index says so."""
    assert dict(truth.media) == media_tree(house.disk)
    found = _sidecars(house.disk)
    assert truth.sidecars.keys() == found.keys()
    for name, expected in truth.sidecars.items():
        if "detail" not in expected["raw"]:  # asked by id once more, for a link or a try
            found[name]["raw"].pop("detail", None)
        assert expected == found[name], f"{name}: {_difference(expected, found[name])}"
    assert len(truth.sidecars) == _check_index(house)


def leftovers(folder: Path) -> list[Path]:
    """What uploads leave that nobody ended."""
    return sorted(path for path in folder.rglob(".archiver-tmp*") if path.is_file())


def _let_days_pass(house: House) -> None:
    """Make leftovers, and the last time that they were cleaned, three days older."""
    long_ago = time.time() - _LONG_AGO_SECONDS
    for path in leftovers(house.disk):
        os.utime(path, (long_ago, long_ago))
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index, index:
        index.execute("UPDATE destinations SET cleaned_at = NULL")


def _check_index(house: House) -> int:
    """Compare what the index says of the disk with the disk; returns how many are archived."""
    path = house.folder / "state" / "index.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as index:
        assert [("ok",)] == index.execute("PRAGMA integrity_check").fetchall()
        if not index.execute("SELECT 1 FROM sqlite_master WHERE name = 'copies'").fetchall():
            return 0
        claimed = "SELECT key, path, sha256 FROM copies WHERE destination = 'disk'"
        for key, name, sha256 in index.execute(claimed):
            file = house.disk / name
            assert file.exists(), f"the index says stored, but there is no {name}"
            if key:
                assert sha256 == sha256_of(file), name
        assert [] == index.execute(_UNPROVEN).fetchall()
        return int(index.execute(_ARCHIVED).fetchone()[0])


_ARCHIVED = "SELECT COUNT(*) FROM generations WHERE state = 'archived'"
_UNPROVEN = """
    SELECT id FROM generations WHERE state = 'archived' AND (
        NOT EXISTS (SELECT 1 FROM copies WHERE generation = number AND key = '')
        OR EXISTS (
            SELECT 1 FROM assets WHERE generation = number AND state <> 'excluded' AND (
                state <> 'archived'
                OR NOT EXISTS (
                    SELECT 1 FROM copies
                    WHERE copies.generation = number AND copies.key = assets.key))))
"""


def _documents(disk: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(disk)): path.read_bytes()
        for path in sorted(disk.rglob("*.json"))
        if ".archiver" not in path.parts
    }


def _sidecars(disk: Path) -> dict[str, Any]:
    return {name: _timeless(document) for name, document in _documents(disk).items()}


def _timeless(document: bytes) -> Any:
    """A sidecar without what differs between two runs: their time, and signatures removed."""
    text = _SIGNATURE.sub("[removed]", document.decode())
    return json.loads(text, object_hook=_drop_times)


def _difference(expected: Any, found: Any, where: str = "") -> str:
    """Name the first place where two documents are not the same."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                return _difference(expected.get(name), found.get(name), f"{where}.{name}")
    return f"{where}: {expected!r:.300} was expected, not {found!r:.300}"


def _drop_times(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _TIMES}
