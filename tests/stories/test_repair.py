"""What is damaged comes back, and no good copy is ever at risk (promise 7)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from archiver.simulator import faults
from tests.stories.disks import mounted_read_only
from tests.stories.house import ACCOUNTS, House, media_tree, sha256_of, sidecars, tree

QUARANTINE = Path(".archiver") / "quarantine"
PATIENCE_SECONDS = 30


@pytest.fixture
def twins(house: House) -> House:
    """A user with two local destinations that hold the same."""
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    assert 0 == house.run().exit_code
    return house


def mirror(house: House) -> Path:
    """The second local destination."""
    return house.folder / "mirror"


def verify(house: House) -> int:
    """Read every copy; the exit code tells whether anything is wrong."""
    return house.archiver("-q", "verify", "--all").exit_code


def repair(house: House, *arguments: str) -> tuple[int, list[Any], dict[str, int]]:
    """Repair; returns the exit code, the findings and the sums."""
    result = house.archiver("repair", "--json", *arguments)
    *ends, last = result.lines
    return result.exit_code, ends, last["summary"]


def some_media(folder: Path) -> Path:
    """One media file, always the same."""
    return folder / next(iter(media_tree(folder)))


def some_sidecar(folder: Path) -> Path:
    """One sidecar that names files, always the same."""
    return next(
        folder / name
        for name in tree(folder)
        if name.endswith(".json") and json.loads((folder / name).read_text())["media"]
    )


def quarantined(folder: Path) -> dict[str, str]:
    """What was set aside, with its SHA-256, by the key it had."""
    root = folder / QUARANTINE
    return {
        "/".join(path.relative_to(root).parts[1:]): sha256_of(path)
        for path in root.rglob("*")
        if path.is_file()
    }


def index_rows(house: House, sql: str, *values: object) -> list[Any]:
    """Read the index."""
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index:
        return index.execute(sql, values).fetchall()


def change_index(house: House, sql: str, *values: object) -> None:
    """Change the index behind its back."""
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index:
        index.execute(sql, values)
        index.commit()


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 4
    path.write_bytes(body)


def test_damaged_files_come_back_from_the_other_destination(house_with_bucket: House) -> None:
    """Media and sidecars are healed from a bucket; the bad ones are kept, byte for byte."""
    house = house_with_bucket
    house.run()
    before = tree(house.disk)
    names = list(media_tree(house.disk))[:4]
    flip(house.disk / names[0])
    (house.disk / names[1]).write_bytes(b"")
    (house.disk / names[2]).unlink()
    text = some_sidecar(house.disk)
    flip(text)
    bad = {names[0], names[1], str(text.relative_to(house.disk))}
    was = {name: sha256_of(house.disk / name) for name in bad}
    assert 3 == verify(house)

    code, ends, summary = repair(house)

    assert 0 == code, ends
    assert {"healed": 4} == summary
    assert {"vault", "the index"} == {end["source"] for end in ends}
    assert before == tree(house.disk)
    assert was == quarantined(house.disk)
    assert 0 == verify(house)


def test_a_bucket_is_healed_from_a_disk_and_keeps_the_bad_object(
    house_with_bucket: House,
) -> None:
    """In a bucket a bad object is set aside as well, by the store itself."""
    house = house_with_bucket
    house.run()
    name = next(iter(media_tree(house.disk)))
    change_bucket(house, name, b"not what was stored")
    assert 3 == verify(house)

    code, [end], _ = repair(house, "--destination", "vault")

    assert 0 == code
    assert ("vault", "disk", "healed") == (end["destination"], end["source"], end["outcome"])
    assert b"not what was stored" == read_bucket(house, end["aside"])
    assert (house.disk / name).read_bytes() == read_bucket(house, name)
    assert 0 == verify(house)


def change_bucket(house: House, key: str, body: bytes) -> None:
    """Overwrite an object behind the archive's back."""
    client, bucket = _client(house)
    client.put_object(Bucket=bucket, Key=f"generations/{key}", Body=body)
    client.close()


def read_bucket(house: House, key: str) -> bytes:
    """Read an object."""
    client, bucket = _client(house)
    body: bytes = client.get_object(Bucket=bucket, Key=f"generations/{key}")["Body"].read()
    client.close()
    return body


