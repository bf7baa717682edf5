"""Fields of a record are read as what they can only mean, or refused by name."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Status
from archiver.providers import fields
from archiver.providers.fields import RowInvalid

KNOWN = {"done": Status.COMPLETED, "broken": Status.FAILED}
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
)


@pytest.mark.parametrize(
    ("value", "read"), [("a", "a"), (5, "5"), (2.5, "2.5"), ("", None), (None, None)]
)
def test_text_is_text_or_a_number(value: object, read: str | None) -> None:
    """Numbers are taken as text; empty and null are absent."""
    assert read == fields.text({"f": value}, "f")


def test_text_loses_signatures() -> None:
    """No signed query passes into what is stored."""
    read = fields.text({"f": "see https://h/x?X-Amz-Signature=5ec7e7 there"}, "f")

    assert read is not None
    assert "5ec7e7" not in read


@pytest.mark.parametrize("read", [fields.text, fields.required_text, fields.identity])
@pytest.mark.parametrize("value", [True, [], {}])
def test_what_is_no_text_is_refused_by_name(read: object, value: object) -> None:
    """The error names the field and what came, never the value."""
    assert callable(read)
    with pytest.raises(RowInvalid, match=r"^f is "):
        read({"f": value}, "f")


@pytest.mark.parametrize(
    "value",
    [
        *("", None, "  ", ".", "..", "a\nb", "x" * 501),
        *("\ud800", "a\udfff", 1.5, float("nan"), float("inf")),
    ],
)
def test_what_can_be_no_id_is_refused(value: object) -> None:
    """An id must be able to stand in a path and in a file's name."""
    with pytest.raises(RowInvalid, match=r"^f "):
        fields.identity({"f": value}, "f")


@pytest.mark.parametrize(("value", "read"), [(4711, "4711"), (4711.0, "4711"), (" a ", "a")])
def test_an_id_has_one_spelling(value: object, read: str) -> None:
    """A number is the same id, however it was written."""
    assert read == fields.identity({"f": value}, "f")


@pytest.mark.parametrize(("value", "read"), [(2, 2), ("2", 2), (" -2 ", -2), (2.0, 2), ("", None)])
def test_whole_numbers_may_be_text(value: object, read: int | None) -> None:
    """Statuses come as 2, "2" and 2.0."""
    assert read == fields.integer({"f": value}, "f")


@pytest.mark.parametrize("value", [2.5, "two", True, [], float("nan"), float("inf"), "9" * 5000])
def test_other_numbers_are_refused(value: object) -> None:
    """Half a status is none."""
    with pytest.raises(RowInvalid, match=r"^f is "):
        fields.integer({"f": value}, "f")


@pytest.mark.parametrize(
    ("value", "read"), [(1, "1"), ("0.0250", "0.0250"), (1e-7, "0.0000001"), (0, "0")]
)
def test_amounts_are_decimal_texts(value: object, read: str) -> None:
    """Money keeps its digits and has no exponent."""
    assert read == fields.amount({"f": value}, "f")


@pytest.mark.parametrize("value", ["free", True, None, "nan", float("inf"), "1e999999", [], ""])
def test_what_is_no_amount_is_left_out(value: object) -> None:
    """A cost that is not understood loses no file: the raw record keeps it."""
    assert fields.amount({"f": value}, "f") is None


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01 00:00:00",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T00:00:00.000",
        1767225600,
        1767225600.0,
    ],
)
def test_times_are_utc(value: object) -> None:
    """A time without a zone is in UTC, as the services mean it."""
    assert datetime(2026, 1, 1, tzinfo=UTC) == fields.time({"f": value}, "f")


def test_unix_times_may_be_text() -> None:
    """Seconds in quotes are seconds."""
    assert datetime(2026, 1, 1, tzinfo=UTC) == fields.unix_time({"f": "1767225600"}, "f")


@pytest.mark.parametrize("value", ["yesterday", True, [], 1e300, "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_refused(value: object) -> None:
    """A deadline is not guessed."""
    with pytest.raises(RowInvalid, match=r"^f is "):
        fields.time({"f": value}, "f")


@pytest.mark.parametrize(
    ("word", "output", "error", "status"),
    [
        ("DONE", False, False, Status.COMPLETED),
        ("done", False, True, Status.COMPLETED),
        ("new", False, False, Status.IN_PROGRESS),
        ("new", True, False, Status.COMPLETED),
        ("new", True, True, Status.FAILED),
        (None, False, False, Status.IN_PROGRESS),
        (7, False, False, Status.IN_PROGRESS),
    ],
)
def test_an_unknown_status_is_judged_by_what_came_with_it(
    word: object, output: bool, error: bool, status: Status
) -> None:
    """A known word decides; an unknown one gives nothing up."""
    found = fields.open_status({"f": word}, "f", KNOWN, has_output=output, has_error=error)

    assert status is found


def test_a_detail_hides_nothing_that_was_listed() -> None:
    """Null and empty fields of a detail leave the listed ones; all others replace them."""
    listed = {"prompt": "p", "status": "pending", "only": 1}

    merged = fields.merge(listed, {"prompt": None, "status": "done", "only": "", "new": None})

    assert merged == {"prompt": "p", "status": "done", "only": 1, "new": None}


def test_a_list_of_objects_may_be_one_object() -> None:
    """One object can only mean a list of one; anything else is refused."""
    assert fields.rows({"f": {"a": 1}}, "f") == ({"a": 1},)
    assert fields.rows({"f": None}, "f") == ()
    with pytest.raises(RowInvalid, match="not a list of objects"):
        fields.rows({"f": [1]}, "f")


@given(value=VALUES)
def test_no_value_raises_anything_but_row_invalid(value: object) -> None:
    """Whatever JSON holds, a reader gives its type or RowInvalid."""
    row = {"f": value}
    readers = (fields.text, fields.identity, fields.integer, fields.time, fields.unix_time)
    for read in (*readers, fields.rows):
        with contextlib.suppress(RowInvalid):
            read(row, "f")
    fields.optional_text(row, "f")
    amount = fields.amount(row, "f")
    assert amount is None or Decimal(amount).is_finite()
    for found in (fields.count(row, "f"), fields.size_bytes(row, "f")):
        assert found is None or found >= 0


@pytest.mark.parametrize(
    "stated", [10**400, -(10**400), 1e308, float("inf"), float("nan"), 0, True]
)
def test_a_stated_size_that_cannot_be_one_says_nothing(stated: float) -> None:
    """JSON has numbers of any length: none of them may cost the row, let alone the page."""
    assert fields.size_bytes({"size": stated}, "size") is None
