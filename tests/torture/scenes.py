"""The situations in which the crash matrix lets calls fail, and what must be true after each.

A scene builds a state once; each point of the matrix gets a fresh copy of it, one run with a
fault and one plain run. `Scene.check_visible` holds at every moment, `Scene.observe` must in
the end be what it is after an uninterrupted run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archiver.keys import TEMPORARY_PREFIX
from archiver.simulator import Recipe, Simulator
from archiver.storage.base import Destination
from archiver.storage.local import destination as local
from archiver.storage.s3 import destination as s3
from tests.servers import make_s3_client
from tests.torture.calls import CALLS, FIRED, Call, Plan

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
BUCKET_KEY, BUCKET_SECRET = "testkey", "testsecret"
PART_BYTES = 5 * 1024**2
LARGE_BYTES = PART_BYTES + 300_000
SMALL = Recipe(failed_share=0.0, in_progress=0, outputs=1, size_bytes=(8192, 12_000))
OLD_LEFTOVER = f"{TEMPORARY_PREFIX}1-00112233445566aa"
_TIMES = ("archived_at", "fetched_at", "at")

Files = Mapping[str, bytes]


class Launcher:
    """The process that starts the command lines that die (tests/torture/launcher.py)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.torture.launcher"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, order: Mapping[str, object]) -> int:
        """Run one command line to its end; returns its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command line ended, what it said, and whether its fault was met."""

    code: int
    said: str
    has_fired: bool


