"""Five cron fields, as `schedule.cron` takes them: checked before anything starts."""

from __future__ import annotations

import re

_FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day of the month": (1, 31),
    "month": (1, 12),
    "day of the week": (0, 7),
}
_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of the week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")


def check_cron(text: str) -> str:
    """Return the text, or raise ValueError that names the field that cannot be."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f'should have five fields such as "*/15 * * * *" ({", ".join(_FIELDS)}), '
            f"not {len(fields)}"
        )
    for (name, (least, most)), field in zip(_FIELDS.items(), fields, strict=True):
        if not all(_is_part(_in_digits(name, part), least, most) for part in field.split(",")):
            raise ValueError(f"has {field!r} for the {name}, which goes from {least} to {most}")
    return text


def _in_digits(field: str, part: str) -> str:
    """Write names of months and days as numbers."""
    names = _NAMES.get(field, [])
    first = _FIELDS[field][0]
    for number, name in enumerate(names, start=first):
        part = re.sub(rf"\b{name}\b", str(number), part)
    return part


def _is_part(part: str, least: int, most: int) -> bool:
    """Tell whether it is `*`, a number or a range, with a step or without."""
    match = _PART.fullmatch(part)
    if match is None or match[3] == "0":
        return False
    numbers = [int(number) for number in match.group(1, 2) if number is not None]
    return sorted(numbers) == numbers and all(least <= number <= most for number in numbers)
