"""The main job, whole: four providers to disk and S3, again, and back."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from typing import Literal

import jsonschema
import pytest

from tests.servers import SeaweedFS
from tests.stories.house import (
    ACCOUNTS,
    House,
    expected_hashes,
    id_of,
    media_tree,
    sidecars,
    tree,
)


def test_one_pass_archives_every_file_byte_for_byte_to_disk_and_bucket(
    house_with_bucket: House,
) -> None:
    """A run keeps every output, thumbnail, last frame and speech file, each fetched once."""
    house = house_with_bucket
    expected = expected_hashes(house.simulator)

    summary = house.run()

    assert 0 == summary.exit_code, summary.err
    assert expected == sorted(media_tree(house.disk).values())
    assert len(expected) == sum(
        record.status == 200 for record in house.simulator.requests if record.host == "media"
    )
    assert [] == house.simulator.requests.leaks()


def test_second_run_asks_for_no_media_and_says_so(house: House) -> None:
    """What is known is not fetched again."""
    house.run()
    house.simulator.requests.clear()
    before = tree(house.disk)

    again = house.archiver("-v", "run")

    assert 0 == again.exit_code
    assert 0 == house.simulator.requests.count("media")
    assert "Nothing new; no media was requested." in again.out
    assert before == tree(house.disk)


def test_bucket_alone_gives_everything_back(
    house_with_bucket: House, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without index, config and first destination, the bucket restores identical files."""
    house = house_with_bucket
    house.run()
    before = tree(house.disk)
    bucket = house.destinations["vault"].split('bucket = "')[1].partition('"')[0]
    shutil.rmtree(house.folder / "state")
    shutil.rmtree(house.disk)
    house.config_path.unlink()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)

    back = house.bare(
        "restore",
        "--from",
        f"s3://{bucket}/generations",
        "--endpoint-url",
        seaweedfs.endpoint_url,
        "--to",
        house.folder / "back",
        "--with-sidecars",
    )

    assert 0 == back.exit_code, back.err
    assert before == tree(house.folder / "back")


def test_sidecars_follow_the_published_schema_and_hold_no_signature(house: House) -> None:
    """Every sidecar is valid, names files that exist, and stores no signed query."""
    house.run()
    schema = json.loads(files("archiver").joinpath("sidecar.schema.json").read_text())
    documents = list(sidecars(house.disk))
    hashes = media_tree(house.disk)

    for document in documents:
        jsonschema.validate(document, schema)
        for media in document["media"]:
            assert hashes[media["path"]] == media["sha256"]
    assert set(ACCOUNTS) == {document["account"] for document in documents}
    assert "X-Amz-Signature=" not in json.dumps(documents)


def test_index_holds_no_signature_and_no_key(house: House) -> None:
    """Signed links live in memory only; keys are read where the config says."""
    house.run()
    content = b"".join(path.read_bytes() for path in (house.folder / "state").glob("index*"))

    assert b"X-Amz-Signature=" not in content
    for provider in ACCOUNTS.values():
        assert house.simulator.api_key(provider).encode() not in content


def test_generation_that_finishes_later_is_asked_for_until_it_ends(house: House) -> None:
    """What was in progress is captured by the run after it finished."""
    world = house.simulator.world
    items = [world.add(provider, state="processing") for provider in ACCOUNTS.values()]
    house.run()
    before = {document["id"] for document in sidecars(house.disk)}

    for provider, item in zip(ACCOUNTS.values(), items, strict=True):
        world.finish(provider, item.id)
    summary = house.run()

    after = {document["id"]: document for document in sidecars(house.disk)}
    assert 0 == summary.exit_code, summary.out
    for provider, item in zip(ACCOUNTS.values(), items, strict=True):
        public_id = id_of(provider, item)
        assert public_id not in before
        assert "completed" == after[public_id]["status"]
        assert len(after[public_id]["media"]) == sum(
            file.role not in ("reference", "mask") for file in item.files
        )


def test_generation_that_failed_at_its_provider_keeps_its_prompt(house: House) -> None:
    """The prompt and parameters of a failed generation are worth keeping."""
    item = house.simulator.world.add("geminigen", state="failed", prompt="a lost cause")
    house.run()

    [document] = [one for one in sidecars(house.disk) if one["id"] == item.id]

    assert "failed" == document["status"]
    assert "a lost cause" == document["prompt"]
    assert [] == document["media"]
    assert document["error"]["message"]


@pytest.mark.parametrize("schema", ["old", "new"])
def test_both_published_schemas_of_neuralbox_give_every_file(
    house: House, schema: Literal["old", "new"]
) -> None:
    """Which of its two pages the vendor's server follows does not matter."""
    house.simulator.switches.neuralbox_schema = schema
    house.run("--account", "box")

    wanted = {
        house.simulator.expected_file(file).sha256
        for item in house.simulator.world.items("neuralbox")
        if item.state(house.simulator.world.clock()) == "completed"
        for file in item.files
        if schema == "new" or file.role == "output"
    }
    assert wanted == set(media_tree(house.disk).values())


def test_server_that_knows_no_paging_is_listed_once_and_whole(house: House) -> None:
    """An older Sync server answers everything at once, in any order, whatever is asked."""
    house.simulator.switches.sync_knows_paging = False
    summary = house.run("--account", "lips").document

    assert house.simulator.world.count("sync") == summary["accounts"]["lips"]["new"]
    assert 0 == summary["exit_code"]


def test_lost_index_is_made_anew_before_anything_is_fetched_again(house: House) -> None:
    """A run on a new machine takes the archive over from its sidecars; media stay untouched."""
    house.run()
    before = tree(house.disk)
    shutil.rmtree(house.folder / "state")
    house.simulator.requests.clear()

    summary = house.run().document

    assert 0 == house.simulator.requests.count("media")
    assert summary["rebuilt"]["disk"] == len(list(sidecars(house.disk)))
    assert before == tree(house.disk)


def test_archive_that_was_copied_without_its_marker_is_taken_over_too(house: House) -> None:
    """Hidden folders are easily left behind; what is there is known all the same."""
    house.run()
    before = tree(house.disk)
    shutil.rmtree(house.folder / "state")
    shutil.rmtree(house.disk / ".archiver")
    house.simulator.requests.clear()

    summary = house.run().document

    assert 0 == house.simulator.requests.count("media")
    assert summary["rebuilt"]["disk"] == len(list(sidecars(house.disk)))
    assert before == tree(house.disk)
    shutil.rmtree(house.folder / "state")
    shutil.rmtree(house.disk / ".archiver")
    rebuilt = house.archiver("rebuild", "--from", "disk", "--json")
    assert len(list(sidecars(house.disk))) == rebuilt.document["sidecars"]


def test_roles_that_are_kept_from_now_on_are_fetched_for_old_generations_too(
    house: House,
) -> None:
    """Adding a role to the config brings its files while their links can still be had."""
    house.run()
    with_references = '[transfer]\nallow_private_hosts = true\nroles = ["output", "reference"]\n'
    house.write_config()
    text = house.config_path.read_text().replace(
        "[transfer]\nallow_private_hosts = true\n", with_references
    )
    house.config_path.write_text(text)

    summary = house.bare("-q", "-c", house.config_path, "run", "--json")

    assert 0 == summary.exit_code, summary.out
    references = expected_hashes(house.simulator, ("reference",), ["geminigen"])
    assert references
    assert set(references) <= set(media_tree(house.disk).values())
