"""Whatever happens to histories, servers and disks, the archive ends equal to the world.

Hypothesis plays an adversary who changes histories and scripts faults between and during runs,
moves the clock, takes the index or a destination away; after every run nothing that is visible
is wrong, and once the adversary is silent one sweep brings everything home (promises 1 to 6).
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, settings, stateful
from hypothesis import strategies as st

from archiver.actions.run import RunSummary
from archiver.errors import Interrupted
from archiver.index import open_index, queries
from archiver.index.queries import Filters
from archiver.index.rows import Known
from archiver.model import State
from archiver.simulator import Simulator, faults
from archiver.simulator.faults import Fault
from archiver.simulator.item import PROVIDERS, Item
from archiver.states import ASSETS, GENERATIONS
from tests.stories.house import ACCOUNTS, KEPT_ROLES, sha256_of
from tests.torture.adversary import SHAPES
from tests.torture.ground import IS_WHOLE, SMALL, Clock, Ground

EXAMPLES, STEPS = (120, 40) if IS_WHOLE else (14, 24)
ACCOUNT_OF = {provider: name for name, provider in ACCOUNTS.items()}
SCHEMA = json.loads(files("archiver").joinpath("sidecar.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FIGURES = {"examples": 0, "runs": 0, "faults met": 0, "sidecars checked": 0, "files checked": 0}
FIGURES["state changes checked"] = 0

WATCH = """
CREATE TABLE IF NOT EXISTS moves (what TEXT, before TEXT, after TEXT);
CREATE TRIGGER IF NOT EXISTS generation_new AFTER INSERT ON generations
    BEGIN INSERT INTO moves VALUES ('generations', NULL, NEW.state); END;
CREATE TRIGGER IF NOT EXISTS generation_moves AFTER UPDATE ON generations
    BEGIN INSERT INTO moves VALUES ('generations', OLD.state, NEW.state); END;
CREATE TRIGGER IF NOT EXISTS asset_new AFTER INSERT ON assets
    BEGIN INSERT INTO moves VALUES ('assets', NULL, NEW.state); END;
CREATE TRIGGER IF NOT EXISTS asset_moves AFTER UPDATE ON assets
    BEGIN INSERT INTO moves VALUES ('assets', OLD.state, NEW.state); END;
