"""docs/commands.md is true: every command's JSON has the keys and types that stand there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from archiver import errors
from archiver.cli import COMMANDS
from archiver.simulator import faults
from tests.shapes import differences, objects, read_shapes
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, Result, media_tree

PAGE = (Path(__file__).parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")
SHAPES = read_shapes(PAGE)
Documents = Iterator[Any]


def filled(house: House) -> House:  # noqa: F811
    """A house with two disks that hold the same archive."""
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    assert 0 == house.run().exit_code
    return house


def troubled(house: House) -> Result:  # noqa: F811
    """A house whose files can never be fetched, until a run foresees that they will be lost."""
    house.simulator.faults.add(faults.status(404), host="media", times=None)
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    (house.folder / "mirror").write_text("a file where a folder should be")
    for _ in range(4):
        result = house.run("--retry-now")
    return result


def spoilt(house: House) -> House:  # noqa: F811
    """A house in which one copy is damaged, one is missing, and a stranger left a file."""
    filled(house)
    damaged, missing, *_ = media_tree(house.disk)
    (house.disk / damaged).write_bytes(b"rotten")
    (house.disk / missing).unlink()
    (house.disk / "foreign.txt").write_text("not ours")
    return house


def failure(house: House) -> Documents:  # noqa: F811
    """A command that needs an index, without one."""
    yield house.archiver("status", "--json").document


def run(house: House) -> Documents:  # noqa: F811
    """A run in which all goes well, one in which nothing does, and one with a new index."""
    yield house.run().document
    shutil.rmtree(house.folder / "state")
    yield house.run().document
    shutil.rmtree(house.folder / "state")
    shutil.rmtree(house.disk)
    yield troubled(house).document


def run_dry(house: House) -> Documents:  # noqa: F811
    """What a first run would do."""
    yield house.run("--dry-run").document


def status(house: House) -> Documents:  # noqa: F811
    """Before and after nothing could be fetched."""
    yield filled(house).archiver("status", "--json").document
    shutil.rmtree(house.folder / "state")
    shutil.rmtree(house.disk)
    shutil.rmtree(house.folder / "mirror")
    troubled(house)
    yield house.archiver("status", "--json").document


def audit(house: House) -> Documents:  # noqa: F811
    """The ledger of a new archive: some generations are in progress."""
    yield filled(house).archiver("audit", "--json").document


def ls(house: House) -> Documents:  # noqa: F811
    """All generations."""
    yield from filled(house).archiver("ls", "--json").lines


def search(house: House) -> Documents:  # noqa: F811
    """Those with a word."""
    house.simulator.world.add("geminigen", prompt="a heron in the morning fog")
    yield from filled(house).archiver("search", "heron", "--json").lines


def show(house: House) -> Documents:  # noqa: F811
    """Every generation there is, also one that failed at its provider."""
    house.simulator.world.add("geminigen", state="failed")
    for one in filled(house).archiver("ls", "--json").lines:
        yield house.archiver("show", one["id"], "--json").document


def restore(house: House) -> Documents:  # noqa: F811
    """All files, from a good archive and then from one that is not."""
    spoilt(house)
    back = house.folder / "back"
    yield house.archiver("restore", "--to", back, "--json").document
    yield house.archiver("restore", "--to", back, "--json", "--dry-run").document


def export(house: House) -> Documents:  # noqa: F811
    """A whole bag."""
    yield filled(house).archiver("export", "--to", house.folder / "bag", "--json").document


def verify(house: House) -> Documents:  # noqa: F811
    """What is wrong, and the sums."""
    yield from spoilt(house).archiver("verify", "--json").lines
    yield from house.archiver("verify", "--quick", "--json").lines


def drill(house: House) -> Documents:  # noqa: F811
    """A drill of both disks."""
    yield from spoilt(house).archiver("verify", "--drill", "--json").lines


def repair(house: House) -> Documents:  # noqa: F811
    """What would be healed, and what was."""
    spoilt(house).archiver("verify", "--json")
    yield from house.archiver("repair", "--dry-run", "--json").lines
    yield from house.archiver("repair", "--json").lines


def replicate(house: House) -> Documents:  # noqa: F811
    """A third disk is filled."""
    filled(house).destinations["third"] = 'type = "local"\npath = "third"'
    yield house.archiver("replicate", "--json").document


def replicate_dry(house: House) -> Documents:  # noqa: F811
    """What a third disk lacks."""
    filled(house).destinations["third"] = 'type = "local"\npath = "third"'
    yield house.archiver("replicate", "--dry-run", "--json").document


def rebuild(house: House) -> Documents:  # noqa: F811
    """The index is lost, and made anew."""
    shutil.rmtree(filled(house).folder / "state")
    yield house.archiver("rebuild", "--from", "disk", "--json").document


def health(house: House) -> Documents:  # noqa: F811
    """With and without an index."""
    yield house.archiver("health", "--json").document
    yield filled(house).archiver("health", "--json").document


def ingest(house: House) -> Documents:  # noqa: F811
    """Good bodies and one that is none, with a list of them and of files."""
    made, being_made = (
        house.simulator.world.add("sync"),
        house.simulator.world.add("oxen", state="processing"),
    )
    bodies = [house.simulator.body(made, "webhook"), house.simulator.body(being_made, "detail")]
    path = house.folder / "bodies.json"
    path.write_text(json.dumps([*bodies, []]), encoding="utf-8")
    yield from house.archiver("ingest", "--json", path, path).lines


def generate(house: House) -> Documents:  # noqa: F811
    """One that is archived, one that is late, and one that nobody waits for."""
    wish = ("generate", "--json", "--model", "imagen-4", "--prompt", "a heron")
    house.simulator.switches.geminigen_making_seconds = 1.0
    yield house.archiver(*wish).document
    yield house.archiver(*wish, "--timeout", "0s").document
    yield house.archiver(*wish, "--no-wait").document


def wait(house: House) -> Documents:  # noqa: F811
    """One that is made, and one that nobody knows."""
    item = house.simulator.world.add("sync")
    yield from house.archiver("wait", "--json", item.id, "nobody-knows-it").lines


def doctor(house: House) -> Documents:  # noqa: F811
    """All that is looked at in a good house."""
    yield house.archiver("doctor", "--json").document


def config_validate(house: House) -> Documents:  # noqa: F811
    """A good config and a bad one."""
    yield house.archiver("config", "validate", "--json").document
    house.extra = "[daemon]\nnope = 1\n"
    yield house.archiver("config", "validate", "--json").document


def config_show(house: House) -> Documents:  # noqa: F811
    """The config of the house."""
    yield house.archiver("config", "show", "--json").document


SCENES: dict[str, tuple[str, Callable[[House], Documents]]] = {
    "failure": ("failure", failure),
    "run": ("run", run),
    "run --dry-run": ("run --dry-run", run_dry),
    "status": ("status", status),
    "audit": ("audit", audit),
    "ls": ("ls", ls),
    "search": ("ls", search),
    "show": ("show", show),
    "restore": ("restore", restore),
    "export": ("restore", export),
    "verify": ("verify", verify),
    "verify --drill": ("verify --drill", drill),
    "repair": ("repair", repair),
    "replicate": ("replicate", replicate),
    "replicate --dry-run": ("replicate --dry-run", replicate_dry),
    "rebuild": ("rebuild", rebuild),
    "health": ("health", health),
    "ingest": ("ingest", ingest),
    "generate": ("generate", generate),
    "wait": ("generate", wait),
    "doctor": ("doctor", doctor),
    "config validate": ("config validate", config_validate),
    "config show": ("config show", config_show),
}
"""Each command that speaks JSON: its heading on the page, and what makes it speak.

