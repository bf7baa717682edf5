"""How a config is found, read, laid over by the environment, and judged."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.config import Config, find_config, load_config, parse_config
from archiver.errors import ConfigInvalid
from archiver.providers import PROVIDERS

ACCOUNT = '[accounts.a]\nprovider = "geminigen"\napi_key = { env = "A_KEY" }\n'
DISK = '[destinations.disk]\ntype = "local"\npath = "/archive"\n'
SMALL = ACCOUNT + DISK


def parse(text: str, **environment: str) -> Config:
    """Parse a config with something of the environment over it."""
    return parse_config(text, {f"ARCHIVER__{name}": value for name, value in environment.items()})


def problems_of(text: str, **environment: str) -> list[str]:
    """What is said about a config that is refused, one text a mistake, without its place."""
    with pytest.raises(ConfigInvalid) as caught:
        parse(text, **environment)
    assert caught.value.problems, str(caught.value)
    return [re.sub(r"^(line \d+|\$\w+): ", "", line) for line in caught.value.problems]


def write(folder: Path, text: str = SMALL) -> Path:
    """Write a config into a folder; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


# Where it is


def test_the_first_config_of_the_documented_order_is_taken(tmp_path: Path) -> None:
    """The option, $ARCHIVER_CONFIG, systemd's folder, the XDG folder."""
    given, named = write(tmp_path / "given"), write(tmp_path / "named")
    systemd, xdg = write(tmp_path / "systemd"), write(tmp_path / "xdg" / "archiver")
    environment = {
        "ARCHIVER_CONFIG": str(named),
        "CONFIGURATION_DIRECTORY": f"{systemd.parent}:{tmp_path / 'other'}",
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "HOME": str(tmp_path / "home"),
    }

    assert given == find_config(given, environment)
    assert named == find_config(None, environment)
    del environment["ARCHIVER_CONFIG"]
    assert systemd == find_config(None, environment)
    systemd.unlink()
    assert xdg == find_config(None, environment)
    del environment["XDG_CONFIG_HOME"]
    home = write(tmp_path / "home" / ".config" / "archiver")
    assert home == find_config(None, environment)


@pytest.mark.parametrize("by_option", [True, False])
def test_a_config_that_was_named_must_be_there(tmp_path: Path, by_option: bool) -> None:
    """Nobody gets another config than the one that was asked for."""
    write(tmp_path / "xdg" / "archiver")
    wanted = tmp_path / "wanted.toml"
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "ARCHIVER_CONFIG": str(wanted)}

    with pytest.raises(ConfigInvalid, match=r"no config at .*wanted\.toml"):
        find_config(wanted if by_option else None, environment)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    """The file itself must be named."""
    with pytest.raises(ConfigInvalid, match="no config at"):
        find_config(tmp_path, {})


def test_all_places_are_told_when_there_is_none(tmp_path: Path) -> None:
    """In the order in which they are looked at."""
    environment = {"CONFIGURATION_DIRECTORY": str(tmp_path), "HOME": str(tmp_path / "home")}

    with pytest.raises(ConfigInvalid) as caught:
        find_config(None, environment)

    assert caught.value.problems == (
        str(tmp_path / "config.toml"),
        str(tmp_path / "home/.config/archiver/config.toml"),
        "/etc/archiver/config.toml",
    )


def test_a_user_without_a_home_can_have_a_config() -> None:
    """In a container with a user of its own nothing may be set: /etc is left."""
    with pytest.raises(ConfigInvalid) as caught:
        find_config(None, {})

    assert caught.value.problems == ("/etc/archiver/config.toml",)


def test_a_config_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Not as a traceback: bytes that are no UTF-8 are named with their file."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigInvalid, match=r"cannot read the config .*config\.toml"):
        load_config(path, {})


def test_what_is_no_toml_says_where(tmp_path: Path) -> None:
    """The line of the first mistake is told."""
    path = write(tmp_path, "[archive\n")

    with pytest.raises(ConfigInvalid, match=r"not valid TOML.*line 1"):
        load_config(path, {})


def test_lists_without_end_in_each_other_are_no_config(tmp_path: Path) -> None:
    """A daemon that reads such a file anew refuses it, and goes on."""
    path = write(tmp_path, f"a = {'[' * 5000}{']' * 5000}")

    with pytest.raises(ConfigInvalid, match="its lists go too deep"):
        load_config(path, {})


