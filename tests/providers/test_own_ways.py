"""What only one provider does: its errors, its options, its ways to a fresh link."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta

import pytest
from pydantic import ValidationError

from archiver.errors import (
    AnswerInvalid,
    CredentialsRejected,
    GenerationNotFound,
    ProviderUnavailable,
    RateLimited,
)
from archiver.model import BadRow, Embedded, Generation, Kind, Role, Status
from archiver.providers import PROVIDERS

from .fakes import SERVICES, FakeApi, connection_of, missing, open_provider

KEY_CODES = ["API_KEY_REQUIRED", "API_KEY_NOT_FOUND", "USER_NOT_FOUND"]


def geminigen_detail(**record: object) -> Generation:
    """Have GeminiGen read one detail record."""
    row = {"uuid": "u", "status": 2, "type": "image_generation", **record}
    return open_provider("geminigen", FakeApi(lambda path, given: row)).detail("u")


@pytest.mark.parametrize("code", KEY_CODES)
@pytest.mark.parametrize(
    "shape",
    [
        lambda code: {"detail": {"error_code": code, "error_message": "no"}},
        lambda code: {"detail": {"code": code, "message": "no"}},
        lambda code: {"detail": code},
        lambda code: {"error_code": code, "error_message": "no"},
        lambda code: {"detail": None, "message": code},
    ],
)
def test_geminigen_refuses_a_key_with_any_status(code: str, shape: object) -> None:
    """A wrong key is answered with 404: it must not look like a generation that is gone."""
    assert callable(shape)
    error = connection_of("geminigen").refusal(404, shape(code))

    assert isinstance(error, CredentialsRejected)
    assert code in str(error)


@pytest.mark.parametrize("body", [None, {}, [], "x", {"detail": "Not Found"}, {"detail": {}}])
def test_geminigen_leaves_other_errors_to_their_status(body: object) -> None:
    """Without a known code the HTTP status speaks."""
    assert connection_of("geminigen").refusal(404, body) is None


def test_geminigen_says_when_to_come_back() -> None:
    """Its own rate codes are transient, whatever status carries them."""
    error = connection_of("geminigen").refusal(400, {"detail": {"code": "GEMINI_RATE_LIMIT"}})

    assert isinstance(error, RateLimited)
    assert error.retry_after_seconds == 20


@pytest.mark.parametrize("status", [3, -2, 4, "3", 99, -1.0])
def test_geminigen_takes_any_other_status_as_failed(status: object) -> None:
    """What is neither in progress nor completed has ended badly, below zero too."""
    assert Status.FAILED is geminigen_detail(status=status).status


def test_geminigen_embeds_what_has_no_address() -> None:
    """An image that is only in the answer is an asset of its bytes."""
    data = base64.b64encode(b"\x89PNG").decode()

    (asset,) = geminigen_detail(generated_image=[{"uuid": "a", "base64_data": data}]).assets

    assert (Embedded(data=b"\x89PNG"),) == asset.sources


def test_geminigen_refuses_embedded_data_that_is_all_and_broken() -> None:
    """A file that exists nowhere else and cannot be decoded is an error, not an empty asset."""
    with pytest.raises(AnswerInvalid, match="base64_data"):
        geminigen_detail(generated_image=[{"uuid": "a", "base64_data": "%%%"}])


def test_geminigen_ignores_broken_embedded_data_beside_an_address() -> None:
    """The same data beside an address is not needed."""
    image = {"uuid": "a", "base64_data": "%%%", "image_url": "https://media.example.com/a.png"}

    (asset,) = geminigen_detail(generated_image=[image]).assets

    assert len(asset.sources) == 1


def test_geminigen_keeps_an_output_that_is_its_own_thumbnail() -> None:
    """One address under two roles is two assets: keeping outputs only must lose nothing."""
    address = "https://media.example.com/a.png"

    found = geminigen_detail(generate_result=address, thumbnail_url=address)

    assert {Role.OUTPUT, Role.THUMBNAIL} == {asset.role for asset in found.assets}


def test_geminigen_tells_outputs_apart_by_unsigned_queries() -> None:
    """Where the query alone names the file, two outputs stay two."""
    images = [
        {"uuid": name, "image_url": f"https://media.example.com/get?file={name}"} for name in "ab"
    ]

    found = geminigen_detail(generated_image=images)

    assert [asset.key for asset in found.assets] == ["output:a", "output:b"]


def test_geminigen_makes_keys_unique() -> None:
    """Two outputs that claim one id are both kept."""
    images = [{"uuid": "a", "image_url": f"https://media.example.com/{n}.png"} for n in (1, 2)]

    found = geminigen_detail(generated_image=images)

    assert [asset.key for asset in found.assets] == ["output:a", "output:a:2"]


@pytest.mark.parametrize(
    ("kind_word", "kind"),
    [
        ("image_generation", Kind.IMAGE),
        ("image_to_video", Kind.VIDEO),
        ("tts-text", Kind.AUDIO),
        ("AUDIO_generation", Kind.AUDIO),
        ("hologram", Kind.OTHER),
        (None, Kind.OTHER),
    ],
)
def test_geminigen_tells_kinds_by_their_words(kind_word: str | None, kind: Kind) -> None:
    """The enumeration of types is not documented: words in it decide."""
    assert kind is geminigen_detail(type=kind_word).kind


def test_oxen_walks_every_namespace() -> None:
    """Each namespace is listed to its end; a cursor goes on in the next one."""
    asked: list[tuple[object, object]] = []
    service = SERVICES["oxen"]

    def answer(path: str, given: Mapping[str, str | int]) -> object:
        asked.append((given["namespace"], given["page"]))
        prefix = str(given["namespace"])
        rows = [{**row, "generation_id": f"{prefix}-{n}"} for n, row in enumerate(service.rows(3))]
        return service.answer(list(rows), page_size=2)(path, given)

    provider = open_provider("oxen", FakeApi(answer), namespaces=["me", "team"])
    pages = list(provider.pages())

    assert asked == [("me", 1), ("me", 2), ("team", 1), ("team", 2)]
    assert [page.next_cursor for page in pages] == ["0:2", "1:1", "1:2", None]
    assert [page.total for page in pages] == [None] * 4
    for number, page in enumerate(pages[:-1], start=1):
        assert pages[number:] == list(provider.pages(page.next_cursor))


@pytest.mark.parametrize("cursor", ["", "1", "9:1", "0:0", ":", "a:1"])
def test_oxen_refuses_a_cursor_from_elsewhere(cursor: str) -> None:
    """A cursor that names no place is an error, not a walk from the start."""
    with pytest.raises(AnswerInvalid):
        next(open_provider("oxen", FakeApi(lambda path, given: {})).pages(cursor))


def test_oxen_lists_the_owner_without_a_namespace() -> None:
    """No namespace is sent when none is set, and the total is the server's."""
    api = FakeApi(SERVICES["oxen"].answer(list(SERVICES["oxen"].rows(2))))

    (page,) = open_provider("oxen", api).pages()

    assert page.total == 2
    assert "namespace" not in api.asked[0][1]