A new command: write its shape on the page, and a function here that yields what it prints.
"""


def commands_with_json() -> Iterator[str]:
    """Every command that takes --json."""
    for name in COMMANDS:
        command: click.Command = import_module(f"archiver.cli.{name}").command
        inner = command.commands.items() if isinstance(command, click.Group) else ()
        for full_name, one in [(name, command), *((f"{name} {sub}", one) for sub, one in inner)]:
            if any("--json" in parameter.opts for parameter in one.params):
                yield full_name


def test_every_command_that_speaks_json_is_on_the_page() -> None:
    """And nothing else is."""
    assert set(commands_with_json()) <= SCENES.keys()
    assert {heading for heading, _ in SCENES.values()} == SHAPES.keys()


@pytest.mark.parametrize("name", SCENES)
def test_what_a_command_prints_is_what_the_page_says(
    house: House,  # noqa: F811
    name: str,
) -> None:
    """Every key of the output stands there with its type, and every key that stands there comes."""
    heading, scene = SCENES[name]
    shapes, met = SHAPES[heading], [set[str]() for _ in SHAPES[heading]]

    wrong: set[str] = set()
    for document in scene(house):
        found = [list(differences(shape, document, set())) for shape in shapes]
        best = min(range(len(shapes)), key=lambda number: len(found[number]))
        wrong.update(found[best])
        list(differences(shapes[best], document, met[best]))

    assert set() == wrong
    if name == heading:
        assert [set(objects(shape)) for shape in shapes] == met


def test_exit_codes_of_the_page_are_those_of_the_errors() -> None:
    """Each code that an error leads to stands in the table."""
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    raised = {
        one.exit_code
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.ArchiverError)
    }
    assert {0, 1, 2, 3, 4, 10, 11, 12, 78, 130, 143} == told
    assert raised <= told
