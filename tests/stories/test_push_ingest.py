"""What a script was answered, or a webhook brought, is safe at once (`archiver ingest`)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from archiver.actions.archive import utc_now
from archiver.index import counters, hints, opened_index
from archiver.simulator import SHAPES, Recipe, faults
from archiver.simulator.item import Item
from archiver.wiring.archive import run_lock
from tests.stories.house import (
    ACCOUNTS,
    PATIENCE_SECONDS,
    House,
    Result,
    id_of,
    media_tree,
    sidecars,
    tree,
    until,
)

EVERY_SHAPE = [(provider, shape) for provider, shapes in SHAPES.items() for shape in shapes]
NAMES = {provider: name for name, provider in ACCOUNTS.items()}
PLAIN = Recipe().plain(size_bytes=4096)


def ingest(house: House, text: str, *options: str) -> Result:
    """Ingest a text, with a result a line."""
    path = house.folder / "bodies.json"
    path.write_text(text, encoding="utf-8")
    return house.archiver("-q", "ingest", "--json", *options, path)


def bodies(house: House, items: Sequence[Item], shape: str) -> str:
    """A body a line."""
    return "\n".join(json.dumps(house.simulator.body(item, shape)) for item in items)


def hints_of(house: House) -> list[tuple[str, str]]:
    """What is left for the daemon."""
    with opened_index(house.folder / "state") as index:
        found = hints.waiting(index, utc_now() + timedelta(days=1), 100, ACCOUNTS)
    return [(one.account, one.generation_id) for one in found]


def expected(house: House, item: Item) -> list[str]:
    """The SHA-256 of the files of an item that are kept."""
    kept = (file for file in item.files if file.role not in ("reference", "mask"))
    return sorted(house.simulator.expected_file(file).sha256 for file in kept)


@pytest.mark.parametrize(("provider", "shape"), EVERY_SHAPE)
def test_every_shape_of_every_provider_leads_to_all_its_files(
    house: House, provider: str, shape: str
) -> None:
    """A body is recognised, its generation archived with a sidecar, and the second one is known."""
    item = house.simulator.world.add(provider)
    text = json.dumps(house.simulator.body(item, shape), indent=2)

    [told] = ingest(house, text).lines
    house.simulator.requests.clear()
    again = ingest(house, text)

    assert (NAMES[provider], provider, id_of(provider, item)) == (
        told["account"],
        told["provider"],
        told["id"],
    )
    assert ("archived", "completed", True, None) == (
        told["state"],
        told["status"],
        told["new"],
        told["error"],
    )
    assert expected(house, item) == sorted(media_tree(house.disk).values())
    assert sorted(str(house.disk / path) for path in tree(house.disk)) == sorted(
        told["paths"]["disk"]
    )
    assert (0, False) == (again.exit_code, again.lines[0]["new"])
    assert 0 == house.simulator.requests.count("media")


@pytest.mark.parametrize(("provider", "shape"), EVERY_SHAPE)
def test_what_is_still_made_is_tracked_and_archived_by_a_run_after_it_ended(
    house: House, provider: str, shape: str
) -> None:
    """Nothing failed, so the exit code is 0; the run asks for it by id."""
    world = house.simulator.world
    item = world.add(provider, state="processing")

    result = ingest(house, bodies(house, [item], shape))
    world.finish(provider, item.id)
    summary = house.run("--account", NAMES[provider]).document

    assert 0 == result.exit_code, result.out
    assert "in_progress" == result.lines[0]["state"]
    found = {document["id"]: document for document in sidecars(house.disk)}
    assert "completed" == found[id_of(provider, item)]["status"]
    assert 0 == summary["exit_code"]


@pytest.mark.parametrize(("provider", "shape"), EVERY_SHAPE)
def test_what_failed_is_recorded_with_its_prompt(house: House, provider: str, shape: str) -> None:
    """It gets its sidecar at once; what a lean body leaves out is added by the next run."""
    item = house.simulator.world.add(provider, state="failed", prompt="a lost cause")

    [told] = ingest(house, bodies(house, [item], shape)).lines
    [document] = sidecars(house.disk)
    if document["prompt"] is None:
        house.run("--account", NAMES[provider])
        [document] = [one for one in sidecars(house.disk) if one["id"] == document["id"]]

    assert ("archived", "failed") == (told["state"], told["status"])
    assert "failed" == document["status"]
    assert "a lost cause" == document["prompt"]


def test_later_means_the_next_run(house: House) -> None:
    """It is known at once, and nothing is fetched before the run."""
    item = house.simulator.world.add("sync")

    result = ingest(house, bodies(house, [item], "webhook"), "--later")

    assert (0, "pending") == (result.exit_code, result.lines[0]["state"])
    assert 0 == house.simulator.requests.count("media")
    assert 0 == house.run("--account", "lips").exit_code
    assert set(expected(house, item)) <= set(media_tree(house.disk).values())


def test_malformed_bodies_are_named_by_line_and_field_and_stop_no_other(house: House) -> None:
    """Exit code 3, one line out for each, and all that can be read is archived."""
    items = [house.simulator.world.add("oxen", recipe=PLAIN) for _ in range(3)]
    good = bodies(house, items, "detail").splitlines()
    no_id = json.loads(good[0])
    no_id["generation"]["generation_id"] = None
    text = "\n".join(
        [good[0], "not json", json.dumps(no_id), good[1], '{"cut": 1', '{"x": 1}', "[]", good[2]]
    )

    result = ingest(house, text)

    assert 3 == result.exit_code
    assert [1, 2, 3, 4, 5, 6, 8] == [told["line"] for told in result.lines]
    wrong = {told["line"]: told["error"] for told in result.lines if told["error"]}
    assert {2, 3, 5, 6} == set(wrong)
    assert "generation_id" in wrong[3]
    assert "is not recognised" in wrong[6]
    assert 3 == len(media_tree(house.disk))


def test_hostile_bodies_end_in_errors_and_leave_nothing(house: House) -> None:
    """Ids that lead elsewhere, half characters, wrong types and huge numbers stop nothing."""
    house.simulator.world.add("sync")
    body = {"createdAt": "2026-01-01T00:00:00Z", "input": [], "status": "COMPLETED"}
    hostile: list[dict[str, object]] = [
        {**body, "id": "../../../etc/passwd"},
        {**body, "id": "a\u0000b"},
        {**body, "id": "\ud800"},
        {**body, "id": {"a": 1}},
        {**body, "id": "x" * 100_000},
        {**body, "id": True, "outputUrl": ["nothing"]},
        {**body, "id": "one", "createdAt": 10**40},
        {**body, "id": "two", "outputUrl": "file:///etc/passwd"},
        {**body, "id": "three", "outputUrl": "http://[::1"},
        {**body, "id": "four", "status": {"a": []}},
    ]

    result = ingest(house, "\n".join(map(json.dumps, hostile)), "--account", "lips")

    assert 3 == result.exit_code, result.err
    assert len(hostile) == len(result.lines)
    assert not any("internal error" in (told["error"] or "") for told in result.lines), result.out
    assert {} == media_tree(house.disk)
    assert not (house.folder / "etc").exists()


def test_links_of_a_body_are_guarded_like_all_others(house: House) -> None:
    """A body cannot make archiver fetch from a private network."""
    item = house.simulator.world.add("oxen")
    path = house.folder / "body.json"
    path.write_text(bodies(house, [item], "detail"), encoding="utf-8")
    house.write_config()
    config = house.config_path.read_text(encoding="utf-8")
    house.config_path.write_text(config.replace("allow_private_hosts = true", ""))

    result = house.bare("-c", house.config_path, "ingest", "--json", path)

    assert (3, "failed") == (result.exit_code, result.lines[0]["state"])
    assert 0 == house.simulator.requests.count("media")


def test_account_is_told_where_the_shape_does_not_tell_it(house: House) -> None:
    """Two accounts at one provider; a body of another provider than the account's is refused."""
    house.extra = (
        f'[accounts.second]\nprovider = "sync"\nbase_url = "{house.simulator.base_url("sync")}"\n'
        f'api_key = "{house.simulator.api_key("sync")}"\n'
    )
    text = bodies(house, [house.simulator.world.add("sync")], "webhook")

    unclear, foreign = ingest(house, text), ingest(house, text, "--account", "studio")
    clear = ingest(house, text, "--account", "second")

    assert "may be of lips or second: say which with --account" == unclear.lines[0]["error"]
    assert "looks like sync, and studio is an account at geminigen" == foreign.lines[0]["error"]
    assert (0, "second") == (clear.exit_code, clear.lines[0]["account"])
    assert 2 == ingest(house, text, "--account", "nobody").exit_code