def _client(house: House) -> tuple[Any, str]:
    from tests.servers import SeaweedFS, make_s3_client

    options = dict(
        line.split(" = ", 1) for line in house.destinations["vault"].splitlines() if " = " in line
    )
    url = options["endpoint_url"].strip('"')
    client = make_s3_client(url, SeaweedFS.access_key, SeaweedFS.secret_key)
    return client, options["bucket"].strip('"')


def test_what_is_right_when_looked_at_again_is_not_replaced(twins: House) -> None:
    """A passing error leaves nothing but a newer proof."""
    path = some_media(twins.disk)
    body = path.read_bytes()
    flip(path)
    verify(twins)
    path.write_bytes(body)
    inode = path.stat().st_ino

    code, [end], _ = repair(twins)

    assert (0, "cleared") == (code, end["outcome"])
    assert inode == path.stat().st_ino
    assert {} == quarantined(twins.disk)
    assert 0 == verify(twins)


def test_only_copy_is_fetched_again_from_its_provider(house: House) -> None:
    """Without another destination the provider gives the same bytes again, over a fresh link."""
    house.run()
    before = tree(house.disk)
    path = some_media(house.disk)
    flip(path)
    was = sha256_of(path)
    verify(house)

    code, [end], _ = repair(house)

    assert 0 == code, end
    assert end["source"] in ("geminigen", "oxen", "sync", "neuralbox")
    assert before == tree(house.disk)
    assert [was] == list(quarantined(house.disk).values())
    assert 0 == verify(house)


def test_two_files_that_changed_places_are_put_back_without_any_provider(house: House) -> None:
    """Both are whole, each under the other's name: no other copy is needed."""
    house.run()
    before = tree(house.disk)
    one, other, *_ = (house.disk / name for name in media_tree(house.disk))
    body = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(body)
    verify(house)
    house.simulator.requests.clear()

    code, ends, _ = repair(house)

    assert 0 == code, ends
    assert ["swapped", "swapped"] == [end["fault"] for end in ends]
    assert before == tree(house.disk)
    assert [] == list(house.simulator.requests)
    assert 0 == verify(house)


def rewrite_all(house: House) -> None:
    """Let every provider give other bytes from now on."""
    for provider in ("oxen", "sync", "geminigen", "neuralbox"):
        for item in house.simulator.world.items(provider):
            house.simulator.world.rewrite(provider, item.id)


def test_other_bytes_of_the_provider_are_kept_when_no_good_copy_is_left(twins: House) -> None:
    """What is new becomes the asset everywhere, with receipt and sidecar; the bad ones stay."""
    name = str(some_media(twins.disk).relative_to(twins.disk))
    old = sha256_of(twins.disk / name)
    flip(twins.disk / name)
    (mirror(twins) / name).write_bytes(b"zeros")
    rewrite_all(twins)
    verify(twins)

    code, ends, summary = repair(twins)

    new = sha256_of(twins.disk / name)
    assert 0 == code, ends
    assert summary["healed"] >= 2
    assert any("now gives" in (end["message"] or "") for end in ends)
    assert old != new == sha256_of(mirror(twins) / name)
    assert 0 == verify(twins)
    assert new in "".join(text.read_text() for text in mirror(twins).rglob("*.json"))
    assert name in quarantined(twins.disk)
    assert name in quarantined(mirror(twins))


def test_other_bytes_are_refused_while_a_destination_is_away(twins: House) -> None:
    """A destination that nobody can look at may hold the good copy: nothing is replaced."""
    path = some_media(twins.disk)
    flip(path)
    was = sha256_of(path)
    rewrite_all(twins)
    verify(twins)
    mirror(twins).rename(twins.folder / "away")

    result = twins.archiver("repair")

    assert 3 == result.exit_code
    assert "may hold a good copy" in result.err
    assert was == sha256_of(path)
    assert {} == quarantined(twins.disk)


