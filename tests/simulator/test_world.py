"""The world keeps its histories straight while tests change them."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from archiver.simulator import PROVIDERS, Item, Recipe, World
from archiver.simulator.item import Outcome
from tests.simulator.visitor import STARTED_AT, MovingClock

PLAIN = Recipe().plain(size_bytes=10_000)


@pytest.fixture
def world(clock: MovingClock) -> World:
    """Return an empty world with a clock that stands."""
    return World(seed=3, clock=clock)


def test_same_seed_same_world(clock: MovingClock) -> None:
    """Two worlds of one seed hold the same items, and another seed holds others."""
    worlds = [World(seed, clock) for seed in (3, 3, 4)]
    for each in worlds:
        each.populate_all(30)
    first, same, other = ([list(each.items(name)) for name in PROVIDERS] for each in worlds)
    assert first == same
    assert first != other


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_history_is_believable(world: World, provider: str) -> None:
    """A populated history is newest first and has what a real one has."""
    world.populate(provider, 200)
    items = list(world.items(provider))
    assert [item.created_at for item in items] == sorted(
        (item.created_at for item in items), reverse=True
    )
    assert len({item.id for item in items}) == len({item.number for item in items}) == 200
    states = [item.state(STARTED_AT) for item in items]
    assert states.count("processing") + states.count("queued") == 2
    assert 1 <= states.count("failed") <= 40
    assert any(not item.prompt.isascii() for item in items)
    paths = [file.path for item in items for file in item.files]
    assert len(paths) == len(set(paths)) > 100


def test_all_roles_occur(world: World) -> None:
    """The histories together hold every role and items of several outputs."""
    world.populate_all(200)
    items = [item for name in PROVIDERS for item in world.items(name)]
    roles = {file.role for item in items for file in item.files}
    inputs = {"reference", "reference_thumbnail", "mask"}
    assert roles == {"output", "thumbnail", "last_frame", "segment", "speech", *inputs}
    assert max(len(item.files_of("output")) for item in items) == 4
    assert any(item.text for item in items)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_ids_and_paths_lead_back(world: World, provider: str) -> None:
    """An item is found by its id, and a file by its path; neither by anything else."""
    world.populate(provider, 20)
    for item in world.items(provider):
        assert world.item(provider, item.id) == item
        for file in item.files:
            assert world.find_file(file.path) == (item, file)
            assert world.find_file(file.path + "x") is None
    assert world.item(provider, "gen_" + "0" * 32) is None
    assert world.item(provider, "../../etc/passwd") is None
    assert world.find_file("/") is None


def test_time_finishes_items(world: World, clock: MovingClock) -> None:
    """What is in progress ends by itself when its time has come."""
    world.populate("oxen", 10)
    newest = world.page("oxen", 0, 1)[0]
    assert newest.state(clock()) in ("queued", "processing")
    assert newest.progress_percent(clock()) < 100
    clock.move(minutes=10)
    assert newest.state(clock()) in ("completed", "failed")
    assert newest.progress_percent(clock()) == 100


@pytest.mark.parametrize("state", ["queued", "processing"])
def test_a_held_item_ends_by_finish(world: World, clock: MovingClock, state: str) -> None:
    """An item that is added unfinished stays so until a test finishes it."""
    item = world.add("sync", state="queued" if state == "queued" else "processing")
    clock.move(days=300)
    assert state == item.state(clock())
    assert world.finish("sync", item.id, "failed").state(clock()) == "failed"


def test_an_item_can_be_timed(world: World, clock: MovingClock) -> None:
    """An item that is added with its making time ends after it."""
    item = world.add("sync", state="processing", finishes_in=timedelta(seconds=30))
    assert item.state(clock()) == "processing"
    clock.move(seconds=30)
    assert item.state(clock()) == "completed"


def test_changes_are_seen(world: World) -> None:
    """Changing, rewriting and deleting an item shows in every way to reach it."""
    world.populate("geminigen", 10)
    items = list(world.items("geminigen"))
    changed = world.change("geminigen", items[5].id, prompt="other")
    assert changed == world.page("geminigen", 5, 6)[0] == world.item("geminigen", items[5].id)
    rewritten = world.rewrite("geminigen", items[6].id)
    assert all(file.version == 1 for file in rewritten.files)
    world.delete("geminigen", items[5].id)
    assert world.item("geminigen", items[5].id) is None
    assert all(world.find_file(file.path) is None for file in items[5].files)
    assert [item.id for item in world.items("geminigen")] == [
        item.id for item in items if item is not items[5]
    ]
    with pytest.raises(KeyError, match="no item"):
        world.delete("geminigen", items[5].id)


def test_a_late_addition_stands_where_its_time_is(world: World, clock: MovingClock) -> None:
    """An item with an older creation time appears in the middle of the history."""
    world.populate("sync", 10)
    late = world.add("sync", created_at=clock() - timedelta(days=10))
    items = list(world.items("sync"))
    assert 0 < items.index(late) < 10
    assert items == sorted(items, key=lambda item: item.created_at, reverse=True)
    assert items[items.index(late) + 1] == world.page("sync", world.position_after(late), 11)[0]


def test_the_past_is_populated_first(world: World, clock: MovingClock) -> None:
    """Populating a stretch that is older than what is there is refused."""
    world.populate("sync", 10)
    with pytest.raises(ValueError, match="older part"):
        world.populate("sync", 10)
    clock.move(days=30)
    world.populate("sync", 10)
    assert world.count("sync") == 20


@pytest.mark.parametrize("order", ["newest", "oldest", "shuffled"])
@pytest.mark.parametrize("count", [0, 1, 7, 368, 1000])
def test_every_order_lists_each_item_once(world: World, order: str, count: int) -> None:
    """Pages of any order cover the history without gap or repetition."""
    world.populate("oxen", count, PLAIN)
    listed: list[Item] = []
    for start in range(0, count + 10, 10):
        listed += world.page("oxen", start, start + 10, order=order)  # type: ignore[arg-type]
    assert len(listed) == len({item.id for item in listed}) == count


def test_namespaces_are_apart(world: World) -> None:
    """Two namespaces hold different items, and an id finds its own."""
    world.populate("oxen", 5, namespace="team")
    own = world.add("oxen")
    team = list(world.items("oxen", "team"))
    assert world.count("oxen") == 1
    assert world.item("oxen", team[0].id) == team[0]
    assert own.id not in {item.id for item in team}


def test_own_ids_and_fields(world: World) -> None:
    """An added item may have any id, size and field."""
    item = world.add("geminigen", id="../evil", kind="image", size_bytes=50_000, prompt="p")
    assert world.item("geminigen", "../evil") == item
    assert [file.size_bytes for file in item.files_of("output")] == [50_000]
    assert world.find_file(item.files[0].path) == (item, item.files[0])


def test_retention_decides_expiry(world: World, clock: MovingClock) -> None:
    """Expiry is creation plus the provider's retention, unless the item has its own."""
    item = world.add("neuralbox")
    assert world.expires_at(item) == clock() + timedelta(days=90)
    world.retention["neuralbox"] = None
    assert world.expires_at(item) is None
    assert world.expires_at(replace(item, expires_at=clock())) == clock()


