"""The documentation is true: its commands run, its tables match the code."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from archiver.cli import COMMANDS
from archiver.config import parse_config
from archiver.providers import PROVIDERS
from archiver.storage import DESTINATION_TYPES
from tests.servers import SeaweedFS
from tests.stories.conftest import house, house_with_bucket, simulator  # noqa: F401
from tests.stories.house import House

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
RESTORE = (ROOT / "docs" / "restore.md").read_text(encoding="utf-8")


def blocks(language: str, document: str = README) -> list[str]:
    """The fenced blocks of a document in one language."""
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


@pytest.mark.parametrize("document", [README, RESTORE], ids=["README.md", "restore.md"])
def test_every_archiver_command_of_the_documents_runs(
    document: str,
    house_with_bucket: House,  # noqa: F811
    seaweedfs: SeaweedFS,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Line by line, as it stands there, with this machine's places for those of the text."""
    house = house_with_bucket  # noqa: F811  # the same household, with a bucket
    house.write_config()
    bucket = house.destinations["vault"].split('bucket = "')[1].partition('"')[0]
    monkeypatch.chdir(house.folder)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweedfs.endpoint_url)
    if document is RESTORE:  # its pages begin where the index is lost
        house.run()
        shutil.rmtree(house.folder / "state")
    lines = [
        line
        for block in blocks("sh", document)
        for line in block.splitlines()
        if line.startswith("archiver ")
    ]
    assert len(lines) >= 6
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        words = [word.replace("my-archive", bucket) for word in words]
        words = [str(house.disk) if word == "/mnt/disk/archive" else word for word in words]
        result = house.bare(*words)
        assert 0 == result.exit_code, f"{line}\n{result.err}"


def test_make_targets_of_the_readme_exist() -> None:
    """Each `make` command stands in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_config_of_the_readme_is_valid() -> None:
    """The smallest config that is shown is a whole one."""
    [text] = blocks("toml")
    config = parse_config(text, {})
    assert {"studio"} == set(config.accounts)
    assert {"disk", "vault"} == set(config.destinations)


def test_demo_in_the_readme_is_the_demo(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The steps and accounts that the README shows are those that the demo prints."""
    monkeypatch.chdir(house.folder)
    said = house.bare("demo").out
    shown = blocks("text")[0]
    for line in shown.splitlines():
        if re.match(r"^\d\. |ACCOUNT", line):
            assert " ".join(line.split()) in " ".join(said.split())


def test_table_of_commands_is_complete() -> None:
    """Every command stands in the README's table."""
    for name in COMMANDS:
        assert re.search(rf"^\| .*`archiver {name}\b", README, re.MULTILINE), name


def test_tables_of_providers_and_destinations_match_the_files() -> None:
    """An adapter that is in the table has its module, its row in the README and its recordings."""
    for name, module in PROVIDERS.items():
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file()
        assert f"| `{name}` |" in README
        assert list((ROOT / "tests" / "providers" / "recordings" / name).glob("*.json"))
        assert (ROOT / "archiver" / "simulator" / f"{name}.py").is_file()
    for package in DESTINATION_TYPES.values():
        for module in ("options", "destination", "trial"):
            assert (ROOT / package.replace(".", "/") / f"{module}.py").is_file()


def test_rooms_of_the_design_are_the_rooms_of_the_code() -> None:
    """The tree that docs/design.md explains is the tree that is there."""
    rooms = {
        path.name
        for path in (ROOT / "archiver").iterdir()
        if (path.is_dir() and (path / "__init__.py").exists()) or path.suffix == ".py"
    } - {"__init__.py", "__main__.py"}
    for room in rooms:
        assert room in DESIGN, room


def test_local_links_of_the_documents_lead_somewhere() -> None:
    """No document points to a file that is not there."""
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_version_and_licence_are_stated_once() -> None:
    """The package takes its version from the code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"]
    assert "Apache-2.0" == project["license"]