"""
"""Makes an index write down each change of a state."""
API_FAULTS: dict[str, Callable[[], Fault]] = {
    "html page": faults.page_instead,
    "503": lambda: faults.status(503),
    "502 page": lambda: faults.page_instead(code=502),
    "429 at once": lambda: faults.rate_limited("0"),
    "429 for long": lambda: faults.rate_limited("900"),
    "cut": lambda: faults.cut(60),
    "cut chunks": lambda: faults.cut(60, framing="chunked"),
    "reset": faults.reset,
    "reset inside": lambda: faults.reset(60),
    "empty": faults.empty,
}
MEDIA_FAULTS: dict[str, Callable[[], Fault]] = {
    "html page": faults.page_instead,
    "html as png": lambda: faults.page_instead("image/png"),
    "json": faults.json_instead,
    "503": lambda: faults.status(503),
    "403": lambda: faults.status(403),
    "404": lambda: faults.status(404),
    "410": lambda: faults.status(410),
    "204": lambda: faults.status(204),
    "429 at once": lambda: faults.rate_limited("0"),
    "429 for long": lambda: faults.rate_limited("900"),
    "cut": lambda: faults.cut(2500),
    "cut without length": lambda: faults.cut(2500, framing="close"),
    "cut chunks": lambda: faults.cut(2500, framing="chunked"),
    "reset": faults.reset,
    "reset inside": lambda: faults.reset(2500),
    "too long": lambda: faults.wrong_length(-7),
    "too short": lambda: faults.wrong_length(7),
    "no length": faults.unframed,
    "chunks": lambda: faults.unframed("chunked"),
    "empty": faults.empty,
    "range ignored": faults.range_ignored,
    "wrong range": faults.wrong_range,
    "false range": faults.false_range,
}
CHANGES = ("add", "finish", "delete", "rewrite", "replace prompt", "an hour passes", "stop")
picks = st.integers(0, 1 << 16)


class Histories(stateful.RuleBasedStateMachine):
    """The adversary, and what must hold whatever it does."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="histories-"))
        self.clock = Clock()
        self.simulator = Simulator(seed=5, clock=self.clock).start()
        self.world = self.simulator.world
        self.ground = Ground(
            self.folder, self.simulator, self.clock, destinations=("disk", "attic"), concurrency=2
        )
        self.hashes: dict[tuple[str, str], dict[str, set[str]]] = {}
        self.appeared: dict[tuple[str, str], str] = {}
        self.fresh: set[str] = set()
        self.committed: dict[tuple[str, str], str] = {}
        self.is_attic_there = True
        self.has_lost_index = False
        FIGURES["examples"] += 1

    @stateful.initialize(require=st.sampled_from(["all", "any"]))
    def begin(self, require: str) -> None:
        """Give every provider some history."""
        self.ground.require = require
        for provider in PROVIDERS:
            for hours in (90, 40, 3):
                self._add(provider, hours, "completed")

    # What the adversary does between two runs, and during one.

    @stateful.rule(
        provider=st.sampled_from(PROVIDERS),
        hours=st.sampled_from([0, 0, 1, 60, 24 * 20, 24 * 40]),
        state=st.sampled_from(["completed", "completed", "processing", "queued", "failed"]),
    )
    def add(self, provider: str, hours: int, state: Any) -> None:
        """Make a generation, now or dated back."""
        self._add(provider, hours, state)

    @stateful.rule(pick=picks, change=st.sampled_from(CHANGES[1:5]))
    def change(self, pick: int, change: str) -> None:
        """Finish, delete, rewrite or rename one generation."""
        self._change(change, pick)

    @stateful.rule(pick=picks, outcome=st.sampled_from(["completed", "failed"]))
    def finish(self, pick: int, outcome: Any) -> None:
        """End a generation that is in progress."""
        self._finish(pick, outcome)

    @stateful.rule(
        provider=st.sampled_from(PROVIDERS),
        fault=st.sampled_from(sorted(API_FAULTS)),
        times=st.sampled_from([1, 1, 3, 5, None]),
        skip=st.integers(0, 3),
    )
    def break_api(self, provider: str, fault: str, times: int | None, skip: int) -> None:
        """Script what goes wrong with one API in the runs to come."""
        self.simulator.faults.add(API_FAULTS[fault](), host=provider, times=times, skip=skip)

    @stateful.rule(
        names=st.lists(st.sampled_from(sorted(MEDIA_FAULTS)), min_size=1, max_size=4),
        times=st.sampled_from([1, 1, 2, 5, None]),
        skip=st.integers(0, 5),
    )
    def break_media(self, names: list[str], times: int | None, skip: int) -> None:
        """Script what goes wrong with the media host: several faults meet one file in turn."""
        for name in names:
            self.simulator.faults.add(MEDIA_FAULTS[name](), host="media", times=times, skip=skip)

    @stateful.rule(
        host=st.sampled_from([*PROVIDERS, "media", "media"]),
        change=st.sampled_from(CHANGES),
        pick=picks,
        skip=st.integers(0, 4),
    )
    def change_meanwhile(self, host: str, change: str, pick: int, skip: int) -> None:
        """Script a change of history for the middle of a run."""
        path = "*" if host == "media" else SHAPES[host].path
        fault = faults.meanwhile(lambda: self._change(change, pick))
        self.simulator.faults.add(fault, host=host, path=path, skip=skip)

    @stateful.rule()
    def be_silent(self) -> None:
        """End all faults."""
        self.simulator.faults.clear()

    @stateful.rule(hours=st.sampled_from([0.1, 2, 30, 24 * 6, 24 * 25]))
    def let_time_pass(self, hours: float) -> None:
        """Move the clock: links expire, then media, and sweeps fall due."""
        self.clock.advance(timedelta(hours=hours))

    @stateful.precondition(lambda self: self.ground.state_dir.exists())
    @stateful.rule()
    def lose_index(self) -> None:
        """Take the state directory away: it is only a cache."""
        shutil.rmtree(self.ground.state_dir)
        self.has_lost_index = True

    @stateful.precondition(lambda self: self.is_attic_there)
    @stateful.rule()
    def lose_attic(self) -> None:
        """Take the second destination away, and put something in its place."""
        self.is_attic_there = False
        self._move("attic", "attic that is away")
        (self.folder / "attic").write_text("in the way")

    @stateful.precondition(lambda self: not self.is_attic_there)
    @stateful.rule()
    def bring_attic_back(self) -> None:
        """Bring the second destination back as it was."""
        self.is_attic_there = True
        (self.folder / "attic").unlink()
        self._move("attic that is away", "attic")

    @stateful.rule(fault_pick=picks, change=st.sampled_from(CHANGES), skip=st.integers(0, 6))
    def run_under_fire(self, fault_pick: int, change: str, skip: int) -> None:
        """Make a run with a media fault, an API fault and a change in its middle."""
        media, api = sorted(MEDIA_FAULTS), sorted(API_FAULTS)
        provider = PROVIDERS[fault_pick % len(PROVIDERS)]
        self.break_media([media[fault_pick % len(media)]], 2, skip)
        self.break_api(provider, api[fault_pick % len(api)], 1 + fault_pick % 5, skip)
        self.change_meanwhile("media", change, fault_pick, skip)
        self._run(sweep=False, retry=True)

    @stateful.rule(sweep=st.sampled_from([False, False, True]), retry=st.booleans())
    def run(self, sweep: bool, retry: bool) -> None:
        """Make a run, and check all that is visible after it."""
        self._run(sweep=sweep, retry=retry)

    def teardown(self) -> None:
        """End silent: one sweep, and the archive equals the world."""
        try:
            if self.hashes:
                self._run(sweep=False, retry=True)
            self.be_silent()
            if not self.is_attic_there:
                self.bring_attic_back()
            if self.hashes:
                self.clock.advance(timedelta(hours=2))  # a pause of 900 s is kept over restarts
                summary = self._run(sweep=True, retry=True)
                assert summary is not None, "nobody stopped it"
                assert summary.exit_code in (0, 3, 4), summary.problems
                self._check_archive_equals_world(summary)
        finally:
            FIGURES["faults met"] += sum(one.fault is not None for one in self.simulator.requests)
            self.simulator.stop()
            shutil.rmtree(self.folder)

    # How it does it.

    def _add(self, provider: str, hours: int, state: Any) -> None:
        item = self.world.add(
            provider,
            state=state,
            created_at=self.clock() - timedelta(hours=hours),
            recipe=SMALL,
        )
        self._remember(item)

    def _finish(self, pick: int, outcome: Any) -> None:
        waiting = [item for item in self._items() if item.state(self.clock()) != "completed"]
        waiting = [item for item in waiting if item.state(self.clock()) != "failed"]
        if waiting:
            item = waiting[pick % len(waiting)]
            self.world.finish(item.provider, item.id, outcome)

    def _change(self, change: str, pick: int) -> None:
        items = self._items()
        item = items[pick % len(items)] if items else None
        if change == "add":
            self._add(PROVIDERS[pick % len(PROVIDERS)], 0, "completed")
        elif change == "finish":
            self._finish(pick, "completed")
        elif change == "an hour passes":
            self.clock.advance(timedelta(hours=1, minutes=1))
        elif change == "stop":
            self.ground.stopping.set()
        elif item is not None and change == "delete":
            self.world.delete(item.provider, item.id)
        elif item is not None and change == "rewrite":
            self._remember(self.world.rewrite(item.provider, item.id))
        elif item is not None:
            self.world.change(item.provider, item.id, prompt=f"another prompt, {pick}")

    def _items(self) -> list[Item]:
        return [item for provider in PROVIDERS for item in self.world.page(provider, 0, 1000)]

    def _remember(self, item: Item) -> None:
        """Keep the hash of every version of every file that ever was."""
        by_role = self.hashes.setdefault((item.provider, item.id), {})
        for file in item.files:
            expected = self.simulator.expected_file(file).sha256
            by_role.setdefault(file.role, set()).add(expected)
            self.fresh.add(expected)

    def _move(self, source: str, target: str) -> None:
        if (self.folder / source).exists():
            (self.folder / source).rename(self.folder / target)
        else:
            (self.folder / target).mkdir()

    def _run(self, *, sweep: bool, retry: bool) -> RunSummary | None:
        FIGURES["runs"] += 1
        before = {one for key in self.hashes for one in self._hashes_of(*key)}
        self.fresh.clear()
        summary = None
        with suppress(Interrupted):  # "stop" was one of the changes
            summary = self.ground.run(sweep=sweep, retry=retry)
        self._check_what_is_visible(before)
        bugs = [line for line in summary.problems if "internal error" in line] if summary else []
        assert [] == bugs
        assert [] == self.simulator.requests.leaks()
        self.clock.advance(timedelta(minutes=1))
        return summary

    def _hashes_of(self, provider: str, item_id: str) -> set[str]:
        item = self.world.item(provider, item_id)
        found = item.files if item else ()
        return {self.simulator.expected_file(file).sha256 for file in found}

    # What must hold.

    def _check_what_is_visible(self, before: set[str]) -> None:
        """Nothing under a final name is wrong, and what is committed never changes."""
        for name in self.ground.destinations:
            root = self.folder / name
            if root.is_dir():
                self._check_files(name, root, before)
                self._check_sidecars(name, root)
        self._check_committed()
        self._check_moves()
        with self._index() as found:
            for known in found:
                self._check_index(known)

    def _check_moves(self) -> None:
        """No state ever changed but as the tables of the state machine allow."""
        tables = {"generations": GENERATIONS, "assets": ASSETS}
        with closing(sqlite3.connect(self.ground.state_dir / "index.sqlite")) as index:
            index.executescript(WATCH)
            moves = index.execute(
                "SELECT what, before, after, COUNT(*) FROM moves GROUP BY 1, 2, 3"
            )
            for what, before, after, many in moves:
                allowed = {None, *tables[what][before].values()} | {before}
                assert after in allowed, f"{what}: {before} became {after}"
                FIGURES["state changes checked"] += many
            index.execute("DELETE FROM moves")
            index.commit()

    def _check_files(self, name: str, root: Path, before: set[str]) -> None:
        """A file that is new has the bytes of this run, or those of another destination."""
        current = (
            before | self.fresh | {one for key in self.hashes for one in self._hashes_of(*key)}
        )
        for path in _visible(root):
            if path.suffix == ".json":
                continue
            FIGURES["files checked"] += 1
            sha256, place = sha256_of(path), (name, str(path))
            if self.appeared.get(place) != sha256:
                allowed = current | set(self.appeared.values())
                assert sha256 in allowed, f"{name}: {path} is no file that was there to be had"
                self.appeared[place] = sha256

    def _check_sidecars(self, name: str, root: Path) -> None:
        for path in _visible(root):
            if path.suffix != ".json":
                continue
            FIGURES["sidecars checked"] += 1
            document = json.loads(path.read_text(encoding="utf-8"))
            VALIDATOR.validate(document)
            identity = (document["provider"], document["id"])
            for media in document["media"]:
                stored = root / media["path"]
                assert stored.stat().st_size == media["size"]
                assert media["sha256"] in self.hashes[identity][media["role"]]
                key = (name, media["path"])
                if key not in self.committed:
                    self.committed[key] = media["sha256"]

    def _check_committed(self) -> None:
        for (name, path), sha256 in self.committed.items():
            if (self.folder / name).is_dir():
                assert sha256 == sha256_of(self.folder / name / path)

    def _check_index(self, known: Known) -> None:
        """What the index says is stored is stored; what it says is lost is gone."""
        for copy in self.copies[known.number]:
            root = self.folder / copy.receipt.destination
            if root.is_dir():
                assert copy.receipt.digest.sha256 == sha256_of(root / copy.receipt.key)
        if known.state is State.LOST:
            item = self.world.item(known.generation.provider, known.generation.id)
            expires_at = self.world.expires_at(item) if item else None
            is_gone = item is None or (expires_at is not None and expires_at <= self.clock())
            assert is_gone, f"{known.generation.id} is called lost: {known.reason}"
            assert known.reason
        if known.state is State.FAILED:
            assert known.reason
            assert self.is_due[known.number], "a failure is tried again"

    @contextmanager
    def _index(self) -> Iterator[list[Known]]:
        index = open_index(self.ground.state_dir)
        try:
            found = list(queries.find(index, Filters()))
            self.copies = {known.number: queries.copies(index, known.number) for known in found}
            rows = index.rows("SELECT number, next_try_at FROM generations")
            self.is_due = {row["number"]: row["next_try_at"] is not None for row in rows}
            yield found
        finally:
            index.close()

    def _check_archive_equals_world(self, summary: RunSummary) -> None:
        """Everything that is not expired is at every destination; the rest has its evidence."""
        with self._index() as found:
            known = {(one.generation.provider, one.generation.id): one for one in found}
            copies = self.copies
        for item in self._items():
            one = known[item.provider, item.id]
            state, expires_at = item.state(self.clock()), self.world.expires_at(item)
            is_expired = expires_at is not None and expires_at <= self.clock()
            if state in ("queued", "processing"):
                assert one.state is State.IN_PROGRESS
            elif state == "failed" or not is_expired:
                assert one.state is State.ARCHIVED, f"{one.state} {one.reason} {summary.problems}"
            else:
                assert one.state in (State.ARCHIVED, State.LOST), f"{one.state} {one.reason}"
            if one.state is State.ARCHIVED:
                self._check_kept(item, one, copies[one.number])
        for identity in self.hashes.keys() & known.keys():
            if self.world.item(*identity) is None:
                gone = known[identity]
                assert gone.state not in (State.PENDING, State.EXCLUDED)
                is_waiting = gone.state in (State.ARCHIVED, State.IN_PROGRESS)
                assert is_waiting or gone.reason

    def _check_kept(self, item: Item, known: Known, copies: Any) -> None:
        """Every file of the item, and a sidecar with its prompt, at every destination."""
        wanted = sum(file.role in KEPT_ROLES for file in item.files)
        kept = [asset for asset in known.assets if asset.media is not None]
        if item.state(self.clock()) == "completed" and len(kept) < wanted:
            raise AssertionError(f"{item.id} has {wanted} files, {len(kept)} are kept")
        for name in self.ground.destinations:
            held = {copy.asset_key for copy in copies if copy.receipt.destination == name}
            assert held >= {asset.asset.key for asset in kept}, f"{name} lacks a file of {item.id}"
            path = self.folder / name / f"{known.stem}.json"
            document = json.loads(path.read_text(encoding="utf-8"))
            if item.provider != "sync" and not self.has_lost_index:  # Sync has spoken texts only
                assert item.prompt == document["prompt"]


def _visible(root: Path) -> list[Path]:
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".archiver") for part in path.parts)
    ]


@pytest.mark.timeout(600)
def test_archive_equals_the_world_whatever_happened(
    media_maker: None, record_property: Callable[[str, object], None]
) -> None:
    """After any history of changes, faults and losses one quiet sweep ends equal to the model."""
    stateful.run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    record_property("histories", ", ".join(f"{count} {what}" for what, count in FIGURES.items()))
