"""What can be asked of the index: what is due, and what a person looks for."""

from __future__ import annotations

import string
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.index import Index, captured, open_temporary_index, queries
from archiver.index.fulltext import MOST_BEGINNINGS
from archiver.index.paging import COMMON_ROWS, PAGE_ROWS
from archiver.index.queries import Filters
from archiver.model import Kind, Role, State, Status
from tests.index.making import (
    ENDS_AT,
    LATER,
    MASK,
    NOW,
    OUTPUT,
    THUMBNAIL,
    add,
    make,
    make_captured,
    make_listed,
    make_media,
    make_missing,
    record,
)

DAY = timedelta(days=1)


def due(index: Index, *, now: datetime = NOW, claimed: tuple[int, ...] = ()) -> list[str]:
    """Name what is due, in its order."""
    found = queries.due(index, ["studio"], now, claimed, 100)
    return [queries.load(index, number).generation.id for number, _ in found]


def ids(index: Index, **filters: object) -> list[str]:
    """Name what is found, in its order."""
    wanted = Filters(**filters)  # type: ignore[arg-type]  # filters are Filters' fields
    return [one.generation.id for one in queries.find(index, wanted)]


# What is due


def test_the_earliest_deadline_is_due_first_and_none_last(index: Index) -> None:
    """Time to loss is the order of the queue, the older generation before the newer."""
    record(
        index,
        make("none", created_at=NOW - 9 * DAY),
        make("none-undated", created_at=None),
        make("late", expires_at=NOW + 30 * DAY),
        make("soon-new", expires_at=NOW + DAY, created_at=NOW - DAY),
        make("soon-old", expires_at=NOW + DAY, created_at=NOW - 2 * DAY),
        make("past", expires_at=NOW - DAY),
    )

    assert ["past", "soon-old", "soon-new", "late", "none-undated", "none"] == due(index)


def test_a_next_try_in_the_future_is_not_due(index: Index) -> None:
    """Until then, to the microsecond."""
    one = add(index)
    failed = make_captured(one, state=State.FAILED, next_try_at=LATER)
    captured.record(index, one.number, failed, NOW)

    assert [] == due(index, now=LATER - timedelta(microseconds=1))
    assert ["g1"] == due(index, now=LATER)


def test_an_archived_generation_is_due_while_a_destination_lacks_it(index: Index) -> None:
    """A next try is what counts, whatever the state."""
    one = add(index)
    outcome = make_captured(one, [make_media(one)], "disk", next_try_at=NOW)
    captured.record(index, one.number, outcome, NOW)

    assert ["g1"] == due(index)


def test_what_is_claimed_and_other_accounts_are_left_out(index: Index) -> None:
    """Another thread works on it, or its account cannot be asked now."""
    numbers = [one.number for one in record(index, make("a"), make("b"), make("c"))]
    record(index, make("d", account="other"))

    assert ["b"] == due(index, claimed=(numbers[0], numbers[2]))
    both = queries.due(index, ["studio", "other"], NOW, [], 100)
    assert ["other", "studio"] == sorted({account for _, account in both})
    assert [] == queries.due(index, [], NOW, [], 100)


def test_no_more_is_named_than_was_asked_for(index: Index) -> None:
    """Memory stays flat."""
    record(index, *(make(f"g{number}") for number in range(9)))

    assert 4 == len(queries.due(index, ["studio"], NOW, [], 4))


# What a person filters for


@pytest.fixture
def varied(index: Index) -> Index:
    """Fill the index with generations that differ in everything a filter can ask for."""
    record(
        index,
        make("image", created_at=NOW - 3 * DAY),
        make("video", kind=Kind.VIDEO, model="veo", created_at=NOW - 2 * DAY),
        make("masked", assets=(OUTPUT, MASK), created_at=NOW - DAY),
        make("mixed", kind=Kind.AUDIO, assets=(OUTPUT, THUMBNAIL), created_at=NOW),
        make("broken", status=Status.FAILED, assets=(), created_at=NOW - 4 * DAY),
        make("undated", created_at=None, model=None),
    )
    record(index, make("oxen", provider="oxen", account="farm", created_at=NOW - 5 * DAY))
    one = queries.by_id(index, "image")[0]
    captured.record(index, one.number, make_captured(one, [make_media(one)], "disk"), NOW)
    two = queries.by_id(index, "video")[0]
    lost = make_captured(two, state=State.LOST, missing=(make_missing(state=State.LOST),))
    captured.record(index, two.number, lost, NOW)
    return index


