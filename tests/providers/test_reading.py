"""What a service made itself and somebody hands in: read, recognised, and never trusted blindly."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model import Generation, Status
from archiver.providers import PROVIDERS
from archiver.providers.base import Progress, Told
from archiver.providers.fields import RowInvalid
from archiver.providers.inlets import Hook
from archiver.providers.recognising import recognise
from archiver.simulator import Simulator
from archiver.simulator.item import State

from .fakes import FakeApi, open_provider

RECORDINGS = Path(__file__).parent / "recordings"
HINTS = ("geminigen/webhook_event", "geminigen/webhook_event_name", "neuralbox/webhook_announced")
SHAPES = [
    *(("geminigen", shape) for shape in ("event", "event_name", "answer", "detail", "row")),
    *(("sync", shape) for shape in ("webhook", "detail")),
    *(("oxen", shape) for shape in ("detail", "row", "queue")),
    *(("neuralbox", shape) for shape in ("event", "detail", "row")),
]


def bodies() -> dict[str, dict[str, Any]]:
    """Load every recorded answer that is about one generation, by provider and name."""
    found = {}
    for path in sorted(RECORDINGS.glob("*/*.json")):
        beside = path.with_suffix(".expected.json")
        if beside.exists() and json.loads(beside.read_text(encoding="utf-8"))["call"] != "pages":
            name = f"{path.parent.name}/{path.stem}"
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    return found


BODIES = bodies()
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**400, "x" * 1000, "\ud800", "2026-99-99", "https://[", "NaN", -(2**63)]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def read(provider: str, body: Mapping[str, object]) -> Told:
    """Have a provider read a body; it has nobody to ask."""

    def nobody(path: str, parameters: object) -> object:
        raise AssertionError(f"reading a body asked for {path}")

    return open_provider(provider, FakeApi(nobody)).read(body)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List every place of a document: each member of each object and list in it."""
    members = value.items() if isinstance(value, dict) else ()
    for name, inner in [*members, *(enumerate(value) if isinstance(value, list) else ())]:
        yield (*path, name)
        yield from places(inner, (*path, name))


def put(body: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """Copy a document with another value at one place."""
    changed: Any = copy.deepcopy(body)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return dict(changed)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_recognised_by_its_shape(name: str) -> None:
    """Whoever hands a body in need not say where it is from: one provider has its shape."""
    assert (name.partition("/")[0],) == recognise(BODIES[name])


@pytest.mark.parametrize("name", BODIES)
def test_a_record_is_read_as_a_listing_would_give_it(name: str) -> None:
    """What is in the body is taken as it is; a webhook that tells only of an event is a hint."""
    told = read(name.partition("/")[0], BODIES[name])

    if name in HINTS:
        assert told.generation is None
    else:
        assert isinstance(told.generation, Generation)
        assert (told.id, ["list"]) == (told.generation.id, list(told.generation.raw))


@pytest.mark.parametrize(("provider", "shape"), SHAPES)
@pytest.mark.parametrize("state", ["completed", "processing", "failed"])
def test_every_shape_of_a_service_is_recognised_and_read(
    provider: str, shape: str, state: State
) -> None:
    """Done, half done or failed: the body says of which generation it is and how that stands."""
    with Simulator(seed=3) as simulator:
        item = simulator.world.add(provider, state=state)
        body = simulator.body(item, shape)

    told = read(provider, body)

    assert (provider,) == recognise(body)
    assert str(body.get("id", "")) in ("", told.id) or provider == "geminigen"
    if shape in ("event", "event_name"):
        assert told.generation is None
    else:
        expected = {
            "completed": Status.COMPLETED,
            "processing": Status.IN_PROGRESS,
            "failed": Status.FAILED,
        }
        assert told.generation is not None
        assert expected[state] is told.generation.status


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("geminigen", {"uuid": "u", "status": 2, "generate_result": ""}),
        ("oxen", {"generation_id": "g", "status": "succeeded", "result_url": None}),
        ("sync", {"id": "s", "status": "COMPLETED"}),
        ("neuralbox", {"id": "n", "status": "completed"}),
    ],
)
def test_a_finished_generation_without_a_file_is_a_hint(
    provider: str, body: Mapping[str, object]
) -> None:
    """To take it for the whole would close a generation whose files were never seen."""
    assert Told(id=next(iter(body.values())), generation=None) == read(provider, body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("provider", "body", "says"),
    [
        ("geminigen", {}, "uuid is missing"),
        ("geminigen", {"uuid": [1]}, "uuid is list, not text"),
        ("geminigen", {"event": "x", "data": 5}, "data is int, not an object"),
        ("geminigen", {"event": "x", "data": {"uuid": {}}}, "data.uuid is dict, not text"),
        ("geminigen", {"uuid": "u", "status": "soon"}, "status is str, not a whole number"),
        (
            "geminigen",
            {"data": {"uuid": "u", "created_at": "now"}},
            "created_at is str, not a time",
        ),
        ("oxen", {"generation": [1]}, "generation is list, not an object"),
        ("oxen", {"generation": {"generation_id": None}}, "generation_id is missing"),
        ("oxen", {"generation_id": "g", "enqueued_at": "x"}, "enqueued_at is str, not a time"),
        ("sync", {"id": "../"}, None),
        ("sync", {"id": ".."}, "id can be no id"),
        ("sync", {"id": "s", "input": "x"}, "input is str, not a list of objects"),
        ("sync", {"id": "s", "createdAt": True}, "createdAt is True, not a time"),
        ("neuralbox", {"id": 1, "created_at": []}, "created_at is list, not a time"),
        ("neuralbox", {"event": "x", "generation_id": "\n"}, "generation_id can be no id"),
    ],
)
def test_a_malformed_body_is_named_by_its_field(
    provider: str, body: Mapping[str, object], says: str | None
) -> None:
    """Whoever sent it can find the mistake."""
    if says is None:
        assert "../" == read(provider, body).id
        return
    with pytest.raises(RowInvalid) as caught:
        read(provider, body)
    assert says == str(caught.value)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_body_that_is_nested_without_end_is_malformed(provider: str) -> None:
    """A depth that no service writes ends in the same error as any other malformed body."""
    deep: object = "x"
    for _ in range(50_000):
        deep = [deep]
    body = {"uuid": "u", "generation_id": "g", "id": "i", "extra": deep, "input_image": deep}

    with pytest.raises(RowInvalid, match="nested too deeply"):
        read(provider, body)
    assert isinstance(recognise(body), tuple)


