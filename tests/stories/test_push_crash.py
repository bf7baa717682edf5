"""Kill -9 between any two steps of a push: the next run ends where it would have (promise 2)."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing

from archiver.simulator import Recipe, faults
from archiver.simulator.item import Item
from tests.stories.house import PATIENCE_SECONDS, House, media_tree, sidecars, tree, until

PLAIN = Recipe().plain(size_bytes=4096)


def start_ingest(house: House, item: Item, *options: str) -> subprocess.Popen[bytes]:
    """Start to ingest the detail of an item."""
    path = house.folder / "body.json"
    path.write_text(json.dumps(house.simulator.body(item, "detail")), encoding="utf-8")
    return house.start("ingest", *options, str(path))


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill -9, and wait for its end."""
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)


def kept(house: House) -> set[str]:
    """The ids of all that has a sidecar."""
    return {document["id"] for document in sidecars(house.disk)} if house.disk.exists() else set()


def test_killed_after_the_provider_took_it(house: House) -> None:
    """Between the request and its answer nothing is known here: the next run lists it."""
    house.simulator.faults.add(faults.unanswered(30), host="geminigen", method="POST")
    before = {item.id for item in house.simulator.world.items("geminigen")}
    process = house.start("generate", "--model", "imagen-4", "--prompt", "a heron")
    until(lambda: house.simulator.world.count("geminigen") > len(before))
    kill(process)
    [made] = {item.id for item in house.simulator.world.items("geminigen")} - before

    until(lambda: house.run("--account", "studio").exit_code == 0 and made in kept(house))

    assert len(before) + 1 == house.simulator.world.count("geminigen")


def test_killed_while_it_is_made(house: House) -> None:
    """It is in the index as in progress; the next run asks for it by id."""
    house.simulator.switches.geminigen_making_seconds = 1.0
    process = house.start("generate", "--model", "imagen-4", "--prompt", "a heron")
    asked = "/uapi/v1/history/"
    until(lambda: any(one.path.startswith(asked) for one in house.simulator.requests))
    kill(process)
    [known] = [one["id"] for one in house.archiver("ls", "--json").lines]

    until(lambda: house.run("--account", "studio").exit_code == 0 and known in kept(house))


def test_killed_after_it_was_taken(house: House) -> None:
    """Recorded and not captured: the next run captures it."""
    item = house.simulator.world.add("oxen", recipe=PLAIN)
    process = start_ingest(house, item, "--later")
    process.communicate(timeout=PATIENCE_SECONDS)
    assert 0 == process.returncode

    summary = house.run("--account", "farm")

    assert 0 == summary.exit_code
    assert item.id in kept(house)


def test_killed_while_its_file_comes(house: House) -> None:
    """Nothing half is visible, and the next run fetches it anew."""
    item = house.simulator.world.add("oxen", recipe=PLAIN)
    trickling = house.simulator.faults.add(faults.trickle(500), host="*", path="*/result.*")
    process = start_ingest(house, item)
    until(lambda: trickling.fired)
    kill(process)
    assert {} == media_tree(house.disk)
    assert set() == kept(house)

    summary = house.run("--account", "farm")

    assert 0 == summary.exit_code, summary.out
    assert item.id in kept(house)


def test_killed_between_sidecar_and_row(house: House) -> None:
    """What was committed is taken over: other bytes that came meanwhile do not replace it."""
    house.run("--account", "box")  # an index and a marker
    item = house.simulator.world.add("oxen", recipe=PLAIN)
    slow = house.simulator.faults.add(faults.slow(1.0), host="*", path="*/result.*")
    process = start_ingest(house, item)
    until(lambda: slow.fired)
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index:
        index.isolation_level = None
        index.execute("BEGIN IMMEDIATE")  # its row cannot be written
        until(lambda: item.id in kept(house))
        kill(process)
        index.execute("ROLLBACK")
    before = tree(house.disk)
    [row] = [one for one in house.archiver("ls", "--json").lines if one["id"] == item.id]
    house.simulator.world.rewrite("oxen", item.id)
    house.simulator.requests.clear()

    summary = house.run("--account", "farm")

    fetched = [one.path for one in house.simulator.requests if item.id in one.path]
    assert "pending" == row["state"]
    assert 0 == summary.exit_code, summary.out
    assert [] == fetched
    assert before == {name: digest for name, digest in tree(house.disk).items() if name in before}
    assert "archived" == house.archiver("show", item.id, "--json").document["state"]