ALL = ["mixed", "masked", "video", "image", "broken", "oxen", "undated"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ALL),
        ({"ids": ("image", "oxen", "nothing")}, ["image", "oxen"]),
        ({"accounts": ("farm",)}, ["oxen"]),
        ({"accounts": ("farm", "studio")}, ALL),
        ({"providers": ("oxen",)}, ["oxen"]),
        ({"kinds": (Kind.VIDEO,)}, ["video"]),
        ({"kinds": (Kind.VIDEO, Kind.AUDIO)}, ["mixed", "video"]),
        ({"roles": (Role.MASK,)}, ["masked"]),
        ({"roles": (Role.MASK, Role.THUMBNAIL)}, ["mixed", "masked"]),
        ({"models": ("veo",)}, ["video"]),
        ({"states": (State.ARCHIVED,)}, ["image"]),
        ({"states": (State.ARCHIVED, State.LOST)}, ["video", "image"]),
        ({"states": (State.FAILED,)}, ["broken"]),
        ({"states": (State.EXCLUDED,)}, []),
        ({"since": NOW - 2 * DAY}, ["mixed", "masked", "video"]),
        ({"until": NOW - 2 * DAY}, ["image", "broken", "oxen"]),
        ({"since": NOW - 4 * DAY, "until": NOW - 2 * DAY}, ["image", "broken"]),
        ({"kinds": (Kind.IMAGE,), "roles": (Role.MASK,), "accounts": ("studio",)}, ["masked"]),
        ({"kinds": (Kind.VIDEO,), "states": (State.ARCHIVED,)}, []),
        ({"limit": 2}, ["mixed", "masked"]),
        ({"limit": 0}, []),
        ({"limit": 100}, ALL),
        ({"ids": ("'; DROP TABLE generations; --", '"', "%", "\0", "\ud800")}, []),
        ({"models": ("v%", "%", "ve_")}, []),
    ],
)
def test_every_filter_finds_what_it_says(
    varied: Index, filters: dict[str, object], expected: list[str]
) -> None:
    """The newest first, those without a date last; all parts that are set must hold."""
    assert expected == ids(varied, **filters)


def test_the_kind_of_a_file_counts_as_well(index: Index) -> None:
    """A video with a still picture is found as both."""
    record(index, make("g1", kind=Kind.VIDEO, assets=(OUTPUT,)))

    assert ["g1"] == ids(index, kinds=(Kind.VIDEO,)) == ids(index, kinds=(Kind.IMAGE,))


def test_counting_agrees_with_finding(varied: Index) -> None:
    """Numbers by account and state add up to what is listed."""
    counted = {(account, state): many for account, state, many in queries.count(varied, Filters())}

    assert len(ALL) == sum(counted.values())
    assert 1 == counted["studio", State.LOST]
    assert 1 == counted["farm", State.PENDING]
    assert [("farm", State.PENDING, 1)] == list(queries.count(varied, Filters(accounts=("farm",))))


def test_long_histories_are_paged_without_loss_or_repeat(index: Index) -> None:
    """More than two pages, with many of the same second and many without a date."""
    many = PAGE_ROWS * 2 + 51
    record(
        index,
        *(
            make_listed(
                make(
                    f"g{number:04}",
                    created_at=None if number % 3 == 0 else NOW - (number % 7) * DAY,
                    assets=(),
                )
            )
            for number in range(many)
        ),
    )

    found = ids(index)

    assert many == len(found) == len(set(found))
    assert found == sorted(
        found,
        key=lambda one: (
            "" if int(one[1:]) % 3 == 0 else str(NOW - (int(one[1:]) % 7) * DAY),
            int(one[1:]),
        ),
        reverse=True,
    )
    assert found[: PAGE_ROWS + 1] == ids(index, limit=PAGE_ROWS + 1)


def test_what_is_written_while_pages_are_read_does_no_harm(index: Index) -> None:
    """A generation that was there from the start is found once, whatever comes meanwhile."""
    many = PAGE_ROWS + 20
    record(index, *(make(f"g{number}", assets=()) for number in range(many)))

    found = []
    for position, one in enumerate(queries.find(index, Filters())):
        found.append(one.generation.id)
        if position == PAGE_ROWS // 2:
            record(index, make("newer", created_at=NOW + DAY), make("g0", prompt="changed"))

    assert sorted(found) == sorted(f"g{number}" for number in range(many))