@pytest.mark.parametrize("name", BODIES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_at_any_place_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """A hostile body gives a generation, a hint or RowInvalid: never another error."""
    provider, body = name.partition("/")[0], BODIES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        body = put(
            body, data.draw(st.sampled_from(sorted(places(body), key=repr))), data.draw(JSON)
        )
    module = import_module(PROVIDERS[provider])

    recognise(body)
    try:
        told = read(provider, body)
        assert told.id
        opened = open_provider(provider, FakeApi(lambda path, given: None))
        if told.generation is not None:
            assert isinstance(opened.progress(told.generation), Progress)
    except RowInvalid as error:
        assert str(error)
    try:
        assert isinstance(module.hook_of(body), Hook)
    except RowInvalid as error:
        assert str(error)


@given(body=st.dictionaries(st.text(max_size=8), JSON, max_size=6))
def test_any_object_is_recognised_or_not(body: dict[str, object]) -> None:
    """Telling a shape never fails, and names only providers that there are."""
    assert set(recognise(body)) <= set(PROVIDERS)


@pytest.mark.parametrize(
    ("provider", "record", "expected"),
    [
        ("geminigen", {"status_percentage": 45}, Progress(percent=45)),
        ("geminigen", {"status_percentage": "45.9"}, Progress(percent=45)),
        ("geminigen", {"status_percentage": 101}, Progress()),
        ("geminigen", {"status_percentage": True}, Progress()),
        ("neuralbox", {"progress": 45, "eta_seconds": 32}, Progress(percent=45, eta_seconds=32.0)),
        ("neuralbox", {"progress": [], "eta_seconds": -1}, Progress()),
        ("neuralbox", {"progress": "NaN", "eta_seconds": 10**400}, Progress()),
        ("oxen", {"status": "processing"}, Progress()),
        ("sync", {"status": "PROCESSING"}, Progress()),
    ],
)
def test_progress_is_the_providers_own_word(
    provider: str, record: Mapping[str, object], expected: Progress
) -> None:
    """What a service says of it is told; what is senseless says nothing."""
    body = {"uuid": "u", "id": "i", "generation_id": "g", **record}
    opened = open_provider(provider, FakeApi(lambda path, given: body))
    generation = opened.read(body).generation
    assert generation is not None

    assert expected == opened.progress(generation)
