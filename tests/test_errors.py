"""The tree of errors that is drawn is the tree that there is."""

from __future__ import annotations

import re

import pytest

from archiver import errors
from archiver.errors import ArchiverError, ConfigInvalid

SPEC_EXIT_CODES = {1, 3, 10, 11, 12, 78, 130}
"""Those of the exit codes in the SPEC that an error leads to: 2 is click's, 4 the run's own."""
_LINE = re.compile(
    r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<code>\d+(?= ))? *(?P<meaning>\S.*)$"
)


def drawn() -> dict[str, tuple[str | None, int]]:
    """Read the tree of the docstring: name -> (name of the parent, exit code)."""
    tree: dict[str, tuple[str | None, int]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _LINE.match(line)
        if match is None or (not tree and match["name"] != "ArchiverError"):
            continue
        if tree and not match["indent"]:
            break
        depth = len(match["indent"]) // 4
        parent = path[depth - 1] if depth else None
        inherited = tree[parent][1] if parent else 1
        tree[match["name"]] = (parent, int(match["code"] or inherited))
        path[depth:] = [match["name"]]
    return tree


def defined() -> dict[str, tuple[str | None, int]]:
    """Read the classes of the module in the same form."""
    found = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    return {
        one.__name__: (
            None if one is ArchiverError else one.__mro__[1].__name__,
            getattr(one, "exit_code"),  # noqa: B009  # mypy knows only Exception here
        )
        for one in found
    }


def test_the_drawn_tree_is_the_real_one() -> None:
    """Every class stands in the docstring, below its parent and with its exit code."""
    assert drawn() == defined()
    assert list(drawn()) == list(defined())


def test_every_error_leads_to_an_exit_code_of_the_spec() -> None:
    """Scripts rely on the codes: no class makes up its own."""
    assert {code for _, code in defined().values()} <= SPEC_EXIT_CODES


@pytest.mark.parametrize("name", defined())
def test_every_error_says_what_it_is_for(name: str) -> None:
    """A class has a docstring of its own, and an error its message and what is known of it."""
    made: type[ArchiverError] = getattr(errors, name)
    error = made("what happened")

    assert made.__doc__ != ArchiverError.__doc__ or made is ArchiverError
    assert "what happened" == str(error)
    assert (None, None) == (error.retry_after_seconds, error.http_status)
    assert isinstance(error.is_transient, bool)


def test_an_invalid_config_lists_all_its_problems() -> None:
    """One line each, below the message, and as data."""
    error = ConfigInvalid("config.toml has 2 mistakes:", ("one", "two"))

    assert "config.toml has 2 mistakes:\n  one\n  two" == str(error)
    assert ("one", "two") == error.problems