# What is wrong with it


def test_all_mistakes_are_told_at_once() -> None:
    """One line each, with its place and the nearest known key."""
    text = """
        [archive]
        layuot = "{account}/{id}"
        [schedule]
        every = "soon"
        [transfer]
        concurrency = 0
        per_host = "many"
        roles = ["output", "tumbnail"]
        [accounts.a]
        provider = "geminigen"
        api_kye = "secret-key"
        [accounts.b]
        provider = "geminigenn"
        [destinations.vault]
        type = "s3"
        storage_clas = "STANDARD"
        [damon]
    """

    problems = problems_of(text)

    assert sorted(problems) == sorted(
        [
            "archive.layuot is not known; did you mean layout?",
            'schedule.every should be a duration such as "90s", "15m", "6h" or "30d"',
            "transfer.concurrency should be at least 1",
            "transfer.per_host should be a whole number",
            "transfer.roles: 'tumbnail' is not one of output, segment, speech, last_frame, "
            "thumbnail, reference, mask; did you mean thumbnail?",
            "accounts.a.api_key is missing",
            "accounts.a.api_kye is not known; did you mean api_key?",
            "accounts.b.provider = 'geminigenn' is not one of geminigen, oxen, sync, neuralbox; "
            "did you mean geminigen?",
            "destinations.vault.bucket is missing",
            "destinations.vault.storage_clas is not known; did you mean storage_class?",
            "damon is not known; did you mean daemon?",
        ]
    )


def test_the_number_of_mistakes_is_told_with_the_files_name(tmp_path: Path) -> None:
    """The message begins with what a person has to open."""
    path = write(tmp_path, SMALL + "[archive]\nlayuot = 1\n")

    with pytest.raises(ConfigInvalid) as caught:
        load_config(path, {})

    assert str(caught.value).startswith(f"{path} has 1 mistake:\n  line 8: archive.layuot")


def test_nothing_at_all_lacks_accounts_and_destinations() -> None:
    """An empty config has nothing to do and nowhere to keep it."""
    assert sorted(problems_of("")) == ["accounts is missing", "destinations is missing"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SMALL + '[accounts.b]\napi_key = "some-key"\n',
            "accounts.b.provider is missing",
        ),
        (
            SMALL + '[archive]\nrequire = ["disk", "vault"]\n',
            "archive.require names 'vault', which is no destination",
        ),
        (
            SMALL.replace('{ env = "A_KEY" }', '{ env = "A_KEY", file = "k" }'),
            "accounts.a.api_key needs exactly one of env, file, credential, command",
        ),
        (
            SMALL.replace('{ env = "A_KEY" }', "{}"),
            "accounts.a.api_key needs exactly one of env, file, credential, command",
        ),
        (
            SMALL.replace('{ env = "A_KEY" }', '{ evn = "A_KEY" }'),
            "accounts.a.api_key.evn is not known; did you mean env?",
        ),
        (SMALL + '[schedule]\nevery = "0s"\n', "accounts.a is asked every 0s"),
    ],
)
def test_a_mistake_names_its_place(text: str, expected: str) -> None:
    """Whatever is wrong, the line says where."""
    [problem] = problems_of(text)

    assert problem.startswith(expected)


@pytest.mark.parametrize("place", ["api_key", "api_kye", "base_url"])
def test_a_mistake_does_not_show_a_secret(place: str) -> None:
    """What stands at the wrong place, or has the wrong form, may be a key all the same."""
    text = f'[accounts.a]\nprovider = "oxen"\n{place} = ["sk-secret"]\n'

    assert "sk-secret" not in "".join(problems_of(text + DISK))


# How often a provider must be asked


