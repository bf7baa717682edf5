"""Durations and sizes as people write them: "15m", "30d", "20GB".

Used by the config (`archiver.options`) and by command-line options alike, so both accept the
same words.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {
    "": 1,
    "b": 1,
    **{f"{unit}b": 1000**power for power, unit in enumerate("kmgt", start=1)},
    **{f"{unit}ib": 1024**power for power, unit in enumerate("kmgt", start=1)},
}
_WRITTEN = {name.upper().replace("I", "i"): size for name, size in _BYTES.items() if name != "b"}
_SHOWN = ("kB", "MB", "GB", "TB", "PB")


def parse_duration(text: object) -> timedelta:
    """Read "90s", "15m", "6h", "30d", "2w" or a sum such as "1h30m"; raises ValueError."""
    if isinstance(text, timedelta):
        return text
    words = str(text).strip().lower().replace(" ", "")
    if not re.fullmatch(r"(\d+(\.\d+)?[smhdw])+", words):
        raise ValueError('should be a duration such as "90s", "15m", "6h" or "30d"')
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", words)
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError("is too long a duration") from None


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest units that fit, two at most: "1h30m", "30d"."""
    seconds = round(abs(value.total_seconds()))
    if seconds < 1:
        return "0s"
    parts: list[str] = []
    for unit, size in sorted(_SECONDS.items(), key=lambda item: -item[1]):
        if unit != "w" and seconds >= size:
            parts.append(f"{seconds // size}{unit}")
            seconds %= size
    return "".join(parts[:2])


def parse_size(text: object) -> int:
    """Read "20GB", "512KiB", "100 MB" or a plain number of bytes; raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(text).strip().lower())
    if match is None or match[2] not in _BYTES:
        raise ValueError('should be a size such as "500KB", "20GB" or "512MiB"')
    return int(Decimal(match[1]) * _BYTES[match[2]])


def parse_rate(text: object) -> int:
    """Read "20MB/s" (bytes each second; "0" is no limit); raises ValueError."""
    return parse_size(re.sub(r"\s*/\s*s$", "", str(text).strip(), flags=re.IGNORECASE))


def write_size(size_bytes: int) -> str:
    """Write a number of bytes exactly, in the unit that needs the fewest digits: "8MiB"."""
    written = [
        f"{size_bytes // size}{name}" for name, size in _WRITTEN.items() if size_bytes % size == 0
    ]
    return min(written, key=len) if size_bytes else "0"


def format_size(size_bytes: float) -> str:
    """Write a number of bytes with three digits at most: "1.2 GB", "640 B"."""
    if size_bytes < 999.5:
        return f"{size_bytes:.0f} B"
    power = 1
    while power < len(_SHOWN) and size_bytes >= 999.5 * 1000**power:
        power += 1
    return f"{size_bytes / 1000**power:.3g} {_SHOWN[power - 1]}"


def parse_time(text: object) -> datetime:
    """Read an RFC 3339 time or a date; one without a zone is in UTC. Raises ValueError."""
    try:
        parsed = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise ValueError(
            'should be a date or a time such as "2026-03-08" or "2026-03-08T12:00Z"'
        ) from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def format_time(value: datetime) -> str:
    """Write a time as RFC 3339 in UTC with a Z: whole seconds when it has no fraction."""
    text = value.astimezone(UTC).isoformat(timespec="auto")
    return text.replace("+00:00", "Z")