def test_oxen_request_parameters_cannot_end_a_walk() -> None:
    """A request parameter called "uuid" is no identity of a row."""
    rows = [{**row, "uuid": "same", "id": 1} for row in SERVICES["oxen"].rows(4)]

    provider = open_provider("oxen", FakeApi(SERVICES["oxen"].answer(list(rows), page_size=1)))

    assert len([row for page in provider.pages() for row in page.rows]) == 4


def test_sync_takes_an_unpaged_answer_whole() -> None:
    """An older server knows no limit: everything comes at once, and the walk is over."""
    rows = SERVICES["sync"].rows(250)
    api = FakeApi(lambda path, given: rows)

    (page,) = open_provider("sync", api).pages()

    assert len(page.rows) == 250
    assert page.next_cursor is None
    assert len(api.asked) == 1


def test_sync_sends_its_filters() -> None:
    """An organisation's history can be narrowed to a project and to sources."""
    api = FakeApi(lambda path, given: [])

    list(open_provider("sync", api, project_id="p1", sources=["api", "playground"]).pages())

    expected = {"limit": 100, "projectId": "p1", "source": "api,playground"}
    assert [("/v2/generations", expected)] == api.asked


@pytest.mark.parametrize("answer", ["", "<html>no</html>", "not a link", "ftp://h/x"])
def test_sync_refresh_does_without_a_download_link(answer: str) -> None:
    """Where the service gives no fresh address, the detail's own links have to do."""
    row = SERVICES["sync"].rows(1)[0]
    api = FakeApi(lambda path, given: answer if path.endswith("/download") else row)
    provider = open_provider("sync", api)

    assert provider.detail("sync-1") == provider.refresh("sync-1")