def test_when_no_good_copy_is_left_anywhere_it_says_what_a_person_can_do(twins: House) -> None:
    """It names each file by what it is, touches none, and ends with 3."""
    name = str(some_media(twins.disk).relative_to(twins.disk))
    right = sha256_of(twins.disk / name)
    flip(twins.disk / name)
    (mirror(twins) / name).unlink()
    for provider in ("oxen", "sync", "geminigen", "neuralbox"):
        for item in list(twins.simulator.world.items(provider)):
            twins.simulator.world.delete(provider, item.id)
    before = tree(twins.folder)
    verify(twins)

    result = twins.archiver("repair")

    assert 3 == result.exit_code
    for words in (right, sha256_of(twins.disk / name), "mirror holds none", "--as-of"):
        assert words in result.err
    left = tree(twins.folder)
    assert before[f"disk/{name}"] == left[f"disk/{name}"]
    assert {} == quarantined(twins.disk) == quarantined(mirror(twins))
    assert 3 == verify(twins)


def test_sidecar_that_was_edited_is_written_anew_and_kept_aside(twins: House) -> None:
    """Its files are those of the index, so the recorded words are right."""
    path = some_sidecar(twins.disk)
    before = sha256_of(path)
    document = json.loads(path.read_text())
    document["prompt"] = "something else"
    path.write_text(json.dumps(document))
    edited = sha256_of(path)
    verify(twins)

    code, [end], _ = repair(twins)

    assert 0 == code, end
    assert "disagrees" == end["fault"]
    assert before == sha256_of(path)
    assert [edited] == list(quarantined(twins.disk).values())
    assert 0 == verify(twins)


def test_index_is_corrected_by_a_sidecar_whose_files_are_there(house: House) -> None:
    """Where only the sidecar names what is really stored, the index learns from it."""
    house.run()
    before = tree(house.disk)
    path = some_sidecar(house.disk)
    media = json.loads(path.read_text())["media"][0]
    false = "0" * 64
    change_index(house, "UPDATE assets SET sha256 = ? WHERE path = ?", false, media["path"])
    change_index(house, "UPDATE copies SET sha256 = ? WHERE path = ?", false, media["path"])
    assert 3 == verify(house)

    code, ends, _ = repair(house)

    assert 0 == code, ends
    assert "the sidecar" in {end["source"] for end in ends}
    assert before == tree(house.disk)
    found = index_rows(house, "SELECT sha256 FROM assets WHERE path = ?", media["path"])
    assert [(media["sha256"],)] == found
    assert 0 == verify(house)


def test_files_of_strangers_are_named_and_left_alone(twins: House) -> None:
    """What is not of the archive is no fault of it: it stays, and the exit code is 0."""
    stranger = twins.disk / "holiday.jpg"
    stranger.write_bytes(b"mine")
    verify(twins)

    result = twins.archiver("repair")

    assert 0 == result.exit_code
    assert "holiday.jpg: foreign: left alone" in result.out
    assert b"mine" == stranger.read_bytes()


def test_generation_that_the_index_does_not_know_is_taken_over_from_its_sidecar(
    twins: House,
) -> None:
    """A valid sidecar at a destination makes its generation known again, with its files."""
    path = some_sidecar(twins.disk)
    generation = json.loads(path.read_text())["id"]
    [(number,)] = index_rows(twins, "SELECT number FROM generations WHERE id = ?", generation)
    change_index(twins, "DELETE FROM copies WHERE generation = ?", number)
    change_index(twins, "DELETE FROM assets WHERE generation = ?", number)
    change_index(twins, "DELETE FROM generations WHERE number = ?", number)
    assert 3 == verify(twins)

    code, ends, summary = repair(twins)

    assert 0 == code, ends
    assert summary["taken over"] >= 2
    assert 0 == twins.archiver("show", generation).exit_code
    assert 0 == verify(twins)


def test_dry_run_says_what_would_heal_what_and_writes_nothing(twins: House) -> None:
    """The plan names the source of each; files and faults stay as they are."""
    flip(some_media(twins.disk))
    some_sidecar(mirror(twins)).unlink()
    verify(twins)
    before = tree(twins.folder / "disk"), tree(mirror(twins))

    code, ends, summary = repair(twins, "--dry-run")

    assert 0 == code
    assert {"planned": 2} == summary
    assert {"mirror", "the index"} == {end["source"] for end in ends}
    assert before == (tree(twins.disk), tree(mirror(twins)))
    assert {"healed": 2} == repair(twins)[2]


