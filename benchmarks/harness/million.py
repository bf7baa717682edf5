"""Makes an index, or a disk full of sidecars, of a history of any length within a minute or so.

One generation is captured by the project itself; its rows are copied in SQL, with the ids that
the simulator gives to the others. So the index is what `rebuild` would make: no fingerprints, as
those come with the first listing.

    python -m benchmarks.harness.million STATE_DIR --count 1000000
    python -m benchmarks.harness.million STATE_DIR --count 1000000 --sidecars DISK
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.simulator.invention import Dice, Place, public_id
from archiver.simulator.repertoire import PROMPTS

PROVIDER = "neuralbox"
HISTORY = 3
"""NeuralBox is the fourth of the simulator's histories."""
SEED = 1
SPAN = timedelta(days=1000)
RARE_EVERY = 50_000
"""So many generations have one between them whose prompt holds the rare word."""
WORDS = ("amber", "basalt", "cinder", "dune", "ember", "fjord", "grove", "harbour", "inlet", "jade")

_FULL_TEXT_TRIGGERS = (
    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%generations_fts%'"
)

Row = dict[str, object]


def id_of(ordinal: int) -> str:
    """Return the id that the simulator gives to one of its generations."""
    return public_id(PROVIDER, Place(SEED, PROVIDER, "", HISTORY, ordinal).key)


def prompt_of(ordinal: int) -> str:
    """Invent a prompt: all differ, some words are in a tenth of them, one in a few of them."""
    dice = Dice(f"prompt {ordinal}")
    rare = " with a quokka" if ordinal % RARE_EVERY == 7 else ""
    return f"{dice.pick(PROMPTS)}, {dice.pick(WORDS)} and {dice.pick(WORDS)}{rare}, take {ordinal}"


def main() -> int:
    """Multiply the one generation of an index, or its sidecar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--sidecars", type=Path)
    parser.add_argument("--media", action="store_true", help="link the media beside them, too")
    options = parser.parse_args()
    if options.sidecars is not None:
        _multiply_sidecar(options.sidecars, options.count, with_media=options.media)
    if options.state.exists():
        with closing(sqlite3.connect(options.state / "index.sqlite", isolation_level=None)) as db:
            _multiply_rows(db, options.count)
    return 0


def _multiply_rows(db: sqlite3.Connection, count: int) -> None:
    """Copy the rows of the one generation; ordinal 0 is the one that is there."""
    db.row_factory = sqlite3.Row
    db.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000"
    )
    [first] = (dict(row) for row in db.execute("SELECT * FROM generations"))
    db.execute("UPDATE generations SET fingerprint = NULL")
    triggers = [(str(row["name"]), str(row["sql"])) for row in db.execute(_FULL_TEXT_TRIGGERS)]
    for name, _ in triggers:  # the full text is made in one go, which is many times faster
        db.execute(f"DROP TRIGGER [{name}]")
    for table in ("generations", "assets", "copies"):
        rows = [dict(row) for row in db.execute(f"SELECT * FROM {table}")]  # noqa: S608
        names = ", ".join(rows[0])
        marks = ", ".join(f":{name}" for name in rows[0])
        db.execute("BEGIN")
        db.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608
            _copies(rows, first, count),
        )
        db.execute("COMMIT")
    db.execute("INSERT INTO generations_fts (generations_fts) VALUES ('rebuild')")
    for _, text in triggers:
        db.execute(text)
    db.execute("UPDATE accounts SET provider_total = ?, usual_total = ?", [count, count])
    db.execute("PRAGMA journal_mode = WAL")


def _copies(rows: list[Row], first: Row, count: int) -> Iterator[Row]:
    """Copy rows for every other ordinal: its id stands wherever the first one's did."""
    first_id, first_number = str(first["id"]), int(str(first["number"]))
    named = [
        (row, {name: text for name, text in row.items() if first_id in str(text)}) for row in rows
    ]
    now = datetime.now(UTC) - timedelta(days=4)
    for ordinal in range(1, count):
        new_id = id_of(ordinal)
        for row, texts in named:
            new = row | {name: str(text).replace(first_id, new_id) for name, text in texts.items()}
            if "stem" in row:
                made_at = now - SPAN / count * (count - ordinal)
                new |= _facts(ordinal, made_at)
            new["number" if "stem" in row else "generation"] = first_number + ordinal
            yield new


def _facts(ordinal: int, made_at: datetime) -> Row:
    moment = made_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"prompt": prompt_of(ordinal), "created_at": moment, "fingerprint": None}


def _multiply_sidecar(disk: Path, count: int, *, with_media: bool) -> None:
    """Copy the one sidecar of a local archive, a thousand a folder; media are linked, not copied.

    The files of one generation have the same name but for its id.
    """
    [path] = (one for one in disk.rglob("*.json") if ".archiver" not in one.parts)
    sidecar: Mapping[str, object] = json.loads(path.read_text(encoding="utf-8"))
    text, first_id, folder = path.read_text(encoding="utf-8"), str(sidecar["id"]), path.parent
    stem = path.relative_to(disk).with_suffix("").as_posix()
    media = [one for one in folder.glob(f"{first_id}*") if one.suffix != ".json"]
    prompt = json.dumps(sidecar["prompt"], ensure_ascii=False)
    for ordinal in range(1, count):
        name = id_of(ordinal)
        place = folder if with_media else folder.parent / f"{ordinal // 1000:04}"
        if not with_media and ordinal % 1000 in (0, 1):
            place.mkdir(exist_ok=True)
        new_stem = (place / name).relative_to(disk).as_posix()
        told = text.replace(stem, new_stem).replace(first_id, name)
        if not with_media:  # else the index says how large each is
            told = told.replace(prompt, json.dumps(prompt_of(ordinal), ensure_ascii=False))
        (place / f"{name}.json").write_text(told, encoding="utf-8")
        for one in media if with_media else ():
            (place / one.name.replace(first_id, name)).hardlink_to(one)


if __name__ == "__main__":
    sys.exit(main())
