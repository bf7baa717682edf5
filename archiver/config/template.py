"""Writes a first config: the user's accounts and destinations, set among all other options.

Comments and values come from example.toml, which the tests hold to the truth: there is no second
copy of them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from archiver.config.describe import write_value
from archiver.providers.base import AccountOptions

Tables = Mapping[str, Mapping[str, Any]]
"""Name of an account or a destination -> its options."""

_HEADER = re.compile(r"^\[([\w.]+)\]$")
_OPTION = re.compile(r"^(?:# )?((\w+) = .*)$")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One option as the example shows it: what is said of it, and the line that sets it."""

    name: str
    comments: tuple[str, ...]
    line: str


def read_example() -> str:
    """Read the config that shows every option."""
    return files("archiver.config").joinpath("example.toml").read_text(encoding="utf-8")


def make_config(accounts: Tables, destinations: Tables) -> str:
    """Write a config file; what is not given stands there as a comment, with its default."""
    example = read_example()
    blocks = _blocks(example)
    parts = [
        *blocks.pop(""),
        *_named("accounts", "provider", accounts, blocks, example),
        *_named("destinations", "type", destinations, blocks, example),
    ]
    for header, lines in blocks.items():
        if "." not in header:
            parts += ["", *(re.sub(r"^(?=\w+ = )", "# ", line) for line in lines)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip() + "\n"


def _blocks(example: str) -> dict[str, list[str]]:
    """Cut the example into its tables, by header; "" is what stands before the first one."""
    blocks, above = dict[str, list[str]](), list[str]()
    here = blocks.setdefault("", [])
    for line in example.splitlines():
        if match := _HEADER.match(line):
            here = blocks.setdefault(match[1], [*above, line])
            above = []
        elif line.startswith("#"):
            above.append(line)  # of the next header, if it comes without a blank line between
        else:
            here += [*above, line]
            above = []
    here += above
    return blocks


def _named(
    section: str, discriminator: str, given: Tables, blocks: Mapping[str, list[str]], example: str
) -> Iterator[str]:
    """Write the tables of accounts or destinations. The first of its sort has all the comments."""
    shown = {
        options[discriminator]: blocks[f"{section}.{name}"]
        for name, options in tomllib.loads(example)[section].items()
    }
    common = _entries(next(iter(shown.values()))) if section == "accounts" else []
    seen = set[str]()
    for name, options in given.items():
        sort = options[discriminator]
        entries = _entries(shown[sort])
        if section == "accounts":
            entries = _of_account(entries, common, is_first=not seen)
        elif sort in seen:
            entries = [entry for entry in entries if entry.name in options]
        above = [] if seen else _introduction(next(iter(shown.values())))
        yield from ["", *above, f"[{section}.{name}]"]
        yield from _table(entries, options, discriminator)
        seen.add(sort)


def _introduction(block: list[str]) -> list[str]:
    """What stands above the header."""
    return block[: next(number for number, line in enumerate(block) if _HEADER.match(line))]


def _entries(block: list[str]) -> list[_Entry]:
    found, comments = list[_Entry](), list[str]()
    for line in block[len(_introduction(block)) + 1 :]:
        if match := _OPTION.match(line):
            found.append(_Entry(match[2], tuple(comments), match[1]))
            comments = []
        elif line:
            comments.append(line)
    return found


def _of_account(own: list[_Entry], common: list[_Entry], *, is_first: bool) -> list[_Entry]:
    """What is said of an account: the first one explains what all have, each what is its own."""
    shared = {entry.name: entry for entry in common if entry.name in AccountOptions.model_fields}
    if not is_first:
        always = ("provider", "api_key", "base_url")
        return [
            _Entry(entry.name, () if entry.name in shared else entry.comments, entry.line)
            for entry in own
            if entry.name not in shared or entry.name in always
        ]
    named = {entry.name for entry in own}
    explained = [
        _Entry(entry.name, entry.comments or shared[entry.name].comments, entry.line)
        if entry.name in shared
        else entry
        for entry in own
    ]
    return [*explained, *(entry for name, entry in shared.items() if name not in named)]


def _table(entries: list[_Entry], options: Mapping[str, Any], discriminator: str) -> Iterator[str]:
    for entry in entries:
        yield from entry.comments
        is_given = entry.name == discriminator or entry.name in options
        yield (
            f"{entry.name} = {write_value(options[entry.name])}" if is_given else f"# {entry.line}"
        )
