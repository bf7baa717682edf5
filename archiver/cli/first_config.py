"""What `archiver init` was told, by options or by a person, and the config that comes of it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

Options = dict[str, Any]
KEY_PLACES = ("env", "file", "credential", "command")
_STAND_IN_ACCOUNT = {"account": {"provider": "oxen", "api_key": {"env": "STAND_IN"}}}
_STAND_IN_DESTINATION = {"destination": {"type": "local", "path": "/"}}
_BUCKET_OPTIONS = ("endpoint_url", "region", "access_key_env", "secret_key_env")
_NAMED = re.compile(r"([a-z0-9][a-z0-9_-]*)=(.+)", re.DOTALL | re.IGNORECASE)


@dataclass(slots=True)
class Answers:
    """Options of each account and destination, and keys that go into files of their own."""

    accounts: dict[str, Options]
    destinations: dict[str, Options]
    keys_to_write: dict[Path, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise a usage error that says all that is wrong with what there is so far."""
        mistakes = find_mistakes(self.accounts, self.destinations)
        if mistakes:
            raise click.UsageError("\n".join(mistakes))

    def as_config(self) -> str:
        """Write the config file."""
        from archiver.config.template import make_config

        return make_config(self.accounts, self.destinations)

    def keys_to_put(self) -> Iterator[str]:
        """Say for each key what has still to be done so that it can be read."""
        for name, options in self.accounts.items():
            place = options["api_key"]
            if "env" in place and not os.environ.get(place["env"]):
                yield f"export {place['env']}=…   # the key of {name}"
            if "file" in place and not os.path.exists(Path(place["file"]).expanduser()):  # noqa: PTH110  # a closed folder is no error here
                yield f"put the key of {name} into {place['file']} and chmod 600 it"
            if "credential" in place:
                yield f"in the unit: LoadCredential={place['credential']}:/path, the key of {name}"


def find_mistakes(
    accounts: Mapping[str, Options], destinations: Mapping[str, Options]
) -> list[str]:
    """Say what is wrong with some accounts or destinations, though the rest is not there yet."""
    from archiver.config.load import judge_document

    _, problems = judge_document(
        {
            "accounts": dict(accounts) or _STAND_IN_ACCOUNT,
            "destinations": dict(destinations) or _STAND_IN_DESTINATION,
        }
    )
    return [problem.text for problem in problems]


def account_options(
    accounts: Sequence[str], given: Mapping[str, Sequence[str]]
) -> dict[str, Options]:
    """Put together what the options say of accounts; raises a usage error."""
    found = dict[str, Options]()
    for text in accounts:
        name, _, provider = text.rpartition("=")
        name = name or provider
        if name in found:
            raise click.UsageError(f"--account {text}: there is an account {name} already")
        found[name] = {"provider": provider}
    for place in KEY_PLACES:
        for name, text in _assigned(f"--key-{place}", given[f"key_{place}"], found):
            if "api_key" in found[name]:
                raise click.UsageError(f"--key-{place}: the key of {name} has two places")
            found[name]["api_key"] = {place: read_place(place, text)}
    for name, plan in _assigned("--plan", given["plan"], found):
        found[name]["plan"] = plan
    providers = [options["provider"] for options in found.values()]
    for name, options in found.items():
        is_only = providers.count(options["provider"]) == 1
        options.setdefault("api_key", {"env": key_variable(name, options["provider"], is_only)})
    return found


def read_place(place: str, text: str) -> str | list[str]:
    """Read where a key is kept as a person writes it; raises a usage error."""
    if place == "file":
        return absolute(text)
    if place == "command":
        try:
            return shlex.split(text)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is no command: {error}") from None
    return text


def key_variable(name: str, provider: str, is_only: bool) -> str:
    """Name the variable that a key is looked for in: the provider's, or the account's own."""
    return re.sub(r"\W", "_", (provider if is_only else name).upper()) + "_API_KEY"


def destination_options(
    destinations: Sequence[str], given: Mapping[str, Sequence[str]]
) -> dict[str, Options]:
    """Put together what the options say of destinations; raises a usage error."""
    found = dict[str, Options]()
    for text in destinations:
        match = None if "://" in text.partition("=")[0] else _NAMED.fullmatch(text)
        options = read_destination(match[2] if match else text)
        name = match[1] if match else destination_name(options)
        if name in found:
            raise click.UsageError(
                f"--destination {text}: there is a destination {name} already; write NAME=PLACE"
            )
        found[name] = options
    buckets = {name: options for name, options in found.items() if options["type"] == "s3"}
    for option in _BUCKET_OPTIONS:
        flag = f"--{option.replace('_', '-')}"
        for name, text in _assigned(flag, given[option], buckets):
            key = option.removesuffix("_env")
            buckets[name][key] = {"env": text} if option.endswith("_env") else text
    return found


def read_destination(text: str) -> Options:
    """Read a directory or an s3:// address; raises a usage error."""
    if text.startswith("s3://"):
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        return {"type": "s3", "bucket": bucket, **({"prefix": prefix} if prefix else {})}
    if "://" in text:
        raise click.BadParameter(f"{text!r} is neither a directory nor s3://bucket/prefix")
    return {"type": "local", "path": absolute(text)}


def destination_name(options: Options) -> str:
    """Name a destination that nobody named."""
    return "vault" if options["type"] == "s3" else "disk"


def absolute(text: str) -> str:
    """Keep a path valid wherever the config lies: here it starts where the person is."""
    return text if text.startswith("~") else os.path.abspath(text)  # noqa: PTH100  # also takes ".." away


def _assigned(
    flag: str, texts: Iterable[str], names: Mapping[str, Options]
) -> Iterator[tuple[str, str]]:
    """Split NAME=VALUE; NAME may be missing where there is one account or bucket only."""
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and name in names:
            yield name, value
        elif len(names) == 1:
            yield next(iter(names)), text
        else:
            known = ", ".join(names) or "none"
            raise click.UsageError(f"{flag} {text}: write NAME=VALUE, with one of: {known}")