@pytest.mark.parametrize(
    ("account", "every", "expected"),
    [
        ('provider = "geminigen"\nretention = "1h"', "31m", "files stay 1h but"),
        ('provider = "geminigen"\nretention = "0s"', "1m", "files stay 0s but"),
        ('provider = "geminigen"', "16d", "files stay 30d (as geminigen says"),
        ('provider = "neuralbox"\nplan = "starter"', "4d", "files stay 7d (as neuralbox says"),
        ('provider = "neuralbox"\nplan = "basic"', "16d", "files stay 30d (as neuralbox says"),
        ('provider = "neuralbox"\nplan = "vip"', "46d", "files stay 90d (as neuralbox says"),
    ],
)
def test_an_interval_that_would_lose_files_is_refused(
    account: str, every: str, expected: str
) -> None:
    """Two runs must fit into the retention, whoever says how long it is."""
    text = f'[schedule]\nevery = "{every}"\n[accounts.a]\n{account}\napi_key = "some-key"\n{DISK}'

    [problem] = problems_of(text)

    assert problem.startswith("accounts.a: ")
    assert expected in problem
    assert f"asked every {every}" in problem


RETAINED = '[accounts.a]\nprovider = "geminigen"\napi_key = "some-key"\nretention = "30d"\n'


@pytest.mark.parametrize(
    "schedule",
    ['look_back = "0s"\nsweep_every = "400d"', 'look_back = "29d"\nsweep_every = "16d"'],
)
def test_a_look_back_that_would_lose_files_is_refused(schedule: str) -> None:
    """What surfaces late would be seen by no run in time."""
    [problem] = problems_of(f"[schedule]\n{schedule}\n{RETAINED}{DISK}")

    assert problem.startswith("accounts.a: ")
    assert "look_back" in problem


@pytest.mark.parametrize(
    "schedule",
    ['look_back = "30d"\nsweep_every = "400d"', 'look_back = "0s"\nsweep_every = "15d"', ""],
)
def test_a_look_back_or_sweeps_that_see_everything_in_time_will_do(schedule: str) -> None:
    """One of the two is enough."""
    assert "a" in parse(f"[schedule]\n{schedule}\n{RETAINED}{DISK}").accounts


