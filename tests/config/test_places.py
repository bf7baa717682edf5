"""Each mistake is told with its place: a line of the file, or the variable that it came from."""

from __future__ import annotations

import pytest

from archiver.config import parse_config
from archiver.config.lines import find_lines
from archiver.errors import ConfigInvalid

ACCOUNT = '[accounts.a]\nprovider = "oxen"\napi_key = { env = "A_KEY" }\n'
DISK = '[destinations.disk]\ntype = "local"\npath = "/archive"\n'


def problems_of(text: str, **environment: str) -> list[str]:
    """What is said about a config that is refused, one text a mistake."""
    variables = {f"ARCHIVER__{name}": value for name, value in environment.items()}
    with pytest.raises(ConfigInvalid) as caught:
        parse_config(text, variables)
    assert 78 == caught.value.exit_code
    return list(caught.value.problems)


def test_three_mistakes_are_told_with_key_place_and_cure() -> None:
    """All three at once; the way out stands in each line."""
    text = f'[schedule]\nevery = "soon"\n\n{ACCOUNT.replace("api_key", "api_kye")}\n{DISK}'

    assert [
        'line 2: schedule.every should be a duration such as "90s", "15m", "6h" or "30d"',
        "line 4: accounts.a.api_key is missing",
        "line 6: accounts.a.api_kye is not known; did you mean api_key?",
    ] == problems_of(text)


def test_mistake_of_the_environment_names_its_variable() -> None:
    """Nobody looks for it in a file where it is not; an overruled line is not at fault."""
    text = f'[schedule]\nevery = "1h"\n{ACCOUNT}{DISK}'

    assert ["$ARCHIVER__SCHEDULE__EVERY", "$ARCHIVER__TRANSFER__PER_HOST"] == [
        line.partition(": ")[0]
        for line in problems_of(text, SCHEDULE__EVERY="soon", TRANSFER__PER_HOST="many")
    ]


def test_secret_file_of_an_option_that_is_no_secret_names_the_variable() -> None:
    """`…_FILE` is for secrets."""
    [problem] = problems_of(ACCOUNT + DISK, SCHEDULE__EVERY_FILE="/run/secrets/every")

    assert problem.startswith("$ARCHIVER__SCHEDULE__EVERY_FILE: schedule.every should be")


def test_mistake_of_a_table_is_at_its_header() -> None:
    """What several options make together, and what is missing."""
    text = f'{DISK}[destinations.vault]\ntype = "s3"\n[accounts.a]\nprovider = "geminigen"\n' + (
        'api_key = "some-key"\nretention = "1m"\n'
    )

    assert ["line 4: destinations.vault.bucket is missing"] == problems_of(text)
    [problem] = problems_of(text.replace('"s3"', '"s3"\nbucket = "my-bucket"'))
    assert problem.startswith("line 7: accounts.a: files stay 1m")


def test_mistake_that_stands_nowhere_has_no_place() -> None:
    """A whole section that is missing has no line."""
    assert ["destinations is missing"] == problems_of(ACCOUNT)


def test_lines_of_all_that_toml_has() -> None:
    """Comments, texts and lists over several lines, dotted and quoted keys, inline tables."""
    text = '''# comment
[a]
x = """
[fake]
y = 1
"""
list = [
  1,  # [b]
  2,
]
dotted.key = 1

[b."c d"]
"quoted key" = { inner = 1 }
[[rows]]
last = 1
'''

    assert {
        ("a",): 2,
        ("a", "x"): 3,
        ("a", "list"): 7,
        ("a", "dotted"): 11,
        ("a", "dotted", "key"): 11,
        ("b",): 13,
        ("b", "c d"): 13,
        ("b", "c d", "quoted key"): 14,
        ("b", "c d", "quoted key", "inner"): 14,
        ("rows",): 15,
        ("rows", "last"): 16,
    } == find_lines(text)


def test_lines_of_a_file_from_windows() -> None:
    """Other ends of lines count the same."""
    assert {("a",): 2, ("a", "b"): 3} == find_lines("\r\n[a]\r\nb = 1\r\n")