@dataclass(slots=True)
class House:
    """One archive on its own: a folder, and a bucket when the scene has one."""

    scene: Scene
    folder: Path
    bucket: str | None

    def run(self, plan: Plan | None = None) -> Ran:
        """Run `archiver run --retry-now` in a process, which a plan may let fail or die."""
        for name in (FIRED, CALLS):
            (self.folder / name).unlink(missing_ok=True)
        places = [self.folder / name for name in ("state", "disk", "mirror")]
        order = {
            "folder": str(self.folder),
            "roots": [str(place) for place in places],
            "arguments": ["-q", "-c", str(self.folder / "config.toml"), "run", "--retry-now"],
            "plan": None if plan is None else asdict(plan),
        }
        code = self.scene.launcher.start(order)
        said = (self.folder / "said").read_text(encoding="utf-8")
        return Ran(code=code, said=said, has_fired=(self.folder / FIRED).exists())

    def calls(self) -> list[Call]:
        """The calls of the last run that had no plan."""
        lines = (self.folder / CALLS).read_text(encoding="utf-8").splitlines()
        return [Call(**json.loads(line)) for line in lines]

    def write_config(self) -> None:
        """Write the config of this house."""
        simulator = self.scene.simulator
        parts = ['[archive]\nstate_dir = "state"', "[transfer]\nconcurrency = 1"]
        parts.append("allow_private_hosts = true")
        parts += [f"[destinations.{name}]\n{self._options(name)}" for name in self.scene.places]
        parts.append(
            f'[accounts.studio]\nprovider = "geminigen"\nrequests_per_minute = 0\n'
            f'base_url = "{simulator.base_url("geminigen")}"\n'
            f'cdn_base_url = "{simulator.base_url("media")}/geminigen/"\n'
            f'api_key = "{simulator.api_key("geminigen")}"'
        )
        (self.folder / "config.toml").write_text("\n".join(parts) + "\n", encoding="utf-8")

    def _options(self, name: str) -> str:
        if name != "vault":
            return f'type = "local"\npath = "{name}"'
        return (
            f'type = "s3"\nbucket = "{self.bucket}"\nprefix = "generations/"\n'
            f'endpoint_url = "{self.scene.store_url}"\nregion = "us-east-1"\n'
            f'access_key = "{BUCKET_KEY}"\nsecret_key = "{BUCKET_SECRET}"\n'
            f"part_size = {PART_BYTES}"
        )

    def destination(self, name: str) -> Destination:
        """Open one destination as the product does, in this process."""
        if name != "vault":
            path = self.folder / name
            return local.open_destination(name, local.Options(type="local", path=path))
        options = s3.Options.model_validate(
            {
                "type": "s3",
                "bucket": self.bucket,
                "prefix": "generations/",
                "endpoint_url": self.scene.store_url,
                "region": "us-east-1",
                "access_key": BUCKET_KEY,
                "secret_key": BUCKET_SECRET,
            }
        )
        return s3.open_destination(name, options)

    def files(self, name: str) -> Files:
        """Everything visible at a destination, read past the product; not the marker."""
        if name == "vault":
            assert self.bucket is not None
            return dict(_objects(self.scene.client, self.bucket))
        place = self.folder / name
        return {
            str(path.relative_to(place)): path.read_bytes()
            for path in place.rglob("*")
            if path.is_file()
            and not path.name.startswith(TEMPORARY_PREFIX)
            and path.parent.name != ".archiver"
        }

    def leftovers(self) -> list[str]:
        """Temporary files and unfinished uploads that are there now."""
        found = [str(path) for path in self.folder.rglob(f"{TEMPORARY_PREFIX}*")]
        if self.bucket is not None:
            answer = self.scene.client.list_multipart_uploads(Bucket=self.bucket)
            found += [upload["Key"] for upload in answer.get("Uploads", ())]
        return found

    def clean(self) -> None:
        """Let every destination clean up, however young its leftovers are."""
        for name in self.scene.places:
            destination = self.destination(name)
            destination.clean(0)
            destination.close()

    @contextmanager
    def index(self) -> Iterator[sqlite3.Connection | None]:
        """Open a copy of the index as it lies there, as the next run will find it."""
        if not (self.folder / "state" / "index.sqlite").exists():
            yield None
            return
        copy = self.folder / "index-copy"
        shutil.copytree(self.folder / "state", copy)
        connection = sqlite3.connect(copy / "index.sqlite")
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()
            shutil.rmtree(copy)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Query the index; a table that is not made yet has no rows."""
        with self.index() as connection:
            if connection is None:
                return []
            is_made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'")
            if is_made.fetchone() is None:
                return []
            return [dict(row) for row in connection.execute(sql)]


@dataclass(slots=True)
class Scene:
    """One situation: its destinations, its history, and its houses."""

    name: str
    places: tuple[str, ...]
    folder: Path
    launcher: Launcher
    simulator: Simulator
    store_url: str
    client: S3Client
    template: House | None = None
    media: Files = field(default_factory=dict)
    expected: Mapping[str, object] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    _count: int = 0

    @property
    def is_main(self) -> bool:
        """Whether all index calls of this scene are swept; in the others they are the same."""
        return self.name in ("two_disks", "lost_index")

    def make_reference(self) -> None:
        """Make an uninterrupted run: what it sees and calls is what the others are held to."""
        house = self.fresh()
        ran = house.run()
        assert 0 == ran.code, ran.said
        self.expected, self.calls = self.observe(house), house.calls()
        self.media = {
            key: body
            for name in self.places
            for key, body in house.files(name).items()
            if not key.endswith(".json")
        }
        self.remove(house)

    def fresh(self) -> House:
        """Make a copy of the state that this scene begins with."""
        self._count += 1
        bucket = f"{self.name.replace('_', '-')}-{self._count}" if "vault" in self.places else None
        if bucket is not None:
            self.client.create_bucket(Bucket=bucket)
        house = House(self, self.folder / str(self._count), bucket)
        if self.template is None:
            house.folder.mkdir(parents=True)
        else:
            shutil.copytree(self.template.folder, house.folder)
            self._copy_objects(house)
        house.write_config()
        if (house.folder / "disk").exists():
            (house.folder / "disk" / OLD_LEFTOVER).write_bytes(b"half a file")
        return house

    def _copy_objects(self, house: House) -> None:
        if self.template is None or self.template.bucket is None or house.bucket is None:
            return
        for name, body in _objects(self.client, self.template.bucket, with_marker=True):
            self.client.put_object(Bucket=house.bucket, Key=f"generations/{name}", Body=body)

    def remove(self, house: House) -> None:
        """Throw a house away."""
        shutil.rmtree(house.folder)
        if house.bucket is not None:
            found = self.client.list_objects_v2(Bucket=house.bucket).get("Contents", ())
            for one in found:
                self.client.delete_object(Bucket=house.bucket, Key=one["Key"])
            self.client.delete_bucket(Bucket=house.bucket)

    def observe(self, house: House) -> dict[str, object]:
        """All that two runs must agree on: files, sidecars but for their times, the index."""
        seen: dict[str, object] = {}
        for name in self.places:
            files = house.files(name)
            seen[name] = {
                key: _timeless(json.loads(body)) if key.endswith(".json") else _sha256(body)
                for key, body in sorted(files.items())
            }
        seen["generations"] = house.rows(
            "SELECT account, id, kind, status, state, reason, prompt, stem, next_try_at,"
            " archived_at IS NULL AS is_new FROM generations ORDER BY account, id"
        )
        seen["assets"] = house.rows(  # a sidecar does not tell the kind of what is missing
            "SELECT g.id, a.key, a.role, a.state,"
            " CASE a.state WHEN 'archived' THEN a.kind END AS kind,"
            " a.path, a.sha256, a.size_bytes,"
            " a.media_type, a.reason FROM assets a JOIN generations g ON g.number = a.generation"
            " ORDER BY g.id, a.key"
        )
        seen["copies"] = house.rows(
            "SELECT g.id, c.key, c.destination, c.path, c.size_bytes,"
            " CASE c.key WHEN '' THEN '' ELSE c.sha256 END AS sha256"
            " FROM copies c JOIN generations g ON g.number = c.generation"
            " ORDER BY g.id, c.key, c.destination"
        )
        return seen

    def check_visible(self, house: House, *, is_final: bool = False) -> None:
        """Assert that nothing false is visible, at whatever moment the run has ended.

        A sidecar may be newer than its receipt: it is written before the index.
        """
        places = {name: house.files(name) for name in self.places}
        for name, files in places.items():
            for key, body in files.items():
                if key.endswith(".json"):
                    _check_sidecar(name, json.loads(body), files)
                else:
                    assert self.media.get(key) == body, f"{name}: {key} is wrong"
        self._check_index(house, places, is_final)

    def _check_index(self, house: House, places: Mapping[str, Files], is_final: bool) -> None:
        for copy in house.rows("SELECT * FROM copies"):
            body = places[copy["destination"]].get(copy["path"])
            assert body is not None, f"the index says stored of {copy['path']}"
            is_right = (copy["size_bytes"], copy["sha256"]) == (len(body), _sha256(body))
            assert is_right or (copy["key"] == "" and not is_final), f"not {copy['path']}"
        for row in house.rows("SELECT stem FROM generations WHERE state = 'archived'"):
            for name in self.places:
                assert f"{row['stem']}.json" in places[name], f"archived without {name}"


def _check_sidecar(name: str, document: Mapping[str, Any], files: Files) -> None:
    for media in document["media"]:
        body = files.get(media["path"])
        assert body is not None, f"{name}: a sidecar names {media['path']}, which is not there"
        assert (media["size"], media["sha256"]) == (len(body), _sha256(body)), media["path"]


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key not in _TIMES}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _objects(
    client: S3Client, bucket: str, *, with_marker: bool = False
) -> Iterator[tuple[str, bytes]]:
    for found in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
        key = found["Key"].removeprefix("generations/")
        if with_marker or not key.startswith(".archiver/"):
            yield key, client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()


SCENES = {
    "two_disks": ("disk", "mirror"),
    "disk_and_bucket": ("disk", "vault"),
    "late_mirror": ("disk", "mirror"),
    "late_bucket": ("disk", "vault"),
    "lost_index": ("disk", "mirror"),
    "lost_index_bucket": ("disk", "vault"),
}


@contextmanager
def open_scene(name: str, folder: Path, launcher: Launcher, store_url: str) -> Iterator[Scene]:
    """Set a scene up: a history of three generations, and the state that its houses begin with."""
    client = make_s3_client(store_url, BUCKET_KEY, BUCKET_SECRET)
    places = SCENES[name]
    try:
        now = datetime.now(UTC)  # the provider's clock stands: its links are always the same
        with Simulator(seed=5, clock=lambda: now) as simulator:
            _tell_history(simulator, large="vault" in places)
            scene = Scene(name, places, folder, launcher, simulator, store_url, client)
            if name.startswith(("late", "lost")):
                scene.template = _make_template(scene)
            yield scene
    finally:
        client.close()


def _tell_history(simulator: Simulator, *, large: bool) -> None:
    """Make two images with thumbnails (or one video that goes up in parts) and a failed one."""
    world = simulator.world
    world.add("geminigen", kind="image", recipe=SMALL)
    world.add("geminigen", state="failed", kind="image", recipe=SMALL)
    item = world.add("geminigen", kind="image", recipe=SMALL)
    if large:
        files = [one.resized(LARGE_BYTES) if one.role == "output" else one for one in item.files]
        world.change("geminigen", item.id, files=tuple(files))


def _make_template(scene: Scene) -> House:
    """Archive everything, with one place down; or lose the index afterwards."""
    house = scene.fresh()
    is_late = scene.name.startswith("late")
    if is_late and house.bucket is not None:
        scene.client.delete_bucket(Bucket=house.bucket)
    elif is_late:
        (house.folder / "mirror").write_bytes(b"in the way")
    ran = house.run()
    assert (3 if is_late else 0) == ran.code, ran.said
    if is_late and house.bucket is not None:
        scene.client.create_bucket(Bucket=house.bucket)
    elif is_late:
        (house.folder / "mirror").unlink()
    else:
        shutil.rmtree(house.folder / "state")
    return house