def test_repair_that_knows_of_nothing_says_when_it_was_last_looked(twins: House) -> None:
    """The message names verify, and each destination's last time."""
    said = twins.archiver("repair").out
    assert "disk never" in said
    verify(twins)

    said = twins.archiver("repair").out

    assert "Nothing is known to be wrong; `archiver verify`" in said
    assert "never" not in said


def test_repair_refuses_beside_a_run(twins: House) -> None:
    """Only one may write at a time."""
    with FileLock(twins.folder / "state" / "lock", is_singleton=False):
        assert 11 == twins.archiver("repair").exit_code


def test_destination_that_is_away_is_left_as_it_is(twins: House) -> None:
    """Nothing is healed into a mount point that has lost its disk."""
    some_media(mirror(twins)).unlink()
    verify(twins)
    mirror(twins).rename(twins.folder / "away")

    result = twins.archiver("repair")

    assert 3 == result.exit_code
    assert "mirror cannot be used now" in result.err
    assert {} == tree(mirror(twins))


@pytest.mark.parametrize("after", [1, 9, 25])
def test_repair_that_is_killed_leaves_faults_recorded_and_good_copies_whole(
    twins: House, after: int
) -> None:
    """Whatever the moment: what is not right yet is known as such, and the next repair ends it."""
    before = tree(twins.disk)
    bad = {}
    for name in before:
        flip(twins.disk / name)
        bad[name] = sha256_of(twins.disk / name)
    verify(twins)
    process = twins.start("repair")
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while len(quarantined_names(twins.disk)) < after and process.poll() is None:
        assert time.monotonic() < give_up_at
        time.sleep(0.001)
    process.kill()
    process.communicate()

    left = tree(twins.disk)
    known = {row[0] for row in index_rows(twins, "SELECT path FROM copies WHERE fault IS NOT NULL")}
    kept = quarantined(twins.disk)
    assert before == tree(mirror(twins))
    for name, digest in left.items():
        assert digest in (before[name], bad[name])
        assert digest == before[name] or name in known
        assert digest == bad[name] or kept[name] == bad[name]
    code, ends, _ = repair(twins)
    assert 0 == code, ends
    assert before == tree(twins.disk)
    assert bad == quarantined(twins.disk)
    assert 0 == verify(twins)


def quarantined_names(folder: Path) -> list[Path]:
    """The files that were set aside so far."""
    return [path for path in (folder / QUARANTINE).rglob("*") if path.is_file()]


def test_quarantine_is_no_part_of_an_index_that_is_made_anew(twins: House) -> None:
    """Sidecars that were set aside are not taken for those of the archive."""
    path = some_sidecar(twins.disk)
    path.write_text(path.read_text().replace('"prompt"', '"prompt" '))
    verify(twins)
    repair(twins)
    assert quarantined(twins.disk)
    shutil.rmtree(twins.folder / "state")

    result = twins.archiver("rebuild", "--from", "disk", "--json")

    assert 0 == result.exit_code, result.err
    assert 0 == result.document["broken_count"]


def test_file_that_the_provider_cannot_give_just_now_is_not_touched(house: House) -> None:
    """A provider that answers with errors leaves the bad copy where it is, and exit code 3."""
    house.run()
    path = some_media(house.disk)
    flip(path)
    was = sha256_of(path)
    verify(house)
    house.simulator.faults.add(faults.status(500), host="media", times=None)

    code, [end], _ = repair(house)

    assert (3, "refused") == (code, end["outcome"])
    assert was == sha256_of(path)
    assert {} == quarantined(house.disk)


def save_index(house: House) -> None:
    """Make a backup of the state directory."""
    shutil.copytree(house.folder / "state", house.folder / "backup")


def put_back_index(house: House) -> None:
    """Put the backup back, long after the files of the archive were written."""
    shutil.rmtree(house.folder / "state")
    (house.folder / "backup").rename(house.folder / "state")
    long_ago = time.time() - 7200
    for root in (house.disk, mirror(house)):
        for path in root.rglob("*"):
            os.utime(path, (long_ago, long_ago))


def named_files(folder: Path) -> list[str]:
    """The SHA-256 of all files that sidecars name."""
    return sorted(media["sha256"] for one in sidecars(folder) for media in one["media"])


