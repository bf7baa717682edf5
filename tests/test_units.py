"""Durations, sizes and times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from archiver import options, units

durations = st.timedeltas(timedelta(0), timedelta(days=20_000))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("6h", timedelta(hours=6)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("1h30m", timedelta(minutes=90)),
        (" 1H 30M ", timedelta(minutes=90)),
        ("0s", timedelta(0)),
        ("1.5h", timedelta(minutes=90)),
        (timedelta(days=1), timedelta(days=1)),
    ],
)
def test_durations_are_read(text: object, expected: timedelta) -> None:
    """Units from seconds to weeks, sums of them, in either case."""
    assert units.parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "15", "m", "-5m", "15 minutes", "1y", "1h-5m", "1e3s", None, 900, "9" * 30 + "w"]
)
def test_other_durations_are_refused(text: object) -> None:
    """A bare number has no unit, and what is too long is a mistake as well."""
    with pytest.raises(ValueError, match="duration"):
        units.parse_duration(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (timedelta(0), "0s"),
        (timedelta(milliseconds=400), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=30), "30d"),
        (timedelta(days=1, minutes=5), "1d5m"),
        (timedelta(days=1, hours=2, minutes=3), "1d2h"),
        (timedelta(hours=-2), "2h"),
    ],
)
def test_durations_are_shown_short(value: timedelta, expected: str) -> None:
    """A person sees the two largest units."""
    assert units.format_duration(value) == expected


@given(durations)
def test_a_duration_in_a_config_comes_back(value: timedelta) -> None:
    """What the config shows as effective is read as exactly the same duration."""
    adapter: TypeAdapter[timedelta] = TypeAdapter(options.Duration)

    shown = adapter.dump_python(value)

    assert adapter.validate_python(shown) == value


@pytest.mark.parametrize("text", ["15m", "1h30m", "30d", "24h", "0s"])
def test_the_schema_takes_what_is_shown(text: str) -> None:
    """Durations in the config are shown in the words people write."""
    adapter: TypeAdapter[timedelta] = TypeAdapter(options.Duration)

    shown = adapter.dump_python(adapter.validate_python(text))

    assert units.parse_duration(shown) == units.parse_duration(text)
    assert len(shown) <= len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        (12, 12),
        ("640B", 640),
        ("20GB", 20 * 1000**3),
        ("512 KiB", 512 * 1024),
        ("100 mb", 100_000_000),
        ("1.5MB", 1_500_000),
        ("8MiB", 8 * 1024**2),
        ("1TiB", 1024**4),
        ("9007199254740993", 9007199254740993),
        ("0.1kB", 100),
    ],
)
def test_sizes_are_read_exactly(text: object, expected: int) -> None:
    """Decimal and binary units, with no rounding of large numbers."""
    assert units.parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1", "20 gigabytes", "1e6", "20GB/s", True, None])
def test_other_sizes_are_refused(text: object) -> None:
    """A rate is no size, and neither is a word."""
    with pytest.raises(ValueError, match="size"):
        units.parse_size(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("20MB/s", 20_000_000), ("1 MiB / s", 1024**2), ("5kb", 5000)]
)
def test_rates_are_read(text: str, expected: int) -> None:
    """A rate is a size each second."""
    assert units.parse_rate(text) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.7, "1 kB"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_400, "999 kB"),
        (999_600, "1 MB"),
        (20 * 1000**3, "20 GB"),
        (1500 * 1000**4, "1.5 PB"),
    ],
)
def test_sizes_are_shown_short(size: float, expected: str) -> None:
    """Three digits at most, in the unit that fits."""
    assert units.format_size(size) == expected


@given(st.integers(0, 10**18))
def test_a_shown_size_is_near(size: int) -> None:
    """Rounding for the eye never shows another order of size."""
    number, unit = units.format_size(size).split()
    scale = {"B": 0, "kB": 1, "MB": 2, "GB": 3, "TB": 4, "PB": 5}[unit]

    assert float(number) * 1000**scale == pytest.approx(size, rel=0.01, abs=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-09-27", datetime(2025, 9, 27, tzinfo=UTC)),
        ("2025-09-27T12:00:00Z", datetime(2025, 9, 27, 12, tzinfo=UTC)),
        ("2025-09-27T12:00:00+02:00", datetime(2025, 9, 27, 10, tzinfo=UTC)),
        (" 2025-09-27 12:00 ", datetime(2025, 9, 27, 12, tzinfo=UTC)),
        (datetime(2025, 9, 27), datetime(2025, 9, 27, tzinfo=UTC)),  # noqa: DTZ001 - the point
    ],
)
def test_times_are_read_in_utc(text: object, expected: datetime) -> None:
    """A time without a zone is in UTC, and every result is."""
    assert units.parse_time(text) == expected
    assert units.parse_time(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01", None])
def test_other_times_are_refused(text: object) -> None:
    """What is no time is a ValueError, as pydantic and click expect."""
    with pytest.raises(ValueError, match=r"."):
        units.parse_time(text)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_written_time_comes_back(value: datetime) -> None:
    """RFC 3339 with a Z, and nothing is lost."""
    text = units.format_time(value.astimezone(timezone(timedelta(hours=5))))

    assert text.endswith("Z")
    assert units.parse_time(text) == value
