"""Typed reading of a provider's JSON: each field is what it should be, absent, or an error.

Services answer with nulls, empty strings and numbers as text where their pages show something
else. These functions take what can only mean one thing, and raise RowInvalid, which names the
field and never its whole value, for the rest. What only adorns a generation (its prompt, its
cost) is left out when it is not understood (`optional_text`, `amount`): the raw record keeps
it, and no file is lost for it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import quote

from archiver.model import Status
from archiver.redaction import clean_record, clean_text
from archiver.units import parse_time

Row = Mapping[str, object]
LARGEST_INTEGER = (1 << 63) - 1
"""What SQLite can store; a larger count or size is no count and no size."""
MAX_ID_LENGTH = 500
_ID_NAMES = ("uuid", "generation_id", "id")
MAX_AMOUNT_DIGITS = 30


class RowInvalid(ValueError):
    """A record that cannot be understood; says which field, and what was found there."""


def text(row: Row, name: str) -> str | None:
    """Read a text or number as text, cleaned of signed queries; empty and null are None."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise RowInvalid(f"{name} is {_what(value)}, not text")


def required_text(row: Row, name: str) -> str:
    """Read a text that must be there."""
    value = text(row, name)
    if value is None:
        raise RowInvalid(f"{name} is missing")
    return value


def optional_text(row: Row, *names: str) -> str | None:
    """Read the first of these fields that is a text; anything else is as good as absent."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return clean_text(value)
    return None


def identity(row: Row, name: str) -> str:
    """Read a provider's own id: a text or whole number that can stand in a path."""
    value = row.get(name)
    if isinstance(value, float):
        if not value.is_integer():
            raise RowInvalid(f"{name} is {_what(value)}, not a whole number")
        return str(int(value))
    found = required_text(row, name).strip()
    is_printable = str(value).strip().isprintable()  # before a half of a letter was cleaned away
    if not found or found in (".", "..") or len(found) > MAX_ID_LENGTH or not is_printable:
        raise RowInvalid(f"{name} can be no id")
    return found


def path_segment(generation_id: str) -> str:
    """Write an id so that it stays one segment of a path."""
    return quote(generation_id, safe="")


def integer(row: Row, name: str) -> int | None:
    """Read a whole number, also as text ("2") or 2.0; null, empty and absent are None."""
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            return int(value.strip())
        if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise RowInvalid(f"{name} is {_what(value)}, not a whole number")


def count(row: Row, name: str) -> int | None:
    """Read a number of things that an envelope states; what is no such number says nothing."""
    try:
        value = integer(row, name)
    except RowInvalid:
        return None
    return value if value is not None and 0 <= value <= LARGEST_INTEGER else None


def amount(row: Row, *names: str) -> str | None:
    """Read the first of these fields that is a number as a decimal text, without an exponent."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                number = Decimal(str(value).strip())
            except (InvalidOperation, ValueError):
                continue
            if number.is_finite() and abs(number.adjusted()) < MAX_AMOUNT_DIGITS:
                return f"{number:f}"
    return None


def size_bytes(row: Row, name: str) -> int | None:
    """Read a stated size: only a positive number says anything, the rest is None."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 1 <= value <= LARGEST_INTEGER else None


def time(row: Row, name: str) -> datetime | None:
    """Read an ISO 8601 time; one without a zone is in UTC, as the services mean it.

    The first year is how some servers write "never": it is None.
    """
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        moment = parse_time(value) if isinstance(value, str) else _from_unix(value)
        return moment if moment.year > 1 else None
    except (ValueError, OverflowError, OSError, TypeError):
        raise RowInvalid(f"{name} is {_what(value)}, not a time") from None


def unix_time(row: Row, name: str) -> datetime | None:
    """Read a Unix time in seconds, also as text; null and absent are None."""
    value = row.get(name)
    is_number = isinstance(value, str) and value.strip().isdecimal()
    return time({name: integer(row, name)} if is_number else row, name)


def _from_unix(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return datetime.fromtimestamp(value, UTC)


def rows(row: Row, name: str) -> tuple[Row, ...]:
    """Read a list of objects; absent is empty, one object a list of one, the rest an error."""
    value = row.get(name)
    if value is None or value == "":
        return ()
    if isinstance(value, Mapping):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowInvalid(f"{name} is {_what(value)}, not a list of objects")
    return tuple(value)


def read_id(row: Row) -> str | None:
    """Find what a malformed row calls itself, for the message about it."""
    return next((found for name in _ID_NAMES if (found := stated_id(row, name))), None)


def stated_id(row: Row, name: str) -> str | None:
    """Read an id that may be anything, to tell records apart and to name one in a message."""
    value = row.get(name)
    return clean_text(str(value)[:MAX_ID_LENGTH]) if isinstance(value, str | int) else None


def open_status(
    row: Row, name: str, known: Mapping[str, Status], *, has_output: bool, has_error: bool
) -> Status:
    """Read a status from an enumeration that the service may extend.

    A word that nobody documented is judged by what came with it: an error is a failure, a file
    a success. With neither it is in progress: it is asked for again, and nothing is given up.
    """
    word = optional_text(row, name)
    found = known.get(word.strip().lower()) if word else None
    if found is not None:
        return found
    if has_error:
        return Status.FAILED
    return Status.COMPLETED if has_output else Status.IN_PROGRESS


def names(words: str) -> frozenset[str]:
    """Make a set of field names of a text that holds them between spaces."""
    return frozenset(words.split())


def percentage(row: Row, name: str) -> int | None:
    """Read how much of a whole is done; what is no number from 0 to 100 says nothing."""
    found = _finite(row.get(name))
    return int(found) if found is not None and 0 <= found <= 100 else None


def seconds(row: Row, name: str) -> float | None:
    """Read how long something is said to take; what is no positive number says nothing."""
    found = _finite(row.get(name))
    return found if found is not None and found >= 0 else None


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def rest(row: Row, fixed: Collection[str]) -> dict[str, object]:
    """Copy all that is set and not one of the fixed fields, cleaned: the parameters."""
    return {
        str(name): clean_record(value)
        for name, value in row.items()
        if name not in fixed and value is not None and value not in ("", [])
    }


def merge(listed: Row | None, detail: Row) -> Row:
    """Lay a detail record over the listed one; what is null or empty there hides nothing."""
    said = {name: value for name, value in detail.items() if value is not None and value != ""}
    return {**detail, **(listed or {}), **said}


def newest_record(raw: Mapping[str, object]) -> Row:
    """Lay the records of Generation.raw over each other, the detail on top."""
    listed, detail = raw.get("list"), raw.get("detail")
    upper = detail if isinstance(detail, Mapping) else {}
    return merge(listed if isinstance(listed, Mapping) else None, upper)


def raw_records(listed: Row | None, detail: Row | None) -> dict[str, object]:
    """Make Generation.raw of the records that are there."""
    records = {"list": listed, "detail": detail}
    return {name: clean_record(record) for name, record in records.items() if record is not None}


def _what(value: object) -> str:
    return repr(value)[:40] if isinstance(value, int | float | bool) else type(value).__name__