def test_the_same_body_many_times_is_captured_once(house: House) -> None:
    """Services repeat themselves; several captures at a time must not meet over one."""
    items = [house.simulator.world.add("geminigen", recipe=PLAIN) for _ in range(8)]

    result = ingest(house, "\n".join([bodies(house, items, "event")] * 6))

    assert 0 == result.exit_code, result.out
    assert 48 == len(result.lines)
    assert 8 == sum(told["new"] for told in result.lines)
    assert {"archived"} == {told["state"] for told in result.lines}
    fetched = sum(record.host == "media" for record in house.simulator.requests)
    assert len(media_tree(house.disk)) == fetched


def test_old_body_takes_nothing_back(house: House) -> None:
    """The answer of the first moment, taken after the generation ended, changes nothing."""
    world = house.simulator.world
    item = world.add("geminigen", state="processing")
    early = bodies(house, [item], "answer")
    world.finish("geminigen", item.id)
    ingest(house, bodies(house, [item], "detail"))
    before = tree(house.disk)

    [told] = ingest(house, early).lines

    assert ("archived", False) == (told["state"], told["new"])
    assert before == tree(house.disk)


def test_refused_key_is_not_tried_again_for_each_body(house: House) -> None:
    """Exit code 12 says what to do, and the host is spared."""
    house.keys["studio"] = "wrong"
    items = [house.simulator.world.add("geminigen") for _ in range(60)]

    result = ingest(house, bodies(house, items, "event"))

    assert 12 == result.exit_code
    assert 60 == len(result.lines)
    assert house.simulator.requests.count("geminigen") < 40


