"""A rebuild in batches: what is wrong with one sidecar is its own, and every word can be found."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.actions.adopting import make_adoptable, read_sidecar
from archiver.actions.rebuild import RebuildReport, rebuild
from archiver.actions.rebuilding.reading import BATCH
from archiver.index import Index, adopted, index_path, open_index, queries
from archiver.index.queries import Filters
from archiver.storage.base import Destination
from archiver.storage.breaker import Breaker
from archiver.storage.local.destination import LocalDestination, open_destination
from archiver.storage.local.options import Options
from tests.stories.hand_made import Made, make, write

KILLED = """
import os, signal, sys
from pathlib import Path
from archiver.actions.rebuild import RebuildReport, rebuild
from archiver.index import open_index
from archiver.storage.local.destination import open_destination
from archiver.storage.local.options import Options

disk, state = map(Path, sys.argv[1:])
place = open_destination("disk", Options(type="local", path=disk))
children = Path(f"/proc/self/task/{os.getpid()}/children")

def die(_):
    print(children.read_text(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

rebuild(open_index(state, create=True), place, die)
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
    """What the first batch brought is found at once, and again after the whole was read.

    The process that read the next batch beside it ends by itself.
    """
    made = [make(number) for number in range(BATCH + 20)]
    write(tmp_path / "disk", made)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "disk"), str(tmp_path / "state")]
    killed = subprocess.run(command, check=False, stdout=subprocess.PIPE)
    assert -signal.SIGKILL == killed.returncode
    [beside] = killed.stdout.split()
    assert has_ended(int(beside))

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


def has_ended(process: int, within_seconds: float = 20.0) -> bool:
    """Tell whether a process ends soon; one that nobody has collected yet has ended as well."""
    stat = Path(f"/proc/{process}/stat")
    ends_at = time.monotonic() + within_seconds
    while time.monotonic() < ends_at:
        try:
            if stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def second_processes() -> list[int]:
    """Name the readers that this process has started and that still run; servers have others."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return [
        int(process)
        for process in children.split()
        if b"beside" in Path(f"/proc/{process}/cmdline").read_bytes()
    ]


def spoil(disk: Path) -> None:
    """Leave sidecars that cannot be taken over, among those that are read last, and elsewhere."""
    paths = sorted(disk.rglob("*.json"))
    for path, text in zip(paths[::97], ["", "[]", "{}", "not JSON", "\0"], strict=False):
        path.write_text(text, encoding="utf-8")
    newer = paths[5].read_text(encoding="utf-8").replace("archiver.sidecar/1", "archiver.sidecar/2")
    paths[5].write_text(newer, encoding="utf-8")
    paths[6].rename(paths[6].with_name("moved.json"))


class Far(LocalDestination):
    """A directory that says of itself that it is far away."""

    capabilities = replace(LocalDestination.capabilities, is_near=False)


def contents(state: Path) -> dict[str, list[tuple[object, ...]]]:
    """Read all rows of an index that a rebuild writes, but for their numbers: threads race."""
    with closing(sqlite3.connect(index_path(state))) as db:
        return {
            table: sorted(db.execute(query), key=repr)
            for table, query in {
                "generations": "SELECT id, state, prompt, stem, details FROM generations",
                "assets": "SELECT key, path, ordinal, state, sha256 FROM assets",
                "copies": "SELECT key, path, sha256, stored_at, verified FROM copies",
                "counts": "SELECT * FROM counts",
            }.items()
        }


def test_what_a_second_process_reads_is_what_this_one_would_have_read(tmp_path: Path) -> None:
    """Also of sidecars that are damaged, too new or moved: the same lines are told of them."""
    write(tmp_path / "disk", [make(number) for number in range(BATCH * 2)])
    spoil(tmp_path / "disk")
    told = {}
    place = str(tmp_path / "disk")
    places: dict[str, Destination] = {
        "near": Breaker(LocalDestination("disk", place)),
        "far": Far("disk", place),
    }
    for name, destination in places.items():
        (tmp_path / name).mkdir()
        with closing(open_index(tmp_path / name, create=True)) as opened:
            report = rebuild(opened, destination)
            told[name] = (report.sidecars, report.placed, sorted(report.broken))

    assert told["far"] == told["near"]
    assert (BATCH * 2 - 7, 7) == (told["near"][0], len(told["near"][2]))
    assert contents(tmp_path / "far") == contents(tmp_path / "near")
    assert [] == second_processes()


def test_a_second_process_that_dies_is_made_up_for(index: Index, tmp_path: Path) -> None:
    """The rest is read here; nothing is lacking, and nothing is told as broken."""
    made = [make(number) for number in range(BATCH * 3)]
    write(tmp_path / "disk", made)
    died: list[int] = []

    def kill(_: RebuildReport) -> None:
        died.extend(second_processes())
        for process in second_processes():
            os.kill(process, signal.SIGKILL)

    place = open_destination("disk", Options(type="local", path=tmp_path / "disk"))
    report = rebuild(index, place, kill)

    assert died
    assert (len(made), []) == (report.sidecars, report.broken)
    assert ids(made) == with_word(index, "quiet river")


def test_without_a_second_process_all_is_read_here(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where none may be started."""
    made = [make(number) for number in range(BATCH + 20)]
    write(tmp_path / "disk", made)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))

    assert (len(made), []) == take_over(index, tmp_path / "disk")


def test_a_take_over_that_is_broken_off_leaves_no_process_behind(
    index: Index, tmp_path: Path
) -> None:
    """As by a signal, or by an error of the index."""
    write(tmp_path / "disk", [make(number) for number in range(BATCH * 3)])
    place = open_destination("disk", Options(type="local", path=tmp_path / "disk"))

    def stop(_: RebuildReport) -> None:
        assert second_processes()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(index, place, stop)

    assert [] == second_processes()