# Text


TEXTS = {
    "cat": "a Cat under a red moon",
    "chinese": "一只猫在月光下奔跑",
    "japanese": "月の下の猫",
    "korean": "달빛 아래 고양이",
    "russian": "Ночь и кошка НА крыше",
    "german": "Ein Bär in Öl, größer",
    "quotes": 'it\'s a "quoted" 100% moon_rise',
    "operators": "cats AND dogs NOT (birds OR fish) NEAR water*",
    "code": "C++ {a: b} -x ^y",
    "emoji": "two 🐈‍⬛ cats",
    "nul": "before\0after",
    "short": "xy",
    "none": None,
}


@pytest.fixture(scope="module")
def texts() -> Iterator[Index]:
    """Fill an index with prompts in many scripts."""
    index = open_temporary_index()
    record(index, *(make(name, prompt=text, model=None, assets=()) for name, text in TEXTS.items()))
    yield index
    index.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("moon", {"cat", "quotes"}),
        ("oo", {"cat", "quotes"}),
        ("MOON red", {"cat"}),
        ("red moon", {"cat"}),
        ("moon red blue", set()),
        ("nder a r", {"cat"}),
        ("猫", {"chinese", "japanese"}),
        ("月光", {"chinese"}),
        ("猫在月", {"chinese"}),
        ("の下の", {"japanese"}),
        ("고양이", {"korean"}),
        ("달빛", {"korean"}),
        ("кошка", {"russian"}),
        ("КОШКА", {"russian"}),
        ("на", {"russian"}),
        ("НОЧЬ", {"russian"}),
        ("Bär", {"german"}),
        ("ÖL", {"german"}),
        ("öl", {"german"}),
        ("100%", {"quotes"}),
        ("%", {"quotes"}),
        ("_", {"quotes"}),
        ("moon_", {"quotes"}),
        ('"', {"quotes"}),
        ('"quoted"', {"quotes"}),
        ('""', set()),
        ("it's", {"quotes"}),
        ("'", {"quotes"}),
        ("AND", {"operators"}),
        ("cats AND dogs", {"operators"}),
        ("NOT", {"operators"}),
        ("OR", {"operators", "korean", "short", "nul"}),
        ("(birds", {"operators"}),
        ("water*", {"operators"}),
        ("wate*", set()),
        ("prompt:cat", set()),
        ("prompt : cat", set()),
        ("NEAR(cat moon)", set()),
        ("C++", {"code"}),
        ("{a:", {"code"}),
        ("-x", {"code"}),
        ("^y", {"code"}),
        ("🐈", {"emoji"}),
        ("xy", {"short"}),
        ("x", {"short", "code"}),
        ("before\0", {"nul"}),
        ("red\0moon", {"cat"}),
        ("before", {"nul"}),
        ("\0", set(TEXTS)),
        ("", set(TEXTS)),
        ("   \n\t", set(TEXTS)),
        ("\ud800", set()),
        ("cat\udcff", set()),
        ("japan", {"japanese"}),
        ("zzz", set()),
        ("; DROP TABLE generations", set()),
    ],
)
def test_every_word_of_a_text_is_looked_for(texts: Index, text: str, expected: set[str]) -> None:
    """Anywhere in prompt, name, model and id, without regard to case; no word is an operator."""
    assert expected == set(ids(texts, text=text))


@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "name", "model"])
@pytest.mark.parametrize("word", ["zebra", "zè"])
def test_all_texts_of_a_generation_are_searched(index: Index, field: str, word: str) -> None:
    """Words may also stand in different fields."""
    record(index, make("g1", **{field: f"x{word}x"}), make("g2"))

    assert ["g1"] == ids(index, text=word.upper())
    assert ["g1"] == ids(index, text=f"{word} g1")


@pytest.mark.parametrize(
    ("piece", "expected"),
    [("a", {"g1", "g2"}), ("qa", {"g1", "g2"}), ("qb", {"g2"}), ("qa x", {"g2"}), ("qc", set())],
)
def test_a_piece_that_many_trigrams_begin_with_is_found_all_the_same(
    index: Index, piece: str, expected: set[str]
) -> None:
    """Then the rows are read for it, of those that the other words find."""
    many = " ".join(f"qa{chr(0x4E00 + number)}" for number in range(MOST_BEGINNINGS))
    record(index, make("g1", prompt=many), make("g2", prompt="qa x qb"))
    record(index, make("g3", prompt="to", model="to", id="no"))

    assert expected == set(ids(index, text=piece))


