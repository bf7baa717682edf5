"""Bodies are found in whatever JSON people have at hand, and one that is broken stops no other."""

from __future__ import annotations

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.actions.pushing.bodies import MAX_BODY_BYTES, Body, read_bodies

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)
CUT = '{"id": "half", "files": [1, 2'
"""A line that broke off, in which no other object could go on."""


def read(text: str | bytes) -> list[Body]:
    """All bodies of a text."""
    return list(read_bodies(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def records(text: str) -> list[object]:
    """The records of a text in which nothing is malformed."""
    bodies = read(text)
    assert [] == [body.error for body in bodies if body.error]
    return [body.record for body in bodies]


@given(
    objects=st.lists(OBJECTS, max_size=5),
    indent=st.none() | st.integers(0, 4),
    is_list=st.booleans(),
    is_ascii=st.booleans(),
)
def test_objects_come_back_however_they_were_written(
    objects: list[object], indent: int | None, is_list: bool, is_ascii: bool
) -> None:
    """JSON Lines, pretty-printed documents behind each other, and lists are all read."""
    written = (
        json.dumps(objects, indent=indent, ensure_ascii=is_ascii)
        if is_list
        else "\n".join(json.dumps(one, indent=indent, ensure_ascii=is_ascii) for one in objects)
    )

    assert objects == records(written.encode("utf-8", "replace").decode())


@given(objects=st.lists(OBJECTS, min_size=1, max_size=5), place=st.integers(0, 5))
def test_broken_line_takes_none_of_the_others_along(objects: list[object], place: int) -> None:
    """It is named by its number, and all the others are read."""
    lines = [json.dumps(one) for one in objects]
    lines.insert(place, CUT)
    at = min(place, len(objects)) + 1

    bodies = read("\n".join(lines))

    assert objects == [body.record for body in bodies if body.record is not None]
    assert [at] == [body.line for body in bodies if body.error]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("\ufeff{}\n\n{}\n", [1, 3]),
        ("[\n{},\n{}\n]", [2, 3]),
        ('[{\n "a": 1\n}, {\n "a": 2\n}]', [1, 3]),
        ("{} {}{}", [1, 1, 1]),
        ("", []),
        ("[]", []),
    ],
)
def test_each_body_is_named_by_the_line_it_begins_in(text: str, lines: list[int]) -> None:
    """Also behind a byte order mark, in a list, and several in a line."""
    bodies = read(text)

    assert lines == [body.line for body in bodies]
    assert [None] * len(lines) == [body.error for body in bodies]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"api_key = secret\n", "is no JSON object"),
        (b'{"a": NaN}\n', "is no JSON: NaN is no number"),
        (b'{"a": ' + b"9" * 5000 + b"}\n", "is no JSON: Exceeds the limit"),
        (b'{"a": "' + b"\xff" + b'"}\n', "is no UTF-8: byte 8"),
        (b'{"a": ' + b"[" * 100_000 + b"\n", "is nested too deeply"),
        (b"[[1]]\n", "is a list in a list"),
        (b'{"a": ]}\n', "line 1: Expecting value"),
        (b'{\n "a": 1,\n "b": oops\n}\n', "line 3: Expecting value"),
        (b'{\n "a": "no end\n "b": 2\n}\n', "line 2: Invalid control character"),
        (b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}\n', "is longer than 16 MiB"),
        (
            b"{\n" + b' "a": "' + b"x" * 9_000_000 + b'",\n "b": "' + b"x" * 9_000_000 + b'"\n}',
            "16 MiB",
        ),
    ],
    ids=range(11),
)
def test_hostile_text_is_an_error_with_its_line_and_the_next_body_is_read(
    text: bytes, said: str
) -> None:
    """Whatever it is, it is told of once, and nothing of its text: that may be a secret."""
    first, last = read(text + b'\n{"good": true}\n')

    assert 1 == first.line
    assert said in str(first.error)
    assert "secret" not in str(first.error)
    assert {"good": True} == last.record


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (gzip.compress(bytes(range(256))), "is compressed: gunzip it first"),
        (b"PK\x03\x04", "is compressed: unpack it first"),
        (b"\x89PNG\r\n\x1a\n\x00", "is no text"),
        (b"\0\0\0\x20ftypisom\0", "is no text"),
        (b"SQLite format 3\0", "is no text"),
        ('{"a": 1}\n{}'.encode("utf-16"), "is UTF-16, not UTF-8"),
    ],
    ids=range(6),
)
def test_file_that_is_no_text_is_told_of_once(text: bytes, said: str) -> None:
    """And not line by line: it has thousands, and none of them is one."""
    assert [Body(line=1, error=said)] == read(text + b"\n\xff\n{}\n" * 99)


def test_log_that_was_cut_while_it_was_written_is_read_on() -> None:
    """It begins with zeros (copytruncate): only the line in which they end is lost."""
    wrong, right = read(b"\0" * 9999 + b'{"a": 1}\n{"a": 2}\n')

    assert (1, "is no JSON object") == (wrong.line, wrong.error)
    assert {"a": 2} == right.record


def test_list_that_breaks_off_says_so() -> None:
    """A download that was cut must not look whole."""
    assert [None, "is a list that does not end: some may be missing"] == [
        body.error for body in read('[{"a": 1},\n')
    ]
