"""Names for files: strangers choose the ids, and no name may lead out of the root."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathvalidate import is_valid_filename

from archiver import keys
from archiver.errors import KeyInvalid
from archiver.model import Generation, Kind, Role, Status

# Also halves of surrogate pairs, which JSON may bring.
any_text = st.text(st.characters(exclude_categories=()), max_size=300)
hostile_text = st.one_of(
    any_text,
    st.sampled_from(
        [".", "..", "CON", "nul.txt", "a/b", "a\\b", "~", " a", "a.", "\x00", "a" * 400]
    ),
    st.text(st.sampled_from("./\\ ~-_aC\u200d\u0301\u202e\x00:"), max_size=40),
)


def make_generation(**given: object) -> Generation:
    """Make a generation with the fields that name its files."""
    fields: dict[str, object] = {
        "provider": "geminigen",
        "account": "studio",
        "id": "hist_abc123",
        "kind": Kind.IMAGE,
        "status": Status.COMPLETED,
        "created_at": datetime(2025, 9, 27, 12, tzinfo=UTC),
        **given,
    }
    return Generation(**fields)  # type: ignore[arg-type]


@given(hostile_text)
@example("e\u200d\u0301")
@example("COM1.png")
@example("con.")
@example(".archiver-tmp-1-0123456789abcdef")
def test_any_text_makes_a_valid_part(text: str) -> None:
    """Whatever a provider calls a thing, its part passes the validator and stays one part."""
    part = keys.make_part(text)

    assert keys.validate_key(part) == part
    assert "/" not in part
    assert len(part.encode()) <= 130


@given(hostile_text, hostile_text)
@example("a", "a ")
@example("a/b", "a\\b")
@example("a\u200b", "a")
@example('a"', "a_~4ccb297e")
def test_different_texts_make_different_parts(first: str, second: str) -> None:
    """What had to be changed carries a hash of the original, so no two ids share files."""
    if first != second:
        assert keys.make_part(first) != keys.make_part(second)


@given(hostile_text)
@example("x-2")
@example("x.thumbnail")
@example("x.mask-3")
@example("x.json")
def test_an_id_is_not_taken_for_a_file_of_another(text: str) -> None:
    """No id's part ends as the second output or the thumbnail of another generation."""
    part = keys.make_id_part(text)

    assert keys.validate_key(part) == part
    assert not re.search(r"(-\d{1,3}|\.(thumbnail|mask|segment|speech|reference)(-\d+)?)$", part)


@given(hostile_text)
def test_an_id_cannot_be_chosen_to_meet_the_files_of_another(text: str) -> None:
    """The part of one id, used as an id itself, makes another part when it carries a hash."""
    part = keys.make_part(text)

    assert part == text or keys.make_part(part) != part


@pytest.mark.parametrize(
    "text", ["hist_abc123", "a1b2-c3d4", "gpt-image_1.5", "猫", "stüdio", "0", "a~b"]
)
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    """A name that every file system can hold is kept, so that people recognise it."""
    assert keys.make_part(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/etc/passwd",
        ".",
        "..",
        "a/..",
        "../a",
        "a/../b",
        "a//b",
        "a/",
        "a/./b",
        "a\x00",
        "a\nb",
        "a\x7f",
        "a\\b",
        "C:",
        "a:b",
        "a*b",
        "a?b",
        'a"b',
        "a<b",
        "a|b",
        "CON",
        "con",
        "aux.txt",
        "a/NUL/b",
        "com1.tar.gz",
        "LPT9",
        " a",
        "a ",
        "a.",
        "a" * 201,
        "é" * 101,
        "a/" * 450 + "a",
        "\u202egnp.exe",
        "a\u2066b",
        "a\u200bb",
        "a\ufeffb",
        "a\u2028b",
        "e\u0301",
        "\ud800",
        "\U000e0041",
        ".archiver-tmp-1-0123456789abcdef",
        "a/.ARCHIVER-TMP-b",
    ],
)
def test_hostile_keys_are_refused(key: str) -> None:
    """Traversal, control and bidi characters, reserved and overlong names never pass."""
    with pytest.raises(KeyInvalid):
        keys.validate_key(key)