def test_hint_that_cannot_be_asked_for_now_is_left_for_the_daemon(house: House) -> None:
    """Its API is down: exit code 3, and what is left is heeded as soon as it can be."""
    house.run("--account", "box")
    item = house.simulator.world.add("geminigen", recipe=PLAIN)
    house.simulator.faults.add(faults.status(503), host="geminigen", times=None)

    result = ingest(house, bodies(house, [item], "event"))
    left = hints_of(house)
    house.simulator.faults.clear()
    house.extra = '[daemon]\nlisten = ""\n'
    process = house.start("daemon")
    until(lambda: not hints_of(house))
    process.terminate()
    process.communicate(timeout=PATIENCE_SECONDS)

    [told] = result.lines
    assert (3, None) == (result.exit_code, told["state"])
    assert told["error"].endswith("left for the daemon; a run finds it by listing")
    assert [("studio", item.id)] == left
    assert "archived" == house.archiver("show", item.id, "--json").document["state"]


@pytest.mark.parametrize("name", ["refused key", "no such id"])
def test_hint_is_left_while_there_is_hope(house: House, name: str) -> None:
    """A key can be mended; what the provider does not know is not asked for again."""
    item = house.simulator.world.add("geminigen")
    text = bodies(house, [item], "event")
    if name == "refused key":
        house.keys["studio"] = "wrong"
    else:
        house.simulator.world.delete("geminigen", item.id)

    result = ingest(house, text)

    expected_code, many = (12, 1) if name == "refused key" else (3, 0)
    assert (expected_code, many) == (result.exit_code, len(hints_of(house)))


