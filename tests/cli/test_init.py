"""`archiver init`: a first config, by questions or by options, that always passes `validate`."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from archiver.cli import run_command
from archiver.cli.first_config import KEY_PLACES
from archiver.config import Config, load_config
from archiver.providers import PROVIDERS
from tests.cli.terminal import Talk, talk
from tests.stories.house import Result

ACCOUNT = ("--account", "studio=geminigen")
DISK = ("--destination", "disk=/srv/archive")


class Newcomer:
    """Somebody whose home is empty."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.capsys = capsys
        self.config_path = home / "xdg" / "archiver" / "config.toml"
        self.environment = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "xdg")}

    def types(self, *arguments: str) -> Result:
        """Run a command line without a terminal."""
        self.capsys.readouterr()
        code = run_command(list(arguments))
        said = self.capsys.readouterr()
        return Result(code, said.out, said.err)

    def answers(self, *answers: tuple[str, str], arguments: tuple[str, ...] = ("init",)) -> Talk:
        """Run a command line on a terminal and answer its questions."""
        return talk(arguments, answers, self.environment)

    def config(self) -> Config:
        """Read what was written, as every command would."""
        return load_config(self.config_path, {})


@pytest.fixture
def newcomer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Newcomer:
    """Somebody with a home of their own, and nothing in it."""
    somebody = Newcomer(tmp_path, capsys)
    for name, value in somebody.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("ARCHIVER_CONFIG", "CONFIGURATION_DIRECTORY", "GEMINIGEN_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return somebody


# By options


def test_config_is_written_where_it_is_looked_for(newcomer: Newcomer) -> None:
    """Only its owner can read it, and no command needs to be told where it is."""
    result = newcomer.types("init", *ACCOUNT, *DISK)

    assert (0, "") == (result.exit_code, result.err)
    assert 0o600 == newcomer.config_path.stat().st_mode & 0o777
    assert "is valid" in newcomer.types("config", "validate").out


def test_next_steps_are_told(newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that is still missing, then `doctor`, then `run`; a key that is there is no step."""
    first = newcomer.types("init", *ACCOUNT, *DISK, "--output", "one.toml").out
    monkeypatch.setenv("GEMINIGEN_API_KEY", "some-key")
    second = newcomer.types("init", *ACCOUNT, *DISK).out

    assert "export GEMINIGEN_API_KEY=…" in first
    assert f"archiver -c {newcomer.home / 'one.toml'} doctor" in first
    assert "GEMINIGEN_API_KEY" not in second
    assert second.index("archiver doctor") < second.index("archiver run")


@pytest.mark.parametrize("is_quiet", [True, False])
def test_quiet_init_says_nothing(newcomer: Newcomer, is_quiet: bool) -> None:
    """A script that sets up a machine needs no advice."""
    result = newcomer.types(*("-q",) * is_quiet, "init", *ACCOUNT, *DISK)

    assert is_quiet == (result.out == "")


def test_config_is_never_overwritten(newcomer: Newcomer) -> None:
    """Whatever is there stays as it is, and the message says what to do."""
    newcomer.config_path.parent.mkdir(parents=True)
    newcomer.config_path.write_text("precious")

    result = newcomer.types("init", *ACCOUNT, *DISK)

    assert 1 == result.exit_code
    assert f"{newcomer.config_path} is there already" in result.err
    assert "precious" == newcomer.config_path.read_text()


def test_link_that_leads_nowhere_is_not_followed(newcomer: Newcomer) -> None:
    """A name that is taken is taken, also by a broken link."""
    (newcomer.home / "link.toml").symlink_to(newcomer.home / "target")

    assert 1 == newcomer.types("init", *ACCOUNT, *DISK, "--output", "link.toml").exit_code
    assert not (newcomer.home / "target").exists()


@pytest.mark.parametrize("way", ["option", "config option", "variable"])
def test_place_can_be_chosen(newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """By --output, by -c, or by the variable that every command obeys; folders are made."""
    path = newcomer.home / "new" / "folder" / "my.toml"
    before, behind = ["-c", str(path)], ["--output", str(path)]
    if way == "variable":
        monkeypatch.setenv("ARCHIVER_CONFIG", str(path))

    newcomer.types(
        *(before if way == "config option" else []),
        "init",
        *(behind if way == "option" else []),
        *ACCOUNT,
        *DISK,
    )

    assert {"studio"} == set(load_config(path, {}).accounts)


def test_config_can_go_to_stdout(newcomer: Newcomer) -> None:
    """Nothing is written then, and nothing else stands on stdout."""
    result = newcomer.types("init", *ACCOUNT, *DISK, "--output", "-")

    assert {"studio"} == set(tomllib.loads(result.out)["accounts"])
    assert not newcomer.config_path.exists()


def test_folder_that_cannot_be_written_is_named(newcomer: Newcomer) -> None:
    """No traceback: the path and the reason."""
    (newcomer.home / "file").write_text("")

    result = newcomer.types("init", *ACCOUNT, *DISK, "--output", "file/config.toml")

    assert 1 == result.exit_code
    assert f"{newcomer.home / 'file'}" in result.err


KEYS = {
    "env": ("--key-env", "one=STUDIO_KEY"),
    "file": ("--key-file", "one=keys/one"),
    "credential": ("--key-credential", "one=one"),
    "command": ("--key-command", 'one=pass show "my key"'),
}
PLACES: dict[str, tuple[str, ...]] = {
    "local": ("--destination", "archive"),
    "aws": ("--destination", "s3://my-bucket/some/prefix", "--region", "eu-central-1"),
    "store": (
        "--destination",
        "vault=s3://my-bucket",
        *("--endpoint-url", "vault=https://s3.example.com"),
        *("--access-key-env", "VAULT_ID", "--secret-key-env", "VAULT_SECRET"),
    ),
    "both": ("--destination", "a=~/archive", "--destination", "b=s3://my-bucket"),
}


@pytest.mark.parametrize(
    ("provider", "key", "place"), list(itertools.product(PROVIDERS, KEY_PLACES, PLACES))
)
def test_result_always_passes_validate(
    newcomer: Newcomer, provider: str, key: str, place: str
) -> None:
    """Each provider, each place of a key, each sort of destination; with a second account."""
    accounts = ("--account", f"one={provider}", "--account", f"two={provider}")

    written = newcomer.types("init", *accounts, *KEYS[key], *PLACES[place])
    checked = newcomer.types("config", "validate")

    assert (0, 0) == (written.exit_code, checked.exit_code), written.err + checked.err
    accounts_read = newcomer.config().accounts
    assert {key} == set(accounts_read["one"].api_key.model_dump(exclude_none=True))
    assert "TWO_API_KEY" == accounts_read["two"].api_key.env


def test_paths_mean_what_they_mean_in_the_shell(newcomer: Newcomer) -> None:
    """A relative path starts where the person is, though the config lies elsewhere."""
    newcomer.types("init", *ACCOUNT, "--key-file", "key", "--destination", "./archive")

    config = newcomer.config()

    assert newcomer.home / "archive" == config.destinations["disk"].path
    assert newcomer.home / "key" == config.accounts["studio"].api_key.file


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "nothing can be asked here"),
        (ACCOUNT, "nothing can be asked here"),
        (DISK, "nothing can be asked here"),
        (("--account", "a=geminigenn", *DISK), "did you mean geminigen?"),
        (("--account", "My=oxen", *DISK), "accounts.My is no name"),
        ((*ACCOUNT, *ACCOUNT, *DISK), "there is an account studio already"),
        ((*ACCOUNT, *DISK, *DISK), "there is a destination disk already"),
        ((*ACCOUNT, *DISK, "--plan", "vip"), "accounts.studio.plan is not known"),
        ((*ACCOUNT, "--account", "oxen", *DISK, "--key-env", "X"), "one of: studio, oxen"),
        ((*ACCOUNT, *DISK, "--key-env", "A", "--key-file", "b"), "has two places"),
        ((*ACCOUNT, *DISK, "--key-command", "'"), "is no command"),
        ((*ACCOUNT, *DISK, "--region", "eu"), "one of: none"),
        ((*ACCOUNT, "--destination", "ftp://host/x"), "neither a directory nor s3://"),
        ((*ACCOUNT, "--destination", "s3://x"), "bucket is no name of a bucket"),
        (
            (*ACCOUNT, "--destination", "s3://my-bucket", "--endpoint-url", "http://nas"),
            "plain http to another machine",
        ),
        (
            (*ACCOUNT, "--destination", "s3://my-bucket", "--access-key-env", "A"),
            "access_key and secret_key belong together",
        ),
    ],
)
def test_options_that_make_no_config_are_a_usage_error(
    newcomer: Newcomer, arguments: tuple[str, ...], expected: str
) -> None:
    """Nothing is written, and the message says what is wrong in the words of the config."""
    result = newcomer.types("init", *arguments)

    assert (2, True) == (result.exit_code, expected in result.err), result.err
    assert not newcomer.config_path.exists()


def test_key_that_is_pasted_for_its_variable_is_not_shown(newcomer: Newcomer) -> None:
    """What was meant to be a name may be the secret itself."""
    result = newcomer.types("init", *ACCOUNT, *DISK, "--key-env", "sk-very-secret")

    assert 2 == result.exit_code
    assert "sk-very-secret" not in result.err
    assert "the name of a variable" in result.err


# By questions


FOLDER: tuple[tuple[str, str], ...] = (
    ("A folder, or s3://", "{home}/archive"),
    ("Name of this place [disk]", ""),
    ("Another place?", ""),
)


def at_home(newcomer: Newcomer, *answers: tuple[str, str]) -> list[tuple[str, str]]:
    """Put the home of the newcomer into answers."""
    return [(question, answer.format(home=newcomer.home)) for question, answer in answers]


def test_wizard_needs_little_more_than_enter(newcomer: Newcomer) -> None:
    """A provider and a folder; the rest has a default that can be taken."""
    told = newcomer.answers(
        ("Provider", "geminigen"),
        ("Name of this account [geminigen]", ""),
        ("Where is its key kept", ""),
        ("Environment variable [GEMINIGEN_API_KEY]", ""),
        ("Another account?", ""),
        *at_home(newcomer, *FOLDER),
    )

    config = newcomer.config()

    assert 0 == told.exit_code, told.screen
    assert "GEMINIGEN_API_KEY" == config.accounts["geminigen"].api_key.env
    assert newcomer.home / "archive" == config.destinations["disk"].path
    assert f"Wrote {newcomer.config_path}, which only you can read" in told.screen
    assert told.screen.index("archiver doctor") < told.screen.index("archiver run")


def test_wizard_checks_each_answer_and_asks_again(newcomer: Newcomer) -> None:
    """A slip costs one line, not the whole conversation."""
    told = newcomer.answers(
        ("Provider", "gemini"),
        ("Error: 'gemini' is not one of", "geminigen"),
        ("Name of this account", "My Studio"),
        ("is no name", "studio"),
        ("Where is its key kept", "pocket"),
        ("Error: 'pocket'", "env"),
        ("Environment variable", "sk-a-key"),
        ("the name of a variable", "STUDIO_KEY"),
        ("Another account?", "n"),
        ("A folder, or s3://", "ftp://somewhere"),
        ("neither a directory nor s3://", "s3://x"),
        ("bucket is no name of a bucket", f"{newcomer.home}/archive"),
        *FOLDER[1:],
    )

    assert 0 == told.exit_code, told.screen
    assert "STUDIO_KEY" == newcomer.config().accounts["studio"].api_key.env


def test_wizard_asks_for_plans_accounts_and_a_store(newcomer: Newcomer) -> None:
    """Two accounts of one provider get two names and two variables; a bucket gets its address."""
    told = newcomer.answers(
        ("Provider", "neuralbox"),
        ("Name of this account [neuralbox]", ""),
        ("Plan", "vip"),
        ("Where is its key kept", "command"),
        ("Command that prints it", "pass show 'my box'"),
        ("Another account?", "y"),
        ("Provider", "neuralbox"),
        ("Name of this account [neuralbox-2]", "neuralbox"),
        ("is taken", "second"),
        ("Plan", ""),
        ("Where is its key kept", ""),
        ("Environment variable [SECOND_API_KEY]", ""),
        ("Another account?", ""),
        ("A folder, or s3://", "s3://my-bucket/some"),
        ("Address of the store", "http://nas:9000"),
        ("plain http to another machine", "https://nas:9000"),
        ("Region", ""),
        ("Its keys", "env"),
        ("Variable of the access key", ""),
        ("Variable of the secret key", "MY_SECRET"),
        ("Name of this place [vault]", ""),
        ("Another place?", "y"),
        *at_home(newcomer, *FOLDER),
    )

    config = newcomer.config()

    assert 0 == told.exit_code, told.screen
    assert ("pass", "show", "my box") == config.accounts["neuralbox"].api_key.command
    plans: Any = [config.accounts[name].model_dump()["plan"] for name in ("neuralbox", "second")]
    assert ["vip", None] == plans
    vault = config.destinations["vault"]
    assert ("my-bucket", "some/", "https://nas:9000") == (
        vault.bucket,
        vault.prefix,
        vault.endpoint_url,
    )
    assert ("VAULT_ACCESS_KEY", "MY_SECRET") == (vault.access_key.env, vault.secret_key.env)
    assert ["vault", "disk"] == list(config.destinations)


def test_wizard_writes_a_key_into_a_file_of_its_own(newcomer: Newcomer) -> None:
    """Not into the config, not onto the screen, and for its owner only."""
    told = newcomer.answers(
        ("Provider", "sync"),
        ("Name of this account", ""),
        ("Where is its key kept", "file"),
        ("File [", ""),
        ("The key, to be written there", "sk-typed-secret"),
        ("Another account?", ""),
        *at_home(newcomer, *FOLDER),
    )

    file = newcomer.config_path.parent / "sync.key"

    assert 0 == told.exit_code, told.screen
    assert "sk-typed-secret" not in told.screen + newcomer.config_path.read_text()
    assert 0o600 == file.stat().st_mode & 0o777
    assert "sk-typed-secret" == newcomer.config().accounts["sync"].api_key.read()


def test_wizard_asks_only_for_what_is_not_given(newcomer: Newcomer) -> None:
    """Options and questions go together; with --output - the config is what is left on stdout."""
    told = newcomer.answers(
        *at_home(newcomer, *FOLDER), arguments=("init", *ACCOUNT, "--output", "-")
    )

    assert 0 == told.exit_code
    assert "Provider" not in told.screen
    assert "[accounts.studio]" in told.screen


def test_wizard_that_is_left_writes_nothing(newcomer: Newcomer) -> None:
    """Ctrl-C in the middle is no half of a config."""
    told = newcomer.answers(("Provider", "geminigen"), ("Name of this account", "\x03"))

    assert 130 == told.exit_code
    assert not newcomer.config_path.exists()


def test_wizard_does_not_ask_when_it_could_not_write(newcomer: Newcomer) -> None:
    """Nobody answers ten questions for nothing."""
    newcomer.config_path.parent.mkdir(parents=True)
    newcomer.config_path.write_text("precious")

    told = newcomer.answers()

    assert 1 == told.exit_code
    assert "Provider" not in told.screen