@pytest.mark.parametrize("has_mirror", [False, True])
def test_old_index_learns_from_the_sidecars_of_what_was_finished_since(
    house: House, has_mirror: bool
) -> None:
    """What the index knows as unfinished is taken over from its sidecar, which stays as it is."""
    if has_mirror:
        house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    world = house.simulator.world
    items = [world.add(provider, state="processing") for provider in ACCOUNTS.values()]
    house.run()
    save_index(house)
    for provider, item in zip(ACCOUNTS.values(), items, strict=True):
        world.finish(provider, item.id)
    house.run()
    before = tree(house.disk)
    put_back_index(house)
    assert 3 == verify(house)

    code, ends, summary = repair(house)

    assert 0 == code, ends
    assert summary["taken over"] >= len(items)
    assert before == tree(house.disk)
    assert {} == quarantined(house.disk)
    assert 0 == verify(house)
    assert [] == [end for end in ends if end["outcome"] == "left alone"]
    media, named = media_tree(house.disk), named_files(house.disk)
    assert 0 == house.run().exit_code
    assert (media, named) == (media_tree(house.disk), named_files(house.disk))


def test_old_index_learns_of_files_whose_roles_were_kept_later(twins: House) -> None:
    """A sidecar that names more files, which are there, is never cut down to what is known."""
    save_index(twins)
    twins.write_config()
    text = twins.config_path.read_text()
    wider = 'allow_private_hosts = true\nroles = ["output", "thumbnail", "reference", "mask"]\n'
    text = text.replace("allow_private_hosts = true\n", wider)
    twins.config_path.write_text(text)
    assert 0 == twins.bare("-q", "-c", twins.config_path, "run").exit_code
    before = tree(twins.disk)
    put_back_index(twins)
    assert 3 == verify(twins)

    code, ends, _ = repair(twins)

    assert 0 == code, ends
    assert (before, before) == (tree(twins.disk), tree(mirror(twins)))
    assert {} == quarantined(twins.disk) == quarantined(mirror(twins))
    assert 0 == verify(twins)


def test_old_index_never_cuts_a_sidecar_whose_further_files_are_gone(house: House) -> None:
    """What nobody can prove is not taken over; but the only word of it is kept, and told."""
    world = house.simulator.world
    item = world.add("oxen", state="processing")
    house.run()
    save_index(house)
    known = tree(house.disk)
    world.finish("oxen", item.id)
    house.run()
    new = tree(house.disk).keys() - known.keys()
    [text] = [house.disk / name for name in new if name.endswith(".json")]
    was = sha256_of(text)
    for name in new:
        if not name.endswith(".json"):
            flip(house.disk / name)
    put_back_index(house)
    verify(house)

    result = house.archiver("repair")

    assert 3 == result.exit_code
    assert "left alone" in result.err
    assert was == sha256_of(text)


def edit_prompt(path: Path) -> None:
    """Let a sidecar say something else about the same files."""
    document = json.loads(path.read_text())
    document["prompt"] = "what the newer index knew"
    path.write_text(json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2) + "\n")


def test_sidecars_that_agree_against_the_index_are_believed(twins: House) -> None:
    """Where all destinations say the same about a generation, the index follows."""
    path = some_sidecar(twins.disk)
    edit_prompt(path)
    twin = mirror(twins) / path.relative_to(twins.disk)
    edit_prompt(twin)
    before = sha256_of(path)
    verify(twins)

    code, ends, _ = repair(twins)

    assert 0 == code, ends
    assert before == sha256_of(path) == sha256_of(twin)
    rows = index_rows(twins, "SELECT COUNT(*) FROM generations WHERE prompt LIKE 'what the newer%'")
    assert [(1,)] == rows
    assert 0 == verify(twins)


def test_only_sidecar_that_says_something_else_is_refused_and_left(house: House) -> None:
    """With one destination nobody can tell who is right, so neither word is lost."""
    house.run()
    path = some_sidecar(house.disk)
    edit_prompt(path)
    was = sha256_of(path)
    verify(house)

    result = house.archiver("repair")

    assert 3 == result.exit_code
    assert "nothing tells" in result.err
    assert was == sha256_of(path)