@pytest.mark.parametrize("text", ["ΟΣ", "ος", "Ϳ\u0041", "ẞ", "İ", "猫", "Ꭰb"])
def test_a_short_text_is_found_to_its_last_letter(index: Index, text: str) -> None:
    """However SQLite and Python fold its letters; at the end of a prompt nothing follows them."""
    record(index, make("g1", prompt=f"a night of {text}"), make("g2", prompt="a day"))

    assert ["g1"] == ids(index, text=text)
    assert "g1" in ids(index, text=text[-1])


def test_a_changed_prompt_is_found_by_its_new_words_only(index: Index) -> None:
    """The search keeps up with what providers change."""
    record(index, make(prompt="a zebra"))
    record(index, make(prompt="a lion"))

    assert ([], ["g1"]) == (ids(index, text="zebra"), ids(index, text="lion"))


def test_text_and_filters_hold_together(texts: Index) -> None:
    """And the limit counts what fits both."""
    assert ["chinese"] == ids(texts, text="猫", ids=("chinese", "cat"))
    assert 1 == len(ids(texts, text="猫", limit=1))


@pytest.mark.parametrize(("word", "every"), [("zebra", 2), ("heron", 9), ("of", 9), ("a", 1)])
def test_a_word_is_paged_without_loss_or_repeat(index: Index, word: str, every: int) -> None:
    """Be it common or not. Row numbers need not follow time: after a rebuild they follow names."""
    many = COMMON_ROWS * 5
    moments = [
        None if number % 50 == 0 else NOW - timedelta(minutes=number * 7919 % many // 3)
        for number in range(many)
    ]
    prompts = [
        f"a {'zebra' if number % 2 == 0 else 'lion'} {'of the heron' if number % 9 == 0 else ''}"
        for number in range(many)
    ]
    record(
        index,
        *(
            make(f"g{number:05}", created_at=moment, prompt=prompt, model=None, assets=())
            for number, (moment, prompt) in enumerate(zip(moments, prompts, strict=True))
        ),
    )
    newest_first = sorted(
        (str(moment or ""), f"g{number:05}")
        for number, moment in enumerate(moments)
        if number % every == 0
    )[::-1]

    found = ids(index, text=word)

    assert [name for _, name in newest_first] == found
    assert found[: PAGE_ROWS + 1] == ids(index, text=word, limit=PAGE_ROWS + 1)
    assert found[-2:] == ids(index, text=word, ids=tuple(found[-2:]))
    assert [] == ids(index, text=word, states=(State.LOST,))


WORDS = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text())
def test_no_text_makes_the_search_fail(texts: Index, text: str) -> None:
    """A person may look for anything."""
    assert set(ids(texts, text=text)) <= set(TEXTS)


@settings(max_examples=40, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=3), st.data())
def test_every_piece_of_a_prompt_finds_it(words: list[str], data: st.DataObject) -> None:
    """In any script and of any length."""
    word = data.draw(st.sampled_from(words))
    start = data.draw(st.integers(0, len(word) - 1))
    end = data.draw(st.integers(start + 1, len(word)))
    index = open_temporary_index()
    record(index, make("g1", prompt=" ".join(words), model=None))

    found = ids(index, text=word[start:end])
    index.close()

    assert ["g1"] == found


def test_an_id_that_is_no_text_is_not_found(texts: Index) -> None:
    """Bytes of a command line that are no UTF-8 name nothing."""
    assert [] == queries.by_id(texts, "cat\udcff")
    assert [] == queries.by_id(texts, string.punctuation)


def test_of_two_with_one_deadline_the_link_that_ends_first_comes_first(index: Index) -> None:
    """The second clock: and a deadline comes before any link."""
    for name, deadline_at, link_expires_at in (
        ("long link", ENDS_AT, LATER + timedelta(hours=2)),
        ("short link", ENDS_AT, LATER),
        ("no link", ENDS_AT, None),
        ("no deadline", None, NOW),
        ("sooner", ENDS_AT - timedelta(days=1), None),
    ):
        listing = make_listed(
            make(id=name), deadline_at=deadline_at, link_expires_at=link_expires_at
        )
        record(index, listing)

    order = [number for number, _ in queries.due(index, ["studio"], LATER, [], 10)]

    assert ["sooner", "short link", "long link", "no link", "no deadline"] == [
        queries.load(index, number).generation.id for number in order
    ]