def test_sync_refresh_raises_what_may_pass() -> None:
    """An outage is told: an old link in place of a fresh one would look like an answer."""

    def answer(path: str, given: Mapping[str, str | int]) -> object:
        if path.endswith("/download"):
            raise ProviderUnavailable("503")
        return SERVICES["sync"].rows(1)[0]

    with pytest.raises(ProviderUnavailable):
        open_provider("sync", FakeApi(answer)).refresh("sync-1")


def test_sync_refresh_asks_no_download_of_what_is_unfinished() -> None:
    """There is no file before the end."""
    api = FakeApi(lambda path, given: {"id": "s", "status": "PENDING"})

    assert Status.IN_PROGRESS is open_provider("sync", api).refresh("s").status
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("plan", "days", "per_hour", "per_day"),
    [
        ("starter", 7, 20, 150),
        ("basic", 30, 30, 200),
        ("pro", 90, 60, 500),
        ("vip", 90, 100, 1000),
    ],
)
def test_neuralbox_knows_its_plans(plan: str, days: int, per_hour: int, per_day: int) -> None:
    """Retention and budgets follow the plan's table."""
    found = open_provider("neuralbox", FakeApi(lambda path, given: {}), plan=plan).capabilities

    assert (timedelta(days=days), per_hour, per_day) == (
        found.retention,
        found.requests_per_hour,
        found.requests_per_day,
    )


@pytest.mark.parametrize(("options", "per_hour"), [({"plan": "elite"}, 0), ({}, 100)])
def test_neuralbox_states_no_retention_that_it_does_not_know(
    options: dict[str, object], per_hour: int
) -> None:
    """Elite has no end; without a plan nobody knows."""
    provider = open_provider("neuralbox", FakeApi(lambda path, given: {}), **options)

    assert provider.capabilities.retention is None
    assert per_hour == provider.capabilities.requests_per_hour


def test_neuralbox_names_the_plan_gate() -> None:
    """A 403 about the plan says what to do; any other is left to its status."""
    refusal = connection_of("neuralbox").refusal

    assert "VIP or Elite" in str(refusal(403, {"detail": "Insufficient plan"}))
    assert refusal(403, {"detail": "no"}) is None
    assert refusal(500, {"detail": "plan"}) is None


def test_neuralbox_keeps_a_long_text_whole() -> None:
    """The text is the product: a sidecar holds all of it."""
    long_text = "A long story, told in words. " * 2000
    row = {"id": 1, "category": "text", "status": "completed", "result_text": long_text}
    answer = {"items": [row], "total": 1, "limit": 100}

    ((found,),) = [
        page.rows for page in open_provider("neuralbox", FakeApi(lambda p, g: answer)).pages()
    ]

    assert isinstance(found, Generation)
    assert (found.kind, found.assets) == (Kind.TEXT, ())
    assert {"list": row} == found.raw


def test_neuralbox_counts_pages_by_the_servers_limit() -> None:
    """Where pages are not counted, total and the limit that was kept to give their number."""
    api = FakeApi(SERVICES["neuralbox"].answer(list(SERVICES["neuralbox"].rows(45)), page_size=20))

    pages = list(open_provider("neuralbox", api).pages())

    assert [len(page.rows) for page in pages] == [20, 20, 5]
    assert len(api.asked) == 3


def test_a_web_servers_404_is_no_word_about_a_generation() -> None:
    """Of two paths, one page-not-found and one JSON 404 make a generation that is gone."""

    def answer(path: str, given: Mapping[str, str | int]) -> object:
        if "/status/" in path:
            raise missing(path)
        raise AnswerInvalid("a page", http_status=404)

    with pytest.raises(GenerationNotFound):
        open_provider("neuralbox", FakeApi(answer)).detail("1")


def test_web_servers_404s_alone_prove_nothing() -> None:
    """When both paths give a web page, nobody said that the generation is gone."""

    def answer(path: str, given: Mapping[str, str | int]) -> object:
        raise AnswerInvalid("a page", http_status=404)

    with pytest.raises(AnswerInvalid):
        open_provider("sync", FakeApi(answer)).detail("1")


COMPLETED: dict[str, dict[str, object]] = {
    "geminigen": {"uuid": "g", "status": 2, "type": "image_generation"},
    "oxen": {"generation_id": "g", "status": "succeeded", "media_type": "video"},
    "sync": {"id": "g", "status": "COMPLETED"},
    "neuralbox": {"id": "g", "status": "completed", "type": "image"},
}
OUTPUT_FIELDS = [
    ("geminigen", "generate_result"),
    ("oxen", "result_url"),
    ("sync", "outputUrl"),
    ("sync", "outputMediaUrl"),
    ("neuralbox", "result_url"),
    ("neuralbox", "url"),
]


