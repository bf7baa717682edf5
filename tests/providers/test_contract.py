"""The promises of the provider port, kept by every provider alike."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.errors import AnswerInvalid, GenerationNotFound
from archiver.model import BadRow, Generation, Link, Page
from archiver.providers import PROVIDERS
from archiver.providers.base import Provider

from .fakes import SERVICES, FakeApi, Record, Service, missing, open_provider

SECRET = "5ec7e7"
SIGNED = f"X-Amz-Date=20260701T100000Z&X-Amz-Signature={SECRET}"

pytestmark = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda found: found.name)


def opened(service: Service, rows: list[Any], page_size: int | None = None) -> Provider:
    """Open the provider over a service that holds these rows."""
    return open_provider(service.name, FakeApi(service.answer(rows, page_size)))


def ids(pages: Iterable[Page]) -> list[str | None]:
    """List what pages hold, in order."""
    return [row.id for page in pages for row in page.rows]


def parsed(service: Service, row: Record) -> Generation:
    """Have one row read as a listing of it."""
    (found,) = next(opened(service, [row]).pages()).rows
    assert isinstance(found, Generation)
    return found


def id_of(service: Service, row: Mapping[str, object]) -> str:
    """Tell how the provider must call this row."""
    return str(row[service.id_name])


def all_but_ids(value: Any, service: Service, replacement: object) -> Any:
    """Replace every value of a record but its id."""
    return {name: item if name == service.id_name else replacement for name, item in value.items()}


def test_every_service_has_a_fake(service: Service) -> None:
    """A provider in the table cannot be left out of this suite."""
    assert set(PROVIDERS) == set(SERVICES)


@pytest.mark.parametrize("page_size", [None, 1, 3])
def test_a_walk_lists_everything_once(service: Service, page_size: int | None) -> None:
    """A whole walk gives each row once and in order, also where a server caps the page size."""
    rows = service.rows(7)

    pages = list(opened(service, rows, page_size).pages())

    assert [id_of(service, row) for row in rows] == ids(pages)


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 99, 100, 101, 250])
def test_a_walk_is_whole_at_every_length(service: Service, count: int) -> None:
    """No length of a history, and no full last page, loses or repeats a row."""
    rows = service.rows(count)

    assert [id_of(service, row) for row in rows] == ids(opened(service, rows).pages())


def test_an_empty_history_is_one_empty_page(service: Service) -> None:
    """A caller sees that the listing was answered, and was empty."""
    (page,) = opened(service, []).pages()

    assert page.rows == ()
    assert page.next_cursor is None


def test_every_cursor_goes_on_where_its_page_ended(service: Service) -> None:
    """Cut after any page and resumed by its cursor, a walk loses and repeats nothing."""
    rows = service.rows(10)
    provider = opened(service, rows, 3)
    whole = list(provider.pages())

    for number, page in enumerate(whole, start=1):
        rest = provider.pages(page.next_cursor) if page.next_cursor else ()
        assert ids(whole) == ids([*whole[:number], *rest])


def test_a_walk_ends_against_a_server_that_repeats_its_page(service: Service) -> None:
    """A server that ignores cursors and page numbers is left after what it has."""
    rows = service.rows(service.page_size)
    page = service.envelope(rows, 10**6, {"page": 1, "_size": service.page_size})
    provider = open_provider(service.name, FakeApi(lambda path, given: page))

    pages = list(itertools.islice(provider.pages(), 10))

    assert [id_of(service, row) for row in rows] == ids(pages)


def test_a_walk_ends_against_a_server_that_repeats_nameless_rows(service: Service) -> None:
    """Rows without ids do not keep a walk alive, though their signatures change each time."""
    turn = itertools.count()

    def answer(path: str, parameters: Mapping[str, str | int]) -> object:
        rows: list[Record] = [{"url": f"https://media.example.com/a?X-Amz-Signature={next(turn)}"}]
        rows *= service.page_size
        return service.envelope(rows, 10**6, {"page": 1, "_size": service.page_size})

    pages = list(itertools.islice(open_provider(service.name, FakeApi(answer)).pages(), 10))

    assert len(pages) == 1


def test_a_listing_that_is_not_there_is_no_empty_history(service: Service) -> None:
    """A 404 on the first page says that the API moved, never that there is nothing."""

    def answer(path: str, parameters: Mapping[str, str | int]) -> object:
        raise missing(path)

    with pytest.raises(AnswerInvalid, match="base_url"):
        next(open_provider(service.name, FakeApi(answer)).pages())


@pytest.mark.parametrize("answer", [None, "none", 7, {}, {"error": "x"}, {"items": None}])
def test_an_answer_without_a_list_names_the_provider(service: Service, answer: object) -> None:
    """A wrong envelope is an error that says whose and what came instead."""
    provider = open_provider(service.name, FakeApi(lambda path, given: answer))

    with pytest.raises(AnswerInvalid, match=service.name):
        next(provider.pages())


def test_a_malformed_row_comes_as_a_bad_row_in_its_place(service: Service) -> None:
    """One bad row stops no other: it stands where it stood, with its id and the reason."""
    good = service.rows(2)
    wrong = all_but_ids(good[0], service, {"what": ["is", "this"]})
    rows: list[Any] = [good[0], None, [], wrong, {}, good[1]]
    answer = service.envelope(rows, len(rows), {"page": 1, "_size": 100})
    provider = open_provider(service.name, FakeApi(lambda path, given: answer))

    found = next(provider.pages()).rows

    kinds = [isinstance(row, BadRow) for row in found]
    assert kinds == [False, True, True, kinds[3], True, False]
    assert id_of(service, wrong) == found[3].id
    assert all(row.reason for row in found if isinstance(row, BadRow))


def test_unknown_fields_are_harmless(service: Service) -> None:
    """What a service adds to its records is kept verbatim and changes no asset."""
    row = service.make_row(1, SIGNED)
    extra: Record = {"brand_new": {"deep": [1, None, "x"]}, "flag": True}

    plain, extended = parsed(service, row), parsed(service, {**row, **extra})

    assert plain.assets == extended.assets
    assert extra.items() <= dict(extended.raw["list"]).items()  # type: ignore[call-overload]


@pytest.mark.parametrize("nothing", [None, ""])
def test_every_optional_field_may_be_null(service: Service, nothing: object) -> None:
    """A record of nothing but an id and nulls is a generation, not an error."""
    row = all_but_ids(service.make_row(1, SIGNED), service, nothing)

    found = parsed(service, row)

    assert (id_of(service, row), (), None) == (found.id, found.assets, found.created_at)


def test_each_optional_field_may_be_null_alone(service: Service) -> None:
    """No single null stops the rest of a record from being read."""
    row = service.make_row(1, SIGNED)

    for name in row.keys() - {service.id_name}:
        assert id_of(service, row) == parsed(service, {**row, name: None}).id


def test_detail_gives_the_listed_generation_whole(service: Service) -> None:
    """Detail keeps the identity, and both records under their names."""
    row = service.make_row(1, SIGNED)
    provider = opened(service, [row])
    (listed,) = next(provider.pages()).rows
    assert isinstance(listed, Generation)

    found = provider.detail(listed.id, listed.raw["list"])  # type: ignore[arg-type]

    assert listed.id == found.id
    assert listed.assets == found.assets
    assert listed.prompt == found.prompt
    assert {"list": listed.raw["list"], "detail": listed.raw["list"]} == found.raw


def test_detail_of_an_unknown_id_is_not_found(service: Service) -> None:
    """Only the provider's own 404 says that a generation is gone."""
    provider = opened(service, [])

    with pytest.raises(GenerationNotFound):
        provider.detail("no-such-id")
    with pytest.raises(GenerationNotFound):
        provider.refresh("no-such-id")