def test_body_comes_through_a_pipe(house: House) -> None:
    """`curl … | archiver ingest -`, with one line for a person."""
    item = house.simulator.world.add("neuralbox")
    house.write_config()

    done = subprocess.run(
        [sys.executable, "-m", "archiver", "-c", str(house.config_path), "ingest", "-"],
        input=bodies(house, [item], "detail").encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert done.stdout.decode().startswith(f"1: box/{item.number}: archived, new, ")


def test_empty_input_is_a_failure(house: House) -> None:
    """A pipe whose other end failed must not look like success."""
    assert 1 == ingest(house, "\n").exit_code


def test_dead_destination_keeps_no_body_from_being_recorded(house: House) -> None:
    """The archive's disk is away: each body is in the index, and the next run archives it."""
    house.run()
    house.disk.rename(house.folder / "elsewhere")
    items = [house.simulator.world.add("oxen", recipe=PLAIN) for _ in range(3)]

    result = ingest(house, bodies(house, items, "detail"))
    (house.folder / "elsewhere").rename(house.disk)

    assert 10 == result.exit_code, result.out
    assert {"pending"} == {told["state"] for told in result.lines}
    assert all(told["new"] and told["error"] for told in result.lines)
    assert 0 == house.run().exit_code
    kept = {document["id"] for document in sidecars(house.disk)}
    assert {item.id for item in items} <= kept


def test_run_that_is_at_work_is_waited_for(house: House) -> None:
    """It is recorded with a hint; when time is up the exit code is 3, and the run goes on."""
    item = house.simulator.world.add("sync")
    text = bodies(house, [item], "webhook")

    with run_lock(house.folder / "state", wait=False):
        waiting = ingest(house, text, "--timeout", "1s")
    after = ingest(house, text)

    assert (3, "pending") == (waiting.exit_code, waiting.lines[0]["state"])
    assert "another run is at work" in waiting.lines[0]["error"]
    assert (0, "archived") == (after.exit_code, after.lines[0]["state"])


def test_walk_stops_early_although_bodies_came_between(house: House) -> None:
    """What was pushed is no growth that came out of sight: the next poll reads one page."""
    world = house.simulator.world
    for _ in range(120):
        world.add("geminigen", recipe=PLAIN)
    for item in world.items("geminigen"):
        if item.state(world.clock()) == "processing":
            world.finish("geminigen", item.id)
    house.extra = '[schedule]\nlook_back = "0s"\n'
    house.run("--account", "studio")
    ingest(house, bodies(house, [world.add("geminigen", recipe=PLAIN)], "event"))
    house.simulator.requests.clear()

    summary = house.run("--account", "studio").document["accounts"]["studio"]

    assert (0, 0, False) == (summary["exit_code"], summary["new"], summary["is_sweep"])
    assert 1 == house.simulator.requests.count_path("/uapi/v1/histories")


def test_several_bodies_are_captured_at_a_time(house: House) -> None:
    """Their files are fetched side by side: here none is sent before four were asked for."""
    together = threading.Barrier(4, timeout=20)
    fault = faults.Fault(name="together", before=together.wait)
    scripted = house.simulator.faults.add(fault, host="media", times=4)
    items = [house.simulator.world.add("oxen", recipe=PLAIN) for _ in range(4)]

    result = ingest(house, bodies(house, items, "row"))

    assert (0, 4) == (result.exit_code, scripted.fired)
    assert not together.broken
    with opened_index(house.folder / "state") as index:
        counted = counters.load(index)
    asked = sum("/result." in record.path for record in house.simulator.requests)
    assert asked == counted[counters.Counter(counters.MEDIA_REQUESTS, "")], "each of them once"