def outputs_of(name: str, **record: object) -> list[tuple[str, int]]:
    """Have a provider read one finished record; tell its outputs and how many sources each has."""
    row = {**COMPLETED[name], **record}
    found = open_provider(name, FakeApi(lambda path, given: row)).detail("g")
    return [(one.key, len(one.sources)) for one in found.assets if one.role is Role.OUTPUT]


@pytest.mark.parametrize("value", [5, True, "not a link", "a.png", "ftp://h/x", {"a": 1}])
@pytest.mark.parametrize(("name", "field"), OUTPUT_FIELDS)
def test_an_output_whose_link_cannot_be_used_is_still_an_output(
    name: str, field: str, value: object
) -> None:
    """A file that cannot be fetched is not no file: it fails in sight and is asked for again."""
    [(_, sources)] = outputs_of(name, **{field: value})

    assert sources == 0


@pytest.mark.parametrize(
    "value", [None, "", "  ", [], {}, False, "https://h/x.png?[removed 9 bytes, sha256 0]"]
)
@pytest.mark.parametrize(("name", "field"), OUTPUT_FIELDS)
def test_an_empty_link_names_no_output(name: str, field: str, value: object) -> None:
    """Nothing is no file; neither is an address that redaction took out of a stored record."""
    assert outputs_of(name, **{field: value}) == []


def test_an_unfinished_generation_may_have_words_for_a_link() -> None:
    """Before the end there is nothing to fetch, so nothing fails."""
    row = {**COMPLETED["sync"], "status": "PROCESSING", "outputUrl": "pending"}

    found = open_provider("sync", FakeApi(lambda path, given: row)).detail("g")

    assert found.assets == ()


def test_an_unusable_link_beside_a_good_one_does_no_harm() -> None:
    """The file comes from the field that can be used."""
    good = "https://media.example.com/a.mp4"

    assert outputs_of("sync", outputMediaUrl=7, outputUrl=good) == [("output", 1)]


def test_an_unusable_thumbnail_does_not_hold_up_its_output() -> None:
    """Each file fails for itself."""
    row = {**COMPLETED["neuralbox"], "url": "https://h/a.png", "thumbnail_url": "none yet"}

    found = open_provider("neuralbox", FakeApi(lambda path, given: row)).detail("g")

    assert [(one.key, len(one.sources)) for one in found.assets] == [
        ("output", 1),
        ("thumbnail", 0),
    ]


def test_geminigen_waits_for_an_output_that_is_still_being_made() -> None:
    """One of four may be late: it is asked for again, and one that failed is not."""
    late, failed = {"uuid": "late", "status": 1}, {"uuid": "failed", "status": 3}
    ready = {"uuid": "ready", "status": 2, "image_url": "https://h/a.png"}

    found = outputs_of("geminigen", generated_image=[ready, late, failed])

    assert found == [("output:ready", 1), ("output:late", 0)]


@pytest.mark.parametrize("name", PROVIDERS)
def test_options_refuse_what_they_do_not_know(name: str) -> None:
    """A mistyped option is an error, never silently without effect."""
    with pytest.raises(ValidationError, match="page_sice"):
        open_provider(name, FakeApi(lambda path, given: {}), page_sice=3)


def test_a_bad_row_never_shows_a_signature() -> None:
    """What a malformed row calls itself may be an address: its signature is taken out."""
    row = {"id": "https://media.example.com/x?X-Amz-Signature=5ec7e7", "status": 2}
    api = FakeApi(lambda path, given: {"result": [row], "total": 1})

    (found,) = next(open_provider("geminigen", api).pages()).rows

    assert isinstance(found, BadRow)
    assert "5ec7e7" not in repr(found)


def test_oxen_can_be_asked_for_smaller_pages() -> None:
    """Rows may carry embedded inputs: an account whose pages grow too large has a way out."""
    service = SERVICES["oxen"]
    api = FakeApi(
        lambda path, given: service.answer(list(service.rows(3)), int(given["page_size"]))(
            path, given
        )
    )

    pages = list(open_provider("oxen", api, page_size=2).pages())

    assert [len(page.rows) for page in pages] == [2, 1]