def test_a_detail_of_another_generation_is_refused(service: Service) -> None:
    """An answer about some other id is never taken for the one that was asked for."""
    row = service.make_row(1, SIGNED)
    provider = open_provider(service.name, FakeApi(lambda path, given: service.wrap(row)))

    with pytest.raises(AnswerInvalid, match="asked for"):
        provider.detail("another-id")


@pytest.mark.parametrize("answer", [None, [], "text", 3, {}, {"generation": None}])
def test_a_detail_without_a_record_is_invalid(service: Service, answer: object) -> None:
    """Whatever a detail answers with, it is a generation or an error of the provider."""
    provider = open_provider(service.name, FakeApi(lambda path, given: answer))

    with pytest.raises(AnswerInvalid, match=service.name):
        provider.detail("some-id")


@pytest.mark.parametrize("generation_id", ["a/b", "..%2f", "a?b=c", "a#b", "ä ö"])
def test_an_id_stays_one_segment_of_the_path(service: Service, generation_id: str) -> None:
    """No id can lead to another endpoint of the API."""
    row = {**service.make_row(1, SIGNED), service.id_name: generation_id}
    api = FakeApi(lambda path, given: service.wrap(row))

    assert generation_id == open_provider(service.name, api).detail(generation_id).id
    (path, _given) = api.asked[0]
    assert path.count("/") == service.detail_path.count("/")
    assert not set(path) & set("?# ")


