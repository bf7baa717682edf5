"""The questions of `archiver init`: each answer is checked as it is given, and asked for again.

Questions go to stderr, so that `--output -` still has nothing but the config on stdout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click

from archiver.cli.first_config import (
    KEY_PLACES,
    Answers,
    Options,
    destination_name,
    find_mistakes,
    key_variable,
    read_destination,
    read_place,
)

Answer = TypeVar("Answer")


def can_ask() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def complete(answers: Answers, path: Path | None) -> None:
    """Ask for what is not there yet: accounts, destinations, or both."""
    folder = Path.cwd() if path is None else path.parent
    if not answers.accounts:
        _say("Which accounts should be archived?")
        while not answers.accounts or _confirm("Another account?"):
            _ask_account(answers, folder)
    if not answers.destinations:
        _say("\nWhere should the files be kept? Two places are safer than one.")
        while not answers.destinations or _confirm("Another place?"):
            _ask_destination(answers)


def _ask_account(answers: Answers, folder: Path) -> None:
    from archiver.providers import PROVIDERS

    provider = _choose("Provider", tuple(PROVIDERS))
    name = _ask_name("Name of this account", provider, answers.accounts, _account_of(provider))
    options: Options = {"provider": provider}
    plans = _plans_of(provider)
    if plans:
        plan = _choose("Plan (it decides how long files stay)", (*plans, "unknown"), "unknown")
        options |= {} if plan == "unknown" else {"plan": plan}
    options["api_key"] = _ask_key(answers, name, provider, folder)
    answers.accounts[name] = options


def _ask_key(answers: Answers, name: str, provider: str, folder: Path) -> Options:
    """Ask where a key is kept; it goes into a file of its own if the person wants that."""
    place = _choose("Where is its key kept", KEY_PLACES, "env")
    is_only = all(one["provider"] != provider for one in answers.accounts.values())
    question, default = {
        "env": ("Environment variable", key_variable(name, provider, is_only)),
        "file": ("File", str(folder / f"{name}.key")),
        "credential": ("Name of the systemd credential", name),
        "command": ("Command that prints it", f"pass show archiver/{name}"),
    }[place]

    def read(text: str) -> Options:
        source = {place: read_place(place, text)}
        _check({name: {"provider": provider, "api_key": source}}, {})
        return source

    source = _ask(question, read, default)
    if place == "file":
        _ask_key_itself(answers, Path(source["file"]).expanduser())
    return source


def _ask_key_itself(answers: Answers, file: Path) -> None:
    if os.path.exists(file):  # noqa: PTH110  # Path.exists raises in a folder closed to us
        return
    key = _ask(
        "The key, to be written there (not shown; empty: you do it later)",
        _read_key,
        "",
        hide_input=True,
        show_default=False,
    )
    if key:
        answers.keys_to_write[file] = key


def _read_key(text: str) -> str:
    if not text.strip().isprintable():
        raise click.BadParameter("it holds characters that no key may have")
    return text.strip()


def _ask_destination(answers: Answers) -> None:
    def read(text: str) -> Options:
        options = read_destination(text)
        _check({}, {"place": options})
        return options

    options = _ask("A folder, or s3://bucket/prefix", read)
    if options["type"] == "s3":
        options |= _ask_store(options)
    default = destination_name(options)
    name = _ask_name(
        "Name of this place", default, answers.destinations, lambda name: ({}, {name: options})
    )
    answers.destinations[name] = options


def _ask_store(options: Options) -> Options:
    """Ask how a bucket is reached."""

    def read(option: str) -> Callable[[str], Options]:
        def checked(text: str) -> Options:
            more = {option: text} if text else {}
            _check({}, {"place": options | more})
            return more

        return checked

    def variable(text: str) -> str:
        pair = {"access_key": {"env": text}, "secret_key": {"env": text}}
        _check({}, {"place": options | pair})
        return text

    quiet: Any = {"default": "", "show_default": False}
    found = _ask("Address of the store, https://… (empty: AWS)", read("endpoint_url"), **quiet)
    found |= _ask("Region (empty: the store's own)", read("region"), **quiet)
    keys = _choose(
        "Its keys: AWS's usual chain, or variables of their own", ("chain", "env"), "chain"
    )
    if keys == "env":
        for option in ("access_key", "secret_key"):
            question = f"Variable of the {option.replace('_', ' ')}"
            found[option] = {"env": _ask(question, variable, f"VAULT_{option.upper()}")}
    return found


def _ask_name(
    question: str,
    default: str,
    taken: dict[str, Options],
    example: Callable[[str], tuple[dict[str, Options], dict[str, Options]]],
) -> str:
    def read(name: str) -> str:
        if name in taken:
            raise click.BadParameter(f"{name} is taken")
        _check(*example(name))
        return name

    numbered = (f"{default}-{number}" for number in range(2, len(taken) + 3))
    return _ask(question, read, next(one for one in (default, *numbered) if one not in taken))


def _account_of(provider: str) -> Callable[[str], tuple[dict[str, Options], dict[str, Options]]]:
    return lambda name: ({name: {"provider": provider, "api_key": {"env": "STAND_IN"}}}, {})


def _plans_of(provider: str) -> tuple[str, ...]:
    """Name the plans that an account may have at a provider, where it has any."""
    from archiver.providers import PROVIDERS

    field = import_module(PROVIDERS[provider]).Options.model_fields.get("plan")
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), ())


def _check(accounts: dict[str, Options], destinations: dict[str, Options]) -> None:
    mistakes = find_mistakes(accounts, destinations)
    if mistakes:
        raise click.BadParameter("; ".join(mistakes))


def _ask(
    question: str, read: Callable[[str], Answer], default: str | None = None, **options: Any
) -> Answer:
    """Ask until the answer is one."""
    answer: Answer = click.prompt(question, default, value_proc=read, err=True, **options)
    return answer


def _choose(question: str, words: tuple[str, ...], default: str | None = None) -> str:
    answer: str = click.prompt(question, default, type=click.Choice(words), err=True)
    return answer


def _confirm(question: str) -> bool:
    return click.confirm(question, default=False, err=True)


def _say(line: str) -> None:
    click.echo(line, err=True)