def test_only_sidecar_with_one_bit_turned_over_is_healed_from_the_index(house: House) -> None:
    """One bit is rot and no newer word: the recorded text comes back."""
    house.run()
    path = some_sidecar(house.disk)
    before = sha256_of(path)
    body = path.read_bytes()
    at = body.index(b'"prompt": "') + len(b'"prompt": "')
    path.write_bytes(body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])
    verify(house)

    code, ends, _ = repair(house)

    assert 0 == code, ends
    assert before == sha256_of(path)


@pytest.mark.parametrize("is_known_fault", [False, True])
def test_sidecar_of_a_newer_format_is_left(twins: House, is_known_fault: bool) -> None:
    """It may say more than this archiver could ever write: nothing takes its place."""
    path = some_sidecar(twins.disk)
    newer = path.read_text().replace("archiver.sidecar/1", "archiver.sidecar/2")
    if is_known_fault:
        path.unlink()
        verify(twins)
    path.write_text(newer)
    if not is_known_fault:
        verify(twins)

    result = twins.archiver("repair")

    assert newer == path.read_text()
    assert {} == quarantined(twins.disk)
    if is_known_fault:
        assert 3 == result.exit_code
        assert "made by a newer archiver" in result.err


def test_xmp_is_written_anew_beside_a_file_that_was_healed(house: House) -> None:
    """Media that comes back from another destination has its words for photo tools again."""
    house.has_xmp = True
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    house.run()
    packet = next(path for path in house.disk.rglob("*.xmp"))
    was = packet.read_bytes()
    shutil.rmtree(packet.parent)
    verify(house)

    code, ends, _ = repair(house)

    assert 0 == code, ends
    assert was == packet.read_bytes()


def test_read_only_disk_heals_the_others(twins: House) -> None:
    """A failing disk that became read-only can still give what it holds."""
    name = str(some_media(mirror(twins)).relative_to(mirror(twins)))
    flip(mirror(twins) / name)
    verify(twins)
    for account in ACCOUNTS:
        twins.keys[account] = "dead"

    with mounted_read_only(twins.disk):
        code, [end], _ = repair(twins, "--destination", "mirror")
        left_out = twins.archiver("repair")

    assert (0, "disk") == (code, end["source"])
    assert sha256_of(twins.disk / name) == sha256_of(mirror(twins) / name)
    assert 3 == left_out.exit_code
    assert "disk is left out" in left_out.err


def test_trouble_of_the_target_is_named_and_no_provider_is_asked(twins: House) -> None:
    """Where a directory stands in the file's place, no source and no provider would help."""
    path = some_media(twins.disk)
    path.unlink()
    path.mkdir()
    (path / "thing").write_bytes(b"mine")
    verify(twins)
    twins.simulator.requests.clear()

    result = twins.archiver("repair")

    assert 3 == result.exit_code
    assert "a directory stands where the file belongs" in result.err
    assert "no good copy" not in result.err
    assert [] == list(twins.simulator.requests)


def test_file_that_was_renamed_onto_another_is_found_there(house: House) -> None:
    """The only good copy of the one lies in the other's place, and is used."""
    house.run()
    one, other, *_ = media_tree(house.disk)
    right = sha256_of(house.disk / one)
    (house.disk / one).rename(house.disk / other)
    verify(house)
    house.keys = dict.fromkeys(ACCOUNTS, "dead")

    code, ends, summary = repair(house)

    assert 3 == code
    assert {"healed": 1, "refused": 1} == summary
    assert right == sha256_of(house.disk / one)
    assert any(other in (end["source"] or "") for end in ends)


def test_file_that_was_set_aside_on_another_day_is_found(house: House) -> None:
    """Quarantine is looked through whatever its date: a good file in it is a good file."""
    house.run()
    path = some_media(house.disk)
    right = sha256_of(path)
    kept = house.disk / QUARANTINE / "2024-02-29" / "elsewhere.bin"
    kept.parent.mkdir(parents=True)
    path.rename(kept)
    verify(house)
    house.keys = dict.fromkeys(ACCOUNTS, "dead")

    code, [end], _ = repair(house)

    assert 0 == code, end
    assert right == sha256_of(path)
    assert "2024-02-29" in end["source"]