def test_keys_do_not_change_with_the_signatures(service: Service) -> None:
    """Each reading signs its addresses anew; keys, roles and order stay."""
    first = parsed(service, service.make_row(1, SIGNED))
    second = parsed(service, service.make_row(1, "X-Amz-Signature=another&Expires=9"))

    assert [asset.key for asset in first.assets] == [asset.key for asset in second.assets]
    assert first.assets
    assert first.assets != second.assets


def test_keys_do_not_change_with_the_host(service: Service) -> None:
    """A service that moves its media keeps the names of its files."""
    row = service.make_row(1, SIGNED)
    moved = json.loads(json.dumps(row).replace(".example.com", ".example.net"))

    keys = [asset.key for asset in parsed(service, row).assets]

    assert keys == [asset.key for asset in parsed(service, moved).assets]
    assert len(keys) == len(set(keys))


def test_no_signature_is_kept_or_shown(service: Service) -> None:
    """Signed queries stand in the sources of assets and nowhere else."""
    provider = opened(service, [service.make_row(1, SIGNED)])
    found = parsed(service, service.make_row(1, SIGNED))
    detail = provider.detail(found.id, found.raw["list"])  # type: ignore[arg-type]

    for generation in (found, detail):
        assert SECRET not in repr(generation)
        assert SECRET not in json.dumps([generation.raw, generation.parameters])
        links = [item for asset in generation.assets for item in asset.sources]
        assert any(isinstance(item, Link) and SECRET in item.url for item in links)


def test_only_the_api_itself_is_sent_the_key(service: Service) -> None:
    """A link asks for credentials only on the scheme, host and port of the API."""
    for number in (1, 2):
        for asset in parsed(service, service.make_row(number, SIGNED)).assets:
            for source in asset.sources:
                assert isinstance(source, Link)
                if source.with_credentials:
                    assert source.url.startswith("https://hub.oxen.ai/")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ADDRESSES = st.sampled_from(
    [
        f"https://media.example.com/a.png?{SIGNED}",
        "http://[::1",
        "https://h:99999999/x",
        "https://user:pw@h/",
        "//h/x",
        "/rooted.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "https://media.example.com/\x00\ud800",
        "A" * 5000,
    ]
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_any_row_is_a_generation_or_a_bad_row(service: Service, data: st.DataObject) -> None:
    """No JSON value in place of a row, or of any field of one, raises anything."""
    row = service.make_row(1, SIGNED)
    names = sorted({*row, "error", "url", "thumbnails", "generated_video", "output", "segments"})
    changes = data.draw(st.dictionaries(st.sampled_from(names), JSON | ADDRESSES, max_size=4))
    item = data.draw(st.dictionaries(st.sampled_from(["uuid", "url", "base64_data"]), ADDRESSES))
    listed: Record = {**row, **{name: [item] for name in changes}}
    rows: list[Any] = [{**row, **changes}, listed, data.draw(JSON)]
    answer = service.envelope(rows, 3, {"page": 1, "_size": 100})
    provider = open_provider(service.name, FakeApi(lambda path, given: answer))

    page = next(provider.pages())

    assert len(rows) == len(page.rows)
    assert all(isinstance(found, Generation | BadRow) for found in page.rows)
    for found in page.rows:
        if isinstance(found, Generation):
            keys = [asset.key for asset in found.assets]
            assert len(keys) == len(set(keys))
            assert SECRET not in repr(found)


def test_a_row_nested_beyond_reason_is_a_bad_row(service: Service) -> None:
    """Nesting that Python cannot walk stops one row, not the page."""
    deep: object = None
    for _ in range(5000):
        deep = [deep]
    rows = [{**service.make_row(1, SIGNED), "deep": deep}]
    answer = service.envelope(rows, 1, {"page": 1, "_size": 100})
    api = FakeApi(lambda path, given: None)
    api.get_json = lambda path, parameters=None: answer  # type: ignore[method-assign]

    (found,) = next(open_provider(service.name, api).pages()).rows

    assert isinstance(found, BadRow)
    assert id_of(service, rows[0]) == found.id
