"""A command that fails says why: to a person on stderr, to a program as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.stories.conftest import house, house_with_bucket, simulator  # noqa: F401
from tests.stories.house import House

NOBODY = 65534


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        (["run", "--json", "--account", "nope"], 2),
        (["run", "--json", "--nonsense"], 2),
        (["ls", "--json", "--csv"], 2),
        (["status", "--json"], 10),
        (["audit", "--json"], 10),
        (["show", "--json", "x"], 10),
        (["search", "--json", "x"], 10),
        (["restore", "--json", "--to", "back"], 10),
        (["restore", "--json", "--to", "back", "--from", "./nowhere"], 10),
        (["rebuild", "--json", "--from", "./nowhere"], 10),
    ],
)
def test_a_failure_is_one_json_document_where_json_was_asked_for(
    house: House,  # noqa: F811
    command: list[str],
    exit_code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same message as on stderr, with its exit code: a script never parses nothing."""
    monkeypatch.chdir(house.folder)

    result = house.archiver(*command)

    assert exit_code == result.exit_code
    assert exit_code == result.document["error"]["exit_code"]
    assert result.document["error"]["message"] in result.err


def test_a_bad_config_is_told_in_json_too(house: House) -> None:  # noqa: F811
    """Exit code 78 with every mistake; `config validate` lists them one by one."""
    house.extra = "[daemon]\nlisten = 'nonsense'\nnope = 1\n"

    ran, judged = house.archiver("run", "--json"), house.archiver("config", "validate", "--json")

    assert (78, 78) == (ran.exit_code, judged.exit_code)
    assert "daemon.nope is not known" in ran.document["error"]["message"]
    assert 2 == len(judged.document["problems"])
    assert 78 == judged.document["error"]["exit_code"]


def test_no_destination_at_all_is_told_in_json(house: House) -> None:  # noqa: F811
    """Exit code 10: the one archive is not there, and stdout says so."""
    (house.folder / "disk").write_text("a file where the archive should be")

    result = house.run()

    assert 10 == result.exit_code
    assert "no destination can be used" in result.document["error"]["message"]


@pytest.mark.parametrize("command", [["status"], ["run", "--nonsense"]])
def test_json_logs_end_with_a_json_line(house: House, command: list[str]) -> None:  # noqa: F811
    """With --log-format json also the last word on stderr can be parsed; stdout stays empty."""
    result = house.archiver("--log-format", "json", *command)

    line = json.loads(result.err.splitlines()[-1])
    assert "" == result.out
    assert ("command.failed", "error") == (line["event"], line["level"])
    assert result.exit_code == line["exit_code"]
    assert line["error"]


def test_what_stands_behind_two_dashes_is_no_option(house: House) -> None:  # noqa: F811
    """A text that looks like --json is searched for."""
    house.run()

    result = house.archiver("search", "--", "--json")

    assert 0 == result.exit_code
    assert "" == result.out


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be a user that file modes apply to: tests may run as root."""
    before = os.getresuid()
    os.setresuid(NOBODY if before[1] == 0 else before[0], NOBODY if before[1] == 0 else -1, -1)
    try:
        yield
    finally:
        os.setresuid(*before)


def test_a_config_that_may_not_be_read_is_a_matter_of_the_config(house: House) -> None:  # noqa: F811
    """Exit code 78 and the system's reason, as for any other config that cannot be used."""
    assert 0 == house.archiver("config", "validate").exit_code
    house.config_path.chmod(0)
    for folder in (house.folder, *house.folder.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o555)

    with without_privileges():
        result = house.bare("-c", house.config_path, "config", "validate")

    assert 78 == result.exit_code, result.err
    assert f"cannot read the config {house.config_path}: Permission denied" in result.err


def test_a_folder_closed_to_this_user_is_no_traceback(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A config that was named there is told as such; one that was not is looked for elsewhere."""
    assert 0 == house.archiver("config", "validate").exit_code
    closed = house.folder / "closed"
    (closed / ".config" / "archiver").mkdir(parents=True)
    closed.chmod(0)
    for folder in (house.folder, *house.folder.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o555)
    monkeypatch.setenv("HOME", str(closed))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    with without_privileges():
        named = house.bare("-c", closed / "config.toml", "status")
        looked_for = house.bare("status")
    closed.chmod(0o700)

    assert (78, 78) == (named.exit_code, looked_for.exit_code)
    assert f"cannot read the config {closed}/config.toml: Permission denied" in named.err
    assert "there is no config: name one with -c" in looked_for.err


def test_a_folder_as_config_is_named_as_one(house: House) -> None:  # noqa: F811
    """Exit code 78, and what to name instead."""
    result = house.bare("-c", house.folder, "status")

    assert 78 == result.exit_code
    assert "it is a folder, name the file" in result.err


@pytest.mark.parametrize("command", [["restore", "--to", "back"], ["rebuild"]])
def test_a_place_that_is_not_there_is_a_missing_archive(
    house: House,  # noqa: F811
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 10, and no index is begun for it."""
    monkeypatch.chdir(house.folder)

    result = house.archiver(*command, "--from", "/mnt/not-there/archive")

    assert 10 == result.exit_code
    assert "there is no folder /mnt/not-there/archive" in result.err
    assert not (house.folder / "state").exists()


def test_a_bucket_that_refuses_the_key_is_told_from_one_that_is_not_there(
    house_with_bucket: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 12 for a wrong secret, 10 for a bucket that nobody made."""
    house = house_with_bucket  # noqa: F811  # the same household, with a bucket
    options = dict(line.split(" = ") for line in house.destinations["vault"].splitlines())
    bucket, endpoint = options["bucket"].strip('"'), options["endpoint_url"].strip('"')
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["access_key"].strip('"'))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["secret_key"].strip('"'))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    command = ("restore", "--endpoint-url", endpoint, "--to", house.folder / "back", "--from")

    absent = house.bare(*command, "s3://nobody-made-this-bucket/x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    refused = house.bare(*command, f"s3://{bucket}/generations")

    assert 10 == absent.exit_code, absent.err
    assert 12 == refused.exit_code, refused.err
    assert "wrong-secret" not in refused.err
