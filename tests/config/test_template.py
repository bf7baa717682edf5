"""A first config is the example with the user's own tables in it: nothing is said twice."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from archiver.config.template import make_config, read_example

KEY = {"api_key": {"env": "A_KEY"}}
ACCOUNTS = {
    "farm": {"provider": "oxen", **KEY},
    "studio": {"provider": "geminigen", **KEY},
    "box": {"provider": "neuralbox", "plan": "vip", **KEY},
    "lips": {"provider": "sync", **KEY},
}
DESTINATIONS: dict[str, dict[str, Any]] = {
    "vault": {"type": "s3", "bucket": "my-bucket", "prefix": "some/"},
    "disk": {"type": "local", "path": '/a "b"\\c'},
    "mirror": {"type": "s3", "bucket": "my-mirror"},
}


def lines_of(text: str) -> list[str]:
    """The lines, with options in comments and those that count alike."""
    return [re.sub(r"^# (?=\w+ = )", "", line) for line in text.splitlines() if line]


def test_what_is_given_is_what_counts() -> None:
    """Accounts and destinations as they were given, in their order, and nothing else is set."""
    document = tomllib.loads(make_config(ACCOUNTS, DESTINATIONS))

    assert (ACCOUNTS, DESTINATIONS) == (document.pop("accounts"), document.pop("destinations"))
    assert list(ACCOUNTS) == list(tomllib.loads(make_config(ACCOUNTS, DESTINATIONS))["accounts"])
    assert all(options == {} for options in document.values())


def test_every_comment_and_option_of_the_example_is_there() -> None:
    """With all providers and types in use, only their own values differ."""
    made = make_config(ACCOUNTS, DESTINATIONS)
    own = re.compile(r"^(api_key|plan|bucket|prefix|path) = |^\[")

    lost = {line for line in lines_of(read_example()) if not own.match(line)} - set(lines_of(made))

    assert set() == lost


def test_no_sentence_is_said_twice() -> None:
    """The first account and the first bucket are explained, the next ones only named."""
    made = make_config(
        {**ACCOUNTS, "second": ACCOUNTS["farm"]},
        {**DESTINATIONS, "second": DESTINATIONS["disk"]},
    )
    comments = [
        line
        for line in made.splitlines()
        if line.startswith("# ") and not re.match(r"# \w+ =", line)
    ]

    twice = {line for line in comments if comments.count(line) > 1}

    own_of_second = {
        "# Namespaces to list, such as organisations; none: the key owner's.",
        "# Rows a request; fewer where embedded inputs make one answer too large.",
    }
    assert own_of_second == twice


def test_options_of_all_accounts_are_explained_whatever_the_first_one_is() -> None:
    """Also where the provider that the example explains them with is not used."""
    for name, options in ACCOUNTS.items():
        made = make_config({name: options}, DESTINATIONS)

        assert "# retention = " in made, name
        assert "# Where the key is kept" in made, name
        assert "# One table for each account." in made, name


def test_it_begins_with_what_editors_look_for() -> None:
    """The directive must be in the first line, and the file ends with one end of line."""
    made = make_config(ACCOUNTS, DESTINATIONS)

    assert made.startswith("#:schema ")
    assert made.endswith("]\n")
    assert "\n\n\n" not in made
