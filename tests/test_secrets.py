"""Secrets are read from where the config says, and stand in no message."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import ValidationError

from archiver.errors import ConfigInvalid
from archiver.redaction import hide_in_text
from archiver.secrets import SecretSource

SECRET = "sk-test-0123456789"
NOBODY = 65534


def make_source(**given: object) -> SecretSource:
    """Validate a source as the config does."""
    return SecretSource.model_validate(given)


def make_command(program: str) -> tuple[str, ...]:
    """Make a command that runs a line of Python."""
    return (sys.executable, "-c", program)


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`env` names a variable; white space around the value is no part of it."""
    monkeypatch.setenv("ARCHIVER_TEST_KEY", f" {SECRET}\n")

    assert make_source(env="ARCHIVER_TEST_KEY").read() == SECRET


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """`file` names a file that holds nothing else."""
    (tmp_path / "key").write_text(f"{SECRET}\n")

    assert make_source(file=tmp_path / "key").read() == SECRET


def test_what_is_no_secret_may_have_several_lines(tmp_path: Path) -> None:
    """A public key comes as its file has it, and is not hidden from messages."""
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")

    found = make_source(file=path).read_public()

    assert found == "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"
    assert hide_in_text(found) == found


def test_a_secret_comes_from_a_systemd_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`credential` names a file in the directory that systemd gives."""
    (tmp_path / "studio").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert make_source(credential="studio").read() == SECRET


def test_a_credential_needs_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside systemd the error says what is missing."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    with pytest.raises(ConfigInvalid, match=r"\$CREDENTIALS_DIRECTORY is not set"):
        make_source(credential="studio").read()


def test_a_missing_credential_names_the_line_of_the_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to be written there is told."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    with pytest.raises(ConfigInvalid, match=r"No such file.*LoadCredential=studio:/path"):
        make_source(credential="studio").read()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user who may read nothing; whoever is none of the mighty is one already."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def secret_file() -> Iterator[Path]:
    """A file with a secret that only its owner may read, in a folder that all may enter."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "key")
        path.write_text(SECRET)
        path.chmod(0o400 if os.geteuid() == 0 else 0)
        yield path


def test_an_unreadable_file_names_its_permissions_and_who_we_are(secret_file: Path) -> None:
    """Mode, owner and group beside our own: what it takes to mend it; never the content."""
    with as_nobody(), pytest.raises(ConfigInvalid) as caught:
        make_source(file=secret_file).read()

    said, owner = str(caught.value), f"{secret_file.owner()}:{secret_file.group()}"
    mode = stat.filemode(secret_file.stat().st_mode)
    assert f"cannot read the secret file {secret_file}: Permission denied; " in said
    assert f"it is {mode} {owner}, and this is " in said
    assert SECRET not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="a closed folder of somebody else needs root")
def test_a_closed_folder_is_named_instead_of_the_file(secret_file: Path) -> None:
    """The file may be right: what is closed is the way to it."""
    folder = secret_file.parent
    secret_file.chmod(0o444)
    folder.chmod(0o700)

    with as_nobody(), pytest.raises(ConfigInvalid) as caught:
        make_source(file=secret_file).read()

    assert f"its folder {folder} is drwx------ root:root, and this is nobody:" in str(caught.value)


def test_a_secret_comes_from_a_command() -> None:
    """`command` is run without a shell, and its output is the secret."""
    assert make_source(command=make_command(f"print({SECRET!r})")).read() == SECRET


def test_a_command_does_not_eat_our_input() -> None:
    """The command's input is empty: ours may be data for `ingest -`."""
    command = make_command("import sys; print('got', len(sys.stdin.read()))")

    assert make_source(command=command).read() == "got 0"


def test_plain_text_is_the_secret_itself() -> None:
    """A plain string in the config is taken as the value."""
    source = SecretSource.model_validate(SECRET)

    assert source.read() == SECRET
    assert SECRET not in repr(source)
    assert SECRET not in source.place


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"env": "ARCHIVER_TEST_UNSET"}, "environment variable ARCHIVER_TEST_UNSET"),
        ({"file": "/nowhere/key"}, "cannot read the secret file /nowhere/key: No such file"),
        ({"file": "/"}, "Is a directory"),
        ({"command": ("/nowhere/program", SECRET)}, "did not run: No such file"),
        ({"command": make_command(f"raise SystemExit({SECRET!r})")}, "ended with exit code 1"),
        ({"command": make_command("import os; os.kill(os.getpid(), 9)")}, "ended with signal 9"),
        ({"command": make_command("pass")}, "holds no secret"),
        ({"command": make_command("print('a\\nb')")}, "characters that no key may have"),
        (
            {"command": make_command("import sys; sys.stdout.buffer.write(b'\\xff')")},
            "printed no UTF-8",
        ),
    ],
)
def test_failures_name_the_place_only(given: dict[str, object], expected: str) -> None:
    """What cannot be read is named by its place; arguments and outputs are not shown."""
    with pytest.raises(ConfigInvalid) as caught:
        make_source(**given).read()

    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A key is text: a file of other bytes is a mistake in the config."""
    (tmp_path / "key").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigInvalid, match="not UTF-8 text"):
        make_source(file=tmp_path / "key").read()


@pytest.mark.parametrize(
    "given", [{}, {"env": "A", "file": "/b"}, {"command": ()}, {"unknown": "x"}, {"value": None}]
)
def test_exactly_one_place_is_named(given: dict[str, object]) -> None:
    """No place, two places or an unknown one are refused at once."""
    with pytest.raises(ValidationError):
        make_source(**given)


@pytest.mark.parametrize(
    "given", [{"env": SECRET}, {"credential": f"/etc/{SECRET}"}, {"credential": ".."}]
)
def test_a_place_that_can_be_none_is_refused_and_not_shown(given: dict[str, object]) -> None:
    """A key that was pasted for the name of its variable would be told in every message."""
    with pytest.raises(ValidationError, match="takes the name of") as caught:
        make_source(**given)

    assert SECRET not in str(caught.value)


def test_a_config_error_does_not_show_the_secret() -> None:
    """A mistake beside a secret does not print it."""
    with pytest.raises(ValidationError) as caught:
        make_source(value=SECRET, env="ARCHIVER_TEST_KEY")

    assert SECRET not in str(caught.value)


def test_what_was_read_is_hidden_from_then_on() -> None:
    """Reading a secret makes every later message hide it."""
    SecretSource.model_validate("another-secret-42").read()

    assert hide_in_text("the key another-secret-42 was refused") == "the key [secret] was refused"
