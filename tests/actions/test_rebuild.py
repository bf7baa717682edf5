"""A rebuild in batches: what is wrong with one sidecar is its own, and every word can be found."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archiver.actions.rebuild import BATCH, make_adoptable, read_sidecar, rebuild
from archiver.index import Index, adopted, index_path, open_index, queries
from archiver.index.queries import Filters
from archiver.storage.local.destination import open_destination
from archiver.storage.local.options import Options
from tests.stories.hand_made import Made, make, write

KILLED = """
import os, signal, sys
from pathlib import Path
from archiver.actions.rebuild import rebuild
from archiver.index import open_index
from archiver.storage.local.destination import open_destination
from archiver.storage.local.options import Options

disk, state = map(Path, sys.argv[1:])
place = open_destination("disk", Options(type="local", path=disk))
rebuild(open_index(state, create=True), place, lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Open a new index in a state directory."""
    with closing(open_index(tmp_path / "state", create=True)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _state(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()


def take_over(index: Index, disk: Path, name: str = "disk") -> tuple[int, list[str]]:
    """Rebuild from a folder; gives back how many came, and what is broken."""
    report = rebuild(index, open_destination(name, Options(type="local", path=disk)))
    return report.sidecars, report.broken


def with_word(index: Index, word: str) -> set[str]:
    """Search for a word; names the generations that have it."""
    return {one.generation.id for one in queries.find(index, Filters(text=word))}


def ids(made: Iterable[Made]) -> set[str]:
    """Name generations."""
    return {one.id for one in made}


def check_words(state: Path) -> None:
    """Compare the full text with the rows, word by word; raises when they differ."""
    with closing(sqlite3.connect(index_path(state))) as db:
        db.execute("INSERT INTO generations_fts (generations_fts) VALUES ('integrity-check')")


def test_one_sidecar_that_contradicts_another_takes_back_only_itself(
    index: Index, tmp_path: Path
) -> None:
    """A second sidecar of a generation, at another place, is named; all others are taken over."""
    made = [make(number) for number in range(40)]
    write(tmp_path / "disk", made)
    original = next(path for path in (tmp_path / "disk").rglob("*00007.json"))
    other = original.with_name("hist_elsewhere.json")
    told = original.read_text(encoding="utf-8")
    other.write_text(told.replace("hist_00000007.png", "hist_elsewhere.png"), encoding="utf-8")

    count, broken = take_over(index, tmp_path / "disk")

    assert 40 == count
    [line] = broken
    assert "contradicts another sidecar: hist_00000007 has another sidecar already" in line
    assert ids(made) == with_word(index, "quiet river")
    check_words(tmp_path / "state")


def lose_file(path: Path, prompt: str) -> None:
    """Let a sidecar say that its file could not be fetched, and tell another prompt."""
    told = json.loads(path.read_text(encoding="utf-8"))
    [media] = told["media"]
    missing = {"state": "failed", "reason": "503", "http_status": 503, "at": media["fetched_at"]}
    told |= {"prompt": prompt, "media": []}
    told["missing"] = [{"key": media["key"], "role": media["role"], **missing}]
    path.write_text(json.dumps(told), encoding="utf-8")


def test_words_that_another_sidecar_tells_anew_replace_the_old_ones(
    index: Index, tmp_path: Path
) -> None:
    """One that names a file which was missing before; only the words that hold are found."""
    made = [make(number, prompt="a grey heron") for number in range(3)]
    write(tmp_path / "disk", made[:2])
    write(tmp_path / "vault", made[1:])
    lose_file(next((tmp_path / "disk").rglob("*00001.json")), "a dim lantern")
    take_over(index, tmp_path / "disk")
    assert {made[1].id} == with_word(index, "lantern")

    take_over(index, tmp_path / "vault", "vault")

    assert set() == with_word(index, "lantern")
    assert ids(made) == with_word(index, "heron")
    check_words(tmp_path / "state")


def test_words_change_also_in_the_batch_that_brought_them(index: Index, tmp_path: Path) -> None:
    """A listing may name a sidecar twice while it is written anew."""
    one = make(1, prompt="a grey heron")
    write(tmp_path / "disk", [one])
    place = open_destination("disk", Options(type="local", path=tmp_path / "disk"))
    [path] = (tmp_path / "disk").rglob("*.json")
    key = path.relative_to(tmp_path / "disk").as_posix()
    whole = make_adoptable("disk", read_sidecar(place, key), one.created_at)
    lose_file(path, "a dim lantern")
    lacking = make_adoptable("disk", read_sidecar(place, key), one.created_at)

    assert [] == adopted.adopt_all(index, [lacking, whole])

    assert set() == with_word(index, "lantern")
    assert {one.id} == with_word(index, "heron")
    check_words(tmp_path / "state")


def test_a_rebuild_that_was_killed_begins_anew_and_finds_every_word(tmp_path: Path) -> None:
    """What the first batch brought is found at once, and again after the whole was read."""
    made = [make(number) for number in range(BATCH + 20)]
    write(tmp_path / "disk", made)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "disk"), str(tmp_path / "state")]
    killed = subprocess.run(command, check=False)
    assert -signal.SIGKILL == killed.returncode

    with closing(open_index(tmp_path / "state")) as index:
        assert BATCH == len(with_word(index, "quiet river"))
        count, broken = take_over(index, tmp_path / "disk")

        assert (len(made), []) == (count, broken)
        assert ids(made) == with_word(index, "quiet river")
    check_words(tmp_path / "state")


def test_half_a_character_breaks_only_its_own_sidecar(index: Index, tmp_path: Path) -> None:
    """No text of the index could hold it."""
    write(tmp_path / "disk", [make(number) for number in range(5)])
    path = next(path for path in (tmp_path / "disk").rglob("*00003.json"))
    told = path.read_text(encoding="utf-8").replace("a quiet", "a \\ud800 quiet")
    path.write_text(told, encoding="utf-8")

    count, [broken] = take_over(index, tmp_path / "disk")

    assert 4 == count
    assert "hist_00000003" in broken