@pytest.mark.parametrize(
    "key",
    ["a", "a/b.png", "a" * 200, "/".join(["x" * 99] * 9), ".archiver/archive.json", "com/lpt/con1"],
)
def test_good_keys_pass_unchanged(key: str) -> None:
    """The validator returns the very key it was given."""
    assert keys.validate_key(key) is key


@given(st.text(st.sampled_from("acomnlptxu_~-.019CONL"), min_size=1, max_size=20))
@example("con.x")
@example("a.con")
@example("com10")
def test_the_short_cut_agrees_with_the_long_way(text: str) -> None:
    """Plain parts are accepted by one pattern: it accepts nothing that all rules would refuse."""
    is_good = (
        text not in (".", "..")
        and not text.endswith(".")
        and not text.casefold().startswith(keys.TEMPORARY_PREFIX)
        and is_valid_filename(text, platform="universal", max_len=keys.MAX_PART_BYTES)
    )
    try:
        keys.validate_key(text)
    except KeyInvalid:
        assert not is_good
    else:
        assert is_good


@given(hostile_text, hostile_text, st.one_of(st.none(), hostile_text))
def test_a_stem_always_lies_where_the_layout_says(
    account: str, generation_id: str, model: str | None
) -> None:
    """Whatever the ids are, the stem has the layout's parts and is a valid key."""
    generation = make_generation(account=account, id=generation_id, model=model)

    stem = keys.make_stem("{provider}/{account}/{created:%Y/%m/%d}/{model}/{id}", generation)

    assert stem.startswith("geminigen/")
    assert stem.count("/") == 6
    for role in Role:
        keys.make_file_key(stem, role, 12, "webp")
    keys.make_sidecar_key(stem)


def test_the_files_of_a_generation_are_named_by_role_and_number() -> None:
    """The names are those that SPEC.md promises."""
    stem = keys.make_stem(keys.DEFAULT_LAYOUT, make_generation())

    names = [
        keys.make_file_key(stem, Role.OUTPUT, 1, "png"),
        keys.make_file_key(stem, Role.OUTPUT, 2, "png"),
        keys.make_file_key(stem, Role.THUMBNAIL, 1, "jpg"),
        keys.make_file_key(stem, Role.LAST_FRAME, 2, "jpg"),
        keys.make_sidecar_key(stem),
    ]

    assert stem == "geminigen/studio/2025/09/27/hist_abc123"
    assert [name.removeprefix(stem) for name in names] == [
        ".png",
        "-2.png",
        ".thumbnail.jpg",
        ".last_frame-2.jpg",
        ".json",
    ]


def test_a_generation_without_a_date_has_a_place() -> None:
    """A date that the provider does not tell is no reason to fail."""
    generation = make_generation(created_at=None)

    stem = keys.make_stem(keys.DEFAULT_LAYOUT, generation)

    assert stem == "geminigen/studio/undated/hist_abc123"


@pytest.mark.parametrize(
    "layout",
    [
        "{provider}/{account}",
        "{id}",
        "{account}/{id}/{password}",
        "../{account}/{id}",
        "/{account}/{id}",
        "{account}//{id}",
        "{account}/{id",
        "{account}/{id}.",
    ],
)
def test_layouts_that_lose_or_leave_are_refused(layout: str) -> None:
    """A layout must tell generations apart and stay inside the root."""
    with pytest.raises(ValueError, match=r"."):
        keys.check_layout(layout)


@pytest.mark.parametrize(
    ("first", "second"),
    [("Straße.png", "STRASSE.png"), ("A/b.PNG", "a/B.png"), ("ﬁle", "FILE"), ("Å", "\u212b")],
)
def test_fold_finds_names_that_one_file_system_takes_for_the_same(first: str, second: str) -> None:
    """Names that differ by case or by form only fold to one text."""
    assert keys.fold(first) == keys.fold(second)


@given(any_text)
def test_fold_is_stable(text: str) -> None:
    """Folding a folded name changes nothing, and the result is normalised."""
    folded = keys.fold(text)

    assert keys.fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)
