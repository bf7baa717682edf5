"""How a command starts: it loads what it works with, and nothing else. Times are in benchmarks/."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from archiver.cli import COMMANDS
from archiver.index import open_index
from tests.index.making import add
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House

HEAVY = (
    "apprise",
    "apscheduler",
    "av",
    "boto3",
    "botocore",
    "certifi",
    "filelock",
    "httpx",
    "prometheus_client",
    "pycurl",
    "rich",
    "smtplib",
    "sqlite_utils",
    "structlog",
)
"""What only commands that write, ask over a network or stay may load."""
POLLING = {"certifi", "filelock", "httpx", "pycurl", "rich"}
"""What a poll needs of these. httpx loads rich where that is there, for a command of its own."""
CAPTURING = {
    "archiver.actions.capturing.capture",
    "archiver.actions.capturing.commit",
    "archiver.actions.metrics",
    "archiver.actions.rebuild",
    "archiver.fetch.containers",
    "archiver.log.events",
    "archiver.sidecar",
    "archiver.storage.s3.destination",
    "archiver.wiring.watching",
    "archiver.xmp",
    "asyncio",
    "jsonschema",
}
"""What a poll loads only when there is something to capture, to say or to tell."""
READING = {
    "status": 0,
    "health": 1,  # it was never archived
    "audit": 0,
    "ls": 0,
    "ls --json": 0,
    "search cat": 0,
    "show g1": 0,
    "config show": 0,
    "config schema": 0,
    "config validate": 0,
}
"""Commands that read the config or the index -> how they end here."""
CONFIG = """
[archive]
state_dir = "state"

[accounts.studio]
provider = "geminigen"
api_key = { env = "STUDIO_KEY" }

[accounts.lab]
provider = "oxen"
api_key = { env = "LAB_KEY" }

[destinations.vault]
type = "local"
path = "vault"

[destinations.offsite]
type = "s3"
bucket = "photos"

[alerts]
webhook = ["https://hook.example.com/x"]
mail = { host = "mail.example.com", from = "me@example.com", to = ["me@example.com"] }
"""
RUNNER = """
import sys
from archiver.cli import run_command
code = run_command(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


def run(arguments: Sequence[str]) -> tuple[int, set[str]]:
    """Run one command line in a process of its own; returns its exit code and what was loaded."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, set(done.stderr.splitlines()[-1].split())


def archive_all(house: House) -> None:  # noqa: F811
    """Run until there is nothing new: what was in the making ends in a later run."""
    asked = [house.run().document["media_requests"] for _ in range(3)]
    assert 0 == asked[-1]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config with both kinds of destinations and with alerts, and an index that has something."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    state = tmp_path / "state"
    state.mkdir()
    with closing(open_index(state, create=True)) as index:
        add(index)
    return path


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_of_every_command_loads_nothing_heavy(command: list[str]) -> None:
    """--help answers at once: what a command works with is loaded when it works."""
    exit_code, loaded = run([*command, "--help"])

    assert 0 == exit_code
    assert set() == loaded & {*HEAVY, "pydantic"}


@pytest.mark.parametrize("command", READING)
def test_commands_that_read_load_nothing_heavy(command: str, config: Path) -> None:
    """They are asked often, by people and by health checks."""
    exit_code, loaded = run(["-c", str(config), *command.split()])

    assert READING[command] == exit_code
    assert set() == loaded & set(HEAVY)
    assert "archiver.config" in loaded


def test_a_config_that_is_read_loads_no_way_to_a_destination(config: Path) -> None:
    """The options of an adapter stand apart from what it does."""
    _, loaded = run(["-c", str(config), "config", "validate"])

    assert set() == loaded & {
        "archiver.storage.local.destination",
        "archiver.storage.s3.destination",
        "archiver.providers.http",
    }


def test_a_poll_without_news_loads_only_what_asks(house: House) -> None:  # noqa: F811
    """Most runs find nothing, and most of their time goes into loading."""
    archive_all(house)

    exit_code, loaded = run(["-q", "-c", str(house.config_path), "run"])

    assert 0 == exit_code
    assert "httpx" in loaded
    assert set() == loaded & ({*HEAVY} - POLLING | CAPTURING)


def test_a_poll_that_says_what_it_did_loads_nothing_to_capture_with(
    house: House,  # noqa: F811
) -> None:
    """Of all that it does without, a line of log takes structlog only."""
    archive_all(house)

    _, loaded = run(["--log-format", "json", "-c", str(house.config_path), "run"])

    spoken = {"archiver.log.events", "structlog", "asyncio"}
    assert "structlog" in loaded
    assert set() == loaded & ({*HEAVY} - POLLING | CAPTURING) - spoken