@pytest.mark.parametrize(
    ("account", "every"),
    [
        ('provider = "geminigen"\nretention = "1h"', "30m"),
        ('provider = "geminigen"', "15d"),
        ('provider = "geminigen"\nretention = "90d"', "45d"),
        ('provider = "geminigen"\nevery = "1d"', "20d"),
        ('provider = "neuralbox"\nplan = "elite"', "365d"),
        ('provider = "neuralbox"', "365d"),
        ('provider = "oxen"', "365d"),
        ('provider = "sync"', "365d"),
    ],
)
def test_an_interval_that_is_short_enough_is_taken(account: str, every: str) -> None:
    """The user's word overrules the provider's, and what has no end sets no bound."""
    text = f'[schedule]\nevery = "{every}"\n[accounts.a]\n{account}\napi_key = "some-key"\n{DISK}'

    assert parse(text).accounts.keys() == {"a"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_tells_its_retention_without_a_key(provider: str) -> None:
    """Judging a config reads no secret and asks nobody."""
    text = f'[accounts.a]\nprovider = "{provider}"\napi_key = {{ file = "/nowhere" }}\n{DISK}'

    assert timedelta(minutes=15) == parse(text).poll_intervals["a"][1]


# What the environment says


def test_the_environment_overrules_the_file() -> None:
    """What is not named there stays as the file has it."""
    text = SMALL + '[transfer]\nconcurrency = 4\nper_host = 2\n[schedule]\nevery = "1h"\n'

    config = parse(text, TRANSFER__CONCURRENCY="8", SCHEDULE__EVERY="2h")

    assert (8, 2) == (config.transfer.concurrency, config.transfer.per_host)
    assert timedelta(hours=2) == config.schedule.every


def test_a_config_can_come_from_the_environment_alone() -> None:
    """A container needs no file of its own."""
    config = parse(
        "",
        ACCOUNTS__STUDIO__PROVIDER="geminigen",
        ACCOUNTS__STUDIO__API_KEY_FILE="/run/secrets/studio",
        DESTINATIONS__VAULT__TYPE="s3",
        DESTINATIONS__VAULT__BUCKET="123456",
    )

    assert Path("/run/secrets/studio") == config.accounts["studio"].api_key.file
    assert "123456" == config.destinations["vault"].bucket


def test_a_secret_file_of_the_environment_replaces_the_secret_of_the_file() -> None:
    """Not only a part of it: two places for one secret would be a mistake."""
    config = parse(SMALL, ACCOUNTS__A__API_KEY_FILE="/run/secrets/a")

    assert (None, Path("/run/secrets/a")) == (
        config.accounts["a"].api_key.env,
        config.accounts["a"].api_key.file,
    )


def test_a_variable_and_its_file_together_are_a_mistake() -> None:
    """Nobody has to guess which one counts, and neither value is shown."""
    [problem] = problems_of(
        SMALL, ACCOUNTS__A__API_KEY="sk-secret", ACCOUNTS__A__API_KEY_FILE="/run/secrets/a"
    )

    assert "$ARCHIVER__ACCOUNTS__A__API_KEY and $ARCHIVER__ACCOUNTS__A__API_KEY_FILE" in problem
    assert "sk-secret" not in problem


def test_an_unknown_variable_is_a_mistake_with_the_nearest_key() -> None:
    """A misspelled variable would otherwise be a setting that nobody obeys."""
    assert ["schedule.evry is not known; did you mean every?"] == problems_of(
        SMALL, SCHEDULE__EVRY="1h"
    )


def test_a_variable_through_a_value_is_a_mistake() -> None:
    """A path that leads through a plain value leads nowhere."""
    text = SMALL.replace('{ env = "A_KEY" }', '"some-key"')

    problems = problems_of(text, ACCOUNTS__A__API_KEY__ENV="A_KEY")

    assert problems == [
        "$ARCHIVER__ACCOUNTS__A__API_KEY__ENV leads through something that is no section"
    ]


def test_other_variables_are_none_of_ours() -> None:
    """$ARCHIVER_CONFIG and friends have one underscore and are no options."""
    assert parse_config(SMALL, {"ARCHIVER_CONFIG": "x", "ARCHIVERX__A": "1", "PATH": "/bin"})


# Where relative paths lead


def test_relative_paths_are_taken_from_the_configs_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon and a shell find the same files, wherever each was started."""
    text = """
        [archive]
        state_dir = "state"
        [accounts.a]
        provider = "oxen"
        api_key = { file = "secrets/a" }
        [destinations.disk]
        type = "local"
        path = "../media"
        [destinations.vault]
        type = "s3"
        bucket = "vault"
        access_key = { file = "secrets/id" }
        secret_key = { env = "SECRET" }
    """
    write(tmp_path / "etc", text)
    monkeypatch.chdir(tmp_path)

    config = load_config(Path("etc/config.toml"), {})

    assert tmp_path / "etc" / "state" == config.archive.state_dir
    assert tmp_path / "etc" / "../media" == config.destinations["disk"].path
    assert tmp_path / "etc" / "secrets/a" == config.accounts["a"].api_key.file
    assert tmp_path / "etc" / "secrets/id" == config.destinations["vault"].access_key.file


def test_absolute_paths_and_homes_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is relative is anchored."""
    monkeypatch.setenv("HOME", "/home/somebody")
    text = SMALL.replace('{ env = "A_KEY" }', '{ file = "~/key" }')

    config = load_config(write(tmp_path, text), {})

    assert Path("/archive") == config.destinations["disk"].path
    assert Path("/home/somebody/key") == config.accounts["a"].api_key.file


def test_a_secret_file_of_a_user_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The place is told, before a run finds out."""
    text = SMALL.replace('{ env = "A_KEY" }', '{ file = "~nobody-here/key" }')

    with pytest.raises(ConfigInvalid, match=r"accounts\.a\.api_key\.file = '~nobody-here/key'"):
        load_config(write(tmp_path, text), {})


def test_the_default_state_directory_is_systemds_then_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """$STATE_DIRECTORY may hold several; the first is ours."""
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert Path("/home/somebody/.local/state/archiver") == parse(SMALL).archive.state_dir
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert Path("/xdg/archiver") == parse(SMALL).archive.state_dir
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/archiver:/var/lib/other")
    assert Path("/var/lib/archiver") == parse(SMALL).archive.state_dir


# What it means


@pytest.mark.parametrize(
    ("require", "expected"),
    [('"all"', {"disk", "spare"}), ('"any"', set()), ('["disk"]', {"disk"})],
)
def test_require_says_which_destinations_must_hold_a_file(require: str, expected: set[str]) -> None:
    """All of them, any one of them, or those that are named."""
    spare = DISK.replace("destinations.disk", "destinations.spare").replace("/archive", "/spare")

    config = parse(f"[archive]\nrequire = {require}\n{SMALL}{spare}")

    assert expected == config.required_destinations