def test_costs_add_up(world: World) -> None:
    """The total cost is that of all items, after every kind of change."""
    world.populate("oxen", 100)
    ids = [item.id for item in world.items("oxen")]
    assert world.total_cost_cents("oxen") > 0
    world.add("oxen")
    world.delete("oxen", ids[3])
    world.change("oxen", ids[4], cost_cents=1000)
    expected = sum(item.cost_cents for item in world.items("oxen"))
    assert expected == world.total_cost_cents("oxen")


def test_a_million_items_are_eight_megabytes(world: World) -> None:
    """A long history is a row of ordinals; its items are invented when they are asked for."""
    world.populate("geminigen", 1_000_000, PLAIN)
    history = world._history("geminigen", "")
    assert sys.getsizeof(history._ordinals) < 10_000_000
    last = world.page("geminigen", 999_999, 1_000_001)
    assert len(last) == 1
    assert world.item("geminigen", last[0].id) == last[0]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("outcome", ["failed", "rejected", "cancelled"])
def test_a_bad_end_has_a_reason(
    world: World, clock: MovingClock, provider: str, outcome: Outcome
) -> None:
    """However an item came to end badly, it has a message; a test's own message wins."""
    held = world.add(provider, state="processing")
    added = world.add(provider, state=outcome)
    timed = world.add(provider, state="processing", finishes_in=timedelta(1), outcome=outcome)
    clock.move(days=1)
    ended = [world.finish(provider, held.id, outcome), added, timed]
    assert {(item.state(clock()), bool(item.error_message)) for item in ended} == {(outcome, True)}
    assert all(item.has_failed(clock()) for item in ended)
    assert (added.files, timed.files) == ((), ())
    own = world.finish(provider, held.id, outcome, error_message="mine")
    assert own.error_message == "mine"
    assert not world.finish(provider, held.id).error_message
