"""Bags that others can trust: made, checked by the bagit library, broken, healed, interrupted."""

from __future__ import annotations

import hashlib
import io
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import bagit
import pytest

from archiver.actions.exporting.tags import make_info, make_line
from archiver.keys import TEMPORARY_PREFIX
from tests.servers import SeaweedFS
from tests.stories.house import House, media_tree, sidecars, tree

TAG_FILES = ("bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt")


def validate(folder: Path) -> bagit.Bag:
    """Have the bagit library check a bag: it raises unless all is there, and right."""
    bag = bagit.Bag(str(folder))
    bag.validate()
    return bag


def unpack(stream: bytes, folder: Path) -> Path:
    """Unpack a tar stream; return the one directory that is in it."""
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        tar.extractall(folder, filter="data")
    [bag] = folder.iterdir()
    return bag


def stream_of(house: House, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Export to a pipe, in a process of its own."""
    house.write_config()
    command = [sys.executable, "-m", "archiver", "-c", str(house.config_path)]
    return subprocess.run(
        [*command, "export", "--tar", "-", *arguments], capture_output=True, check=False
    )


def damage(path: Path) -> None:
    """Flip one bit in the middle of a file; its length stays."""
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def hidden(folder: Path) -> list[str]:
    """What an export left behind beside its target."""
    return [path.name for path in folder.iterdir() if "archiver" in path.name]


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    """Let the kernel refuse to write files beyond this size, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_directory_is_a_valid_bag_of_the_whole_archive(house: House) -> None:
    """Media and sidecars, in the archive's layout and with its times; nothing else is left."""
    house.run()
    target = house.folder / "bag"

    done = house.archiver("export", "--to", target)

    assert 0 == done.exit_code, done.err
    assert tree(house.disk) == tree(target / "data")
    info = validate(target).info
    sizes = [path.stat().st_size for path in (target / "data").rglob("*") if path.is_file()]
    assert f"{sum(sizes)}.{len(sizes)}" == info["Payload-Oxum"]
    manifest = (target / "manifest-sha256.txt").read_bytes()
    assert f"sha256:{hashlib.sha256(manifest).hexdigest()}" == info["External-Identifier"]
    assert "Archiver-Missing" not in info
    for document in sidecars(target / "data"):
        for media in document["media"] if document["created_at"] else ():
            made_at = datetime.fromisoformat(document["created_at"])
            assert made_at.timestamp() == (target / "data" / media["path"]).stat().st_mtime
    assert [] == hidden(house.folder)


@pytest.mark.parametrize("place", ["data", *TAG_FILES])
def test_bag_with_one_flipped_bit_fails(house: House, place: str) -> None:
    """The bagit library finds one wrong bit, in the payload and in each file about it."""
    house.run()
    target = house.folder / "bag"
    house.archiver("export", "--to", target, "--account", "studio")
    validate(target)

    damage(
        target / (f"data/{next(iter(media_tree(target / 'data')))}" if place == "data" else place)
    )

    with pytest.raises(bagit.BagError):
        validate(target)


def test_tar_stream_is_the_same_bag(house: House) -> None:
    """What comes out of the pipe unpacks to a valid bag; a person's words go to stderr."""
    house.run()

    done = stream_of(house)

    assert 0 == done.returncode, done.stderr
    assert b"exported to standard output" in done.stderr
    bag = unpack(done.stdout, house.folder / "unpacked")
    validate(bag)
    assert tree(house.disk) == tree(bag / "data")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        times = {member.name: member.mtime for member in tar}
    for document in sidecars(house.disk):
        for media in document["media"] if document["created_at"] else ():
            made_at = datetime.fromisoformat(document["created_at"])
            assert int(made_at.timestamp()) == times[f"{bag.name}/data/{media['path']}"]


def test_tar_stream_that_broke_off_is_no_bag(house: House) -> None:
    """The manifest comes last, so a part of a stream can not pass for a whole."""
    house.run()
    stream = stream_of(house).stdout
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        end = next(member.offset for member in tar if "/data/" not in member.name)

    with pytest.raises(bagit.BagError):
        validate(unpack(stream[:end], house.folder / "unpacked"))


def test_tar_file_appears_whole_or_not_at_all(house: House) -> None:
    """It is written aside and renamed; a disk that is full leaves nothing of it."""
    house.run()
    target = house.folder / "all.tar"
    with files_no_larger_than(200_000):
        failed = house.archiver("export", "--tar", target)
    assert 3 == failed.exit_code, failed.err
    assert "cannot use" in failed.err
    assert not target.exists()

    done = house.archiver("export", "--tar", target, "--json")

    assert 0 == done.exit_code, done.err
    assert len(tree(house.disk)) == done.document["files"]
    bag = unpack(target.read_bytes(), house.folder / "unpacked")
    assert "all" == bag.name
    validate(bag)
    assert [] == hidden(house.folder)


@pytest.mark.parametrize("is_stream", [False, True])
def test_bad_copy_is_replaced_by_a_good_one(house_with_bucket: House, is_stream: bool) -> None:
    """A flipped bit at one destination is found on the way, and the bucket's copy stands in."""
    house = house_with_bucket
    house.run()
    good = tree(house.disk)
    [bad, gone] = list(media_tree(house.disk))[:2]
    damage(house.disk / bad)
    (house.disk / gone).unlink()

    if is_stream:
        done = stream_of(house, "--from", "disk")
        bag, code, said = unpack(done.stdout, house.folder / "out"), done.returncode, done.stderr
        err = said.decode()
    else:
        bag = house.folder / "bag"
        result = house.archiver("export", "--from", "disk", "--to", bag)
        code, err = result.exit_code, result.err

    assert 0 == code, err
    assert f"{bad} is not what was stored there" in err
    assert f"there is no {gone}" in err
    assert good == tree(bag / "data")
    validate(bag)


def test_bag_says_what_it_lacks(house: House) -> None:
    """A file without a good copy is left out, told, counted in bag-info.txt, and exit 3."""
    house.run()
    bad = next(iter(media_tree(house.disk)))
    damage(house.disk / bad)
    target = house.folder / "bag"

    done = house.archiver("export", "--to", target)

    assert 3 == done.exit_code
    assert f"{bad} is not what was stored there" in done.err
    assert tree(house.disk).keys() - {bad} == tree(target / "data").keys()
    assert "1" == validate(target).info["Archiver-Missing"]


def test_export_without_a_good_copy_makes_no_bag(house: House) -> None:
    """An empty bag would look like a success."""
    house.run()
    target = house.folder / "bag"
    for name in tree(house.disk):
        damage(house.disk / name)

    done = house.archiver("export", "--to", target)

    assert 3 == done.exit_code
    assert "no file could be brought" in done.err
    assert not target.exists()


def test_interrupted_export_goes_on(house: House) -> None:
    """What was brought is hashed and kept; what is damaged or not asked for any more is not."""
    house.run()
    target, part = house.folder / "bag", house.folder / ".bag.archiver-bag-part"
    largest = max(path.stat().st_size for path in house.disk.rglob("*") if path.is_file())
    with files_no_larger_than(largest - 1):
        failed = house.archiver("export", "--to", target)
    assert 3 == failed.exit_code, failed.err
    assert "cannot use" in failed.err
    assert not target.exists()
    brought = list(tree(part / "data"))
    assert len(brought) > 1
    damage(part / "data" / brought[0])
    (part / "data" / "foreign.txt").write_text("of another time")
    (part / f"{TEMPORARY_PREFIX}1-{'0' * 16}").write_text("half a tag file")

    done = house.archiver("export", "--to", target, "--json")

    assert 0 == done.exit_code, done.err
    assert len(brought) - 1 == done.document["present"]
    assert tree(house.disk) == tree(target / "data")
    assert {"data", *TAG_FILES} == {path.name for path in target.iterdir()}
    validate(target)
    assert [] == hidden(house.folder)


def test_killed_export_never_looks_whole(house: House) -> None:
    """Kill -9 while it works: no target, and the next one ends where the first would have."""
    house.run()
    target, part = house.folder / "bag", house.folder / ".bag.archiver-bag-part"
    process = house.start("export", "--to", str(target))
    while process.poll() is None and not any((part / "data").rglob("*.*")):
        time.sleep(0.001)
    process.kill()
    process.communicate()

    if not target.exists():
        assert 0 == house.archiver("export", "--to", target).exit_code
    validate(target)
    assert tree(house.disk) == tree(target / "data")
    assert [] == hidden(house.folder)


def test_two_exports_to_one_place_do_not_mix(house: House) -> None:
    """The second one is told that the first is at work."""
    from archiver.actions.exporting.part import open_part

    house.run()
    target = house.folder / "bag"
    with open_part(target, "bag"):
        second = house.archiver("export", "--to", target)

    assert 11 == second.exit_code
    assert "another export" in second.err


def test_target_that_is_taken_stays_as_it_is(house: House) -> None:
    """Only what is missing or an empty directory becomes a bag."""
    house.run()
    target = house.folder / "taken"
    target.mkdir()
    assert 0 == house.archiver("export", "--to", target, "--account", "farm").exit_code
    before = tree(target)

    for option in ("--to", "--tar"):
        again = house.archiver("export", option, target)
        assert 1 == again.exit_code
        assert "is there already" in again.err
    assert before == tree(target)


@pytest.mark.parametrize("option", ["--to", "--tar"])
def test_export_into_a_destination_is_refused(house: House, option: str) -> None:
    """A bag there would be taken for the archive's own files; also its hidden part would."""
    house.run("--limit", "2")
    before = tree(house.disk)

    done = house.archiver("export", option, house.disk / "some" / "bag")

    assert 2 == done.exit_code
    assert "inside the archive" in done.err
    assert before == tree(house.disk)
    assert not (house.disk / "some").exists()


@pytest.mark.parametrize("name", [".tar", "..tar", "...tar"])
def test_tar_file_without_a_name_is_refused(house: House, name: str) -> None:
    """Its members would be unpacked at the root of the file system, or beside the bag."""
    house.run("--limit", "2")

    done = house.archiver("export", "--tar", house.folder / name)

    assert 1 == done.exit_code
    assert "names no bag" in done.err
    assert not (house.folder / name).exists()


def test_filters_and_ids_choose_as_in_restore(house: House) -> None:
    """What restore would give back with sidecars is what the payload holds."""
    house.run()
    chosen = ("--account", "studio", "--account", "box", "--kind", "image", "--role", "output")
    dry = house.archiver("export", "--to", house.folder / "bag", *chosen, "--dry-run", "--json")
    assert not (house.folder / "bag").exists()
    house.archiver("restore", "--to", house.folder / "back", "--with-sidecars", *chosen)

    done = house.archiver("export", "--to", house.folder / "bag", *chosen, "--json")

    assert 0 == done.exit_code, done.err
    wanted = tree(house.folder / "back")
    assert wanted
    assert wanted == tree(house.folder / "bag" / "data")
    assert len(wanted) == done.document["files"] == dry.document["files"]
    assert dry.document["size_bytes"] == done.document["size_bytes"]
    info = validate(house.folder / "bag").info
    assert ["accounts studio, box", "kinds image", "roles output"] == info["Archiver-Filter"]


def test_id_that_stands_for_nothing_is_told(house: House) -> None:
    """The others are exported; alone it makes no bag."""
    house.run()
    known = next(sidecars(house.disk))["id"]

    done = house.archiver("export", "--to", house.folder / "bag", known, "nobody")
    alone = house.archiver("export", "--to", house.folder / "none", "nobody")

    assert 3 == done.exit_code
    assert "'nobody'" in done.err
    assert "1" == validate(house.folder / "bag").info["Archiver-Missing"]
    assert 1 == alone.exit_code
    assert not (house.folder / "none").exists()


def test_nothing_to_export_makes_nothing(house: House) -> None:
    """Filters that choose no file are most likely a mistake."""
    house.run()
    done = house.archiver("export", "--to", house.folder / "bag", "--until", "1990-01-01")

    assert 1 == done.exit_code
    assert "there is nothing to export" in done.err
    assert not (house.folder / "bag").exists()
    assert [] == hidden(house.folder)


def test_bare_bucket_becomes_a_bag_and_the_bag_an_archive(
    house_with_bucket: House, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without index and config the bucket alone makes the bag, whose payload can be restored."""
    house = house_with_bucket
    house.run()
    before = tree(house.disk)
    bucket = house.destinations["vault"].split('bucket = "')[1].partition('"')[0]
    shutil.rmtree(house.folder / "state")
    shutil.rmtree(house.disk)
    house.config_path.unlink()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    place = ("--from", f"s3://{bucket}/generations", "--endpoint-url", seaweedfs.endpoint_url)

    done = house.bare("export", *place, "--to", house.folder / "bag")
    back = house.bare(
        "restore",
        *("--from", house.folder / "bag" / "data"),
        *("--to", house.folder / "back"),
        "--with-sidecars",
    )

    assert 0 == done.exit_code, done.err
    assert 0 == back.exit_code, back.err
    validate(house.folder / "bag")
    assert before == tree(house.folder / "back")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "--to DIR or --tar FILE"),
        (("--to", "a", "--tar", "b"), "one of the two"),
        (("--tar", "-", "--json"), "both want standard output"),
    ],
)
def test_unclear_place_is_a_usage_error(
    house: House, arguments: tuple[str, ...], word: str
) -> None:
    """Exactly one place, and standard output for one thing only."""
    done = house.archiver("export", *arguments)
    assert 2 == done.exit_code
    assert word in done.out + done.err


def test_manifest_encodes_what_would_break_its_lines() -> None:
    """RFC 8493, 2.1.3: CR, LF and % in a path, and nothing else."""
    assert b"00  data/50%25 off%0A%0Dn\xc3\xa4 *.png\n" == make_line(
        "data/50% off\n\rnä *.png", "00"
    )


def test_bag_info_has_a_line_an_element() -> None:
    """A value that brings lines of its own cannot make up another element."""
    assert b"A: one Payload-Oxum: 0.0\nA: two\n" == make_info(
        [("A", "one\nPayload-Oxum: 0.0"), ("A", "two")]
    )
