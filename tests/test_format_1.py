"""An archive of format 1 can be read for ever: restored, rebuilt from, verified."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from archiver import __version__, keys
from archiver.model import Kind, Role, State, Status
from archiver.sidecar import decode, encode
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, media_tree, tree

FIXTURES = Path(__file__).parent / "fixtures"
ARCHIVE = FIXTURES / "archive-1"
SCHEMA = json.loads(resources.files("archiver").joinpath("sidecar.schema.json").read_text("utf-8"))
SIDECARS = sorted(path for path in ARCHIVE.rglob("*.json") if ".archiver" not in path.parts)
AS_WRITTEN = "b616d52292bd80fd455140e6c901a27a8afbcc8f4b382e3fdaab685efcbc6d28"
"""SHA-256 over the names and hashes of all files, as they were written once."""


def documents() -> list[dict[str, Any]]:
    """All sidecars as JSON."""
    return [json.loads(path.read_text("utf-8")) for path in SIDECARS]


def facts(document: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    """Each field by its place, with the kind of value it has; what a stranger wrote is one."""
    for name, value in document.items():
        where = f"{place}{name}"
        yield where, type(value).__name__ if value not in ([], {}, "") else "empty"
        if name in ("media", "missing"):
            for entry in value:
                yield from facts(entry, f"{where}.")
        elif name in ("cost", "error") and value:
            yield from facts(value, f"{where}.")


def test_nobody_has_edited_the_archive_of_format_1() -> None:
    """It was written once, by the program that was the first to write it."""
    found = hashlib.sha256()
    for path in sorted(path for path in ARCHIVE.rglob("*") if path.is_file()):
        name = path.relative_to(ARCHIVE).as_posix()
        found.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())

    assert AS_WRITTEN == found.hexdigest()


def test_it_says_whatever_format_1_can_say() -> None:
    """Every word of the model, and each field that may be null both ways."""
    told = documents()
    media = [one for document in told for one in document["media"]]
    missing = [one for document in told for one in document["missing"]]
    seen = {fact for document in told for fact in facts(document)}

    assert {status.value for status in Status} == {one["status"] for one in told}
    assert {kind.value for kind in Kind} == {one["kind"] for one in told}
    assert {kind.value for kind in Kind} - {"text"} == {one["kind"] for one in media}
    assert {role.value for role in Role} == {one["role"] for one in media}
    assert {State.LOST, State.FAILED, State.EXCLUDED} == {one["state"] for one in missing}
    nullable = {name for name, kind in seen if kind == "NoneType"}
    assert nullable == {
        *(f"media.{name}" for name in ("original_name", "source_url", "source_etag")),
        *("missing.http_status", "error.code", "error.message", "model", "prompt"),
        *("negative_prompt", "cost", "name", "error"),
        *("created_at", "completed_at", "expires_at"),
    }
    for name in nullable:
        assert {kind for place, kind in seen if place == name} - {"NoneType"}, name


@pytest.mark.parametrize(
    "path", [FIXTURES / "sidecar-1.json", *SIDECARS], ids=lambda path: path.name
)
def test_each_sidecar_is_read_and_keeps_to_the_published_schema(path: Path) -> None:
    """What is read is what was written: today's program would write the same, byte for byte."""
    body = path.read_bytes()
    version = json.loads(body)["archiver_version"]

    written = encode(decode(body, path.name)).replace(
        f'"archiver_version": "{__version__}"'.encode(),
        f'"archiver_version": "{version}"'.encode(),
    )

    assert body == written
    Draft202012Validator(SCHEMA).validate(json.loads(body))


def test_it_is_restored_without_an_index_and_without_a_config(
    house: House,  # noqa: F811
) -> None:
    """Every file and every sidecar comes back as it is, its hash checked on the way."""
    target = house.folder / "back"

    result = house.bare("restore", "--from", ARCHIVE, "--to", target, "--with-sidecars", "--json")

    assert (0, []) == (result.exit_code, result.document["problems"]), result.err
    assert tree(ARCHIVE) == tree(target)


def test_an_index_is_made_from_it(house: House) -> None:  # noqa: F811
    """The index says of each generation what its sidecar says, and every copy is right."""
    shutil.copytree(ARCHIVE, house.disk)

    rebuilt = house.archiver("rebuild", "--from", "disk", "--json")

    assert (0, len(SIDECARS), 0) == (
        rebuilt.exit_code,
        rebuilt.document["sidecars"],
        rebuilt.document["broken_count"],
    )
    for document in documents():
        shown = house.archiver("show", document["id"], "--json").document
        for name in ("account", "provider", "status", "kind", "prompt", "parameters", "raw"):
            assert document[name] == shown[name], name
        assert {one["path"] for one in document["media"]} == {one["path"] for one in shown["media"]}
        assert {one["key"] for one in document["missing"]} == {
            one["key"] for one in shown["missing"]
        }
    assert 0 == house.archiver("verify", "--all").exit_code
    assert tree(ARCHIVE) == tree(house.disk)
    assert len(media_tree(ARCHIVE)) == sum(
        one["files"] for one in house.archiver("ls", "--json").lines
    )


def test_names_are_made_today_as_they_were_then() -> None:
    """A generation that is listed again finds its files under the names they have."""
    for path in SIDECARS:
        generation = decode(path.read_bytes(), path.name).generation
        stem = keys.make_stem(keys.DEFAULT_LAYOUT, generation)
        assert path == ARCHIVE / keys.make_sidecar_key(stem)
