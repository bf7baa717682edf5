"""Verify on the real command line: whatever happens to a copy is found, and nothing else is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archiver.wiring.archive import run_lock
from tests.servers import SeaweedFS
from tests.stories.house import House, Result, media_tree, tree


def findings(result: Result) -> dict[str, str]:
    """What was found wrong, by destination and path."""
    return {
        f"{line['destination']}:{line['path']}": line["fault"]
        for line in result.lines
        if "fault" in line
    }


def summary(result: Result) -> Any:
    """The last line of --json."""
    return result.lines[-1]["summary"]


def status_of(house: House, name: str) -> Any:
    """What `status` says of a destination."""
    [one] = [
        destination
        for destination in house.archiver("status", "--json").document["destinations"]
        if destination["destination"] == name
    ]
    return one


class Vault:
    """The bucket of a house, as its owner and an enemy may use it."""

    def __init__(self, house: House, store: SeaweedFS) -> None:
        self._client = store.make_client()
        self._bucket = house.destinations["vault"].split('bucket = "')[1].partition('"')[0]

    def read(self, path: str) -> bytes:
        """Read an object by its path in the archive."""
        answer = self._client.get_object(Bucket=self._bucket, Key=f"generations/{path}")
        return answer["Body"].read()

    def write(self, path: str, body: bytes) -> None:
        """Replace an object."""
        self._client.put_object(Bucket=self._bucket, Key=f"generations/{path}", Body=body)

    def delete(self, path: str) -> None:
        """Remove an object."""
        self._client.delete_object(Bucket=self._bucket, Key=f"generations/{path}")


def flip(body: bytes) -> bytes:
    """Turn one bit over in the middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def break_all(
    paths: list[str], sidecars: list[str], read: Callable[[str], bytes], write: Callable[..., None]
) -> dict[str, str]:
    """Do to each file another harm that a disk or a person may do; returns what each is called."""
    one, other = paths[4], next(path for path in paths[5:] if read(path) != read(paths[4]))
    mine, yours = read(one), read(other)
    write(paths[0], flip(read(paths[0])))
    write(paths[1], bytes(len(read(paths[1]))))
    write(paths[2], read(paths[2])[:-7])
    write(paths[3], read(paths[3]) + b"more")
    write(one, yours)
    write(other, mine)
    write(sidecars[0], b"[" + read(sidecars[0])[1:])
    document = json.loads(read(sidecars[1]))
    document["prompt"] = "a dog"
    write(sidecars[1], json.dumps(document, sort_keys=True, indent=2).encode() + b"\n")
    write(sidecars[2], b"")
    write("geminigen/notes.txt", b"what is this?")
    return {
        paths[0]: "damaged",
        paths[1]: "damaged",
        paths[2]: "truncated",
        paths[3]: "damaged",
        one: "swapped",
        other: "swapped",
        sidecars[0]: "damaged",
        sidecars[1]: "disagrees",
        sidecars[2]: "truncated",
        "geminigen/notes.txt": "foreign",
    }


@pytest.fixture
def archived(house: House) -> House:
    """A house whose archive is on two disks."""
    house.destinations["vault"] = 'type = "local"\npath = "vault"'
    assert 0 == house.run().exit_code
    return house


def names(house: House) -> tuple[list[str], list[str]]:
    """The paths of media, of which no two have the same bytes, and of all sidecars."""
    media = {digest: path for path, digest in media_tree(house.disk).items()}
    sidecars = [path for path in tree(house.disk) if path.endswith(".json")]
    return sorted(media.values()), sidecars


def test_untouched_archive_is_clean(archived: House) -> None:
    """Nothing is reported of an archive that nobody touched, and a quiet verify says nothing."""
    for arguments in ([], ["--all"], ["--quick"], ["--drill"]):
        found = archived.archiver("-q", "verify", *arguments)
        assert (0, "", "") == (found.exit_code, found.out, found.err), arguments

    everything = archived.archiver("verify", "--all", "--json")
    many = 2 * len(tree(archived.disk))
    assert (many, many, many) == tuple(
        summary(everything)[name] for name in ("listed", "due", "read")
    )


def test_every_harm_on_a_disk_is_found_by_its_name(archived: House) -> None:
    """Flipped, zeroed, cut, lengthened, swapped, removed, linked, foreign: each has its word."""
    media, sidecars = names(archived)
    folder = archived.disk
    expected = break_all(
        media,
        sidecars,
        lambda path: (folder / path).read_bytes(),
        lambda path, body: (folder / path).write_bytes(body),
    )
    left = [path for path in media if path not in expected]
    (folder / left[0]).unlink()
    target = archived.folder / "elsewhere"
    (folder / left[1]).rename(target)
    (folder / left[1]).symlink_to(target)
    expected |= {left[0]: "missing", left[1]: "missing"}

    found = archived.archiver("verify", "--all", "--json")

    assert 3 == found.exit_code
    assert {f"disk:{path}": word for path, word in expected.items()} == findings(found)
    heals = {line["heal"] for line in found.lines if line.get("fault", "foreign") != "foreign"}
    assert {"copied from vault", "written anew from the index"} == heals


def test_every_harm_in_a_bucket_is_found_by_its_name(
    house_with_bucket: House, seaweedfs: SeaweedFS
) -> None:
    """A bucket is proven as a disk is, and drilled."""
    house = house_with_bucket
    house.run()
    for arguments in ("--all", "--quick", "--drill"):
        found = house.archiver("-q", "verify", arguments)
        assert (0, "", "") == (found.exit_code, found.out, found.err), arguments
    media, sidecars = names(house)
    vault = Vault(house, seaweedfs)
    expected = break_all(media, sidecars, vault.read, vault.write)
    gone = next(path for path in media if path not in expected)
    vault.delete(gone)

    found = house.archiver("verify", "--all", "--json")

    assert 3 == found.exit_code
    assert {f"vault:{path}": word for path, word in {**expected, gone: "missing"}.items()} == (
        findings(found)
    )


def test_what_was_found_stays_known_until_it_is_right_again(archived: House) -> None:
    """A fault is read again by every verify, due or not, and shown by status meanwhile."""
    media, _ = names(archived)
    good = (archived.disk / media[0]).read_bytes()
    (archived.disk / media[0]).write_bytes(flip(good))
    (archived.disk / "stranger.txt").write_bytes(b"?")
    archived.archiver("verify", "--all")

    again = archived.archiver("verify", "--json")
    assert {f"disk:{media[0]}": "damaged", "disk:stranger.txt": "foreign"} == findings(again)
    assert (1, 1) == tuple(status_of(archived, "disk")[name] for name in ("at_fault", "strays"))
    assert "run `archiver repair`" in archived.archiver("status").out

    (archived.disk / media[0]).write_bytes(good)
    (archived.disk / "stranger.txt").unlink()
    assert 0 == archived.archiver("verify").exit_code
    assert (0, 0) == tuple(status_of(archived, "disk")[name] for name in ("at_fault", "strays"))


def test_known_damage_stays_reported_by_verifies_that_do_not_read_it(archived: House) -> None:
    """A listing and a spent budget give no all-clear, and count as no verify."""
    media, _ = names(archived)
    (archived.disk / media[0]).write_bytes(flip((archived.disk / media[0]).read_bytes()))
    assert 3 == archived.archiver("verify", "--all").exit_code
    verified_at = status_of(archived, "disk")["verified_at"]

    for arguments in (["--quick"], ["--all", "--budget", "0s"]):
        told = archived.archiver("verify", *arguments)
        found = archived.archiver("verify", *arguments, "--json")

        assert (3, 3) == (told.exit_code, found.exit_code)
        assert f"{media[0]} (known, not read again)" in told.out
        assert "1 known before and not read again" in told.out
        assert [(f"disk:{media[0]}", True)] == [
            (f"{line['destination']}:{line['path']}", line["known"])
            for line in found.lines
            if "fault" in line
        ]
        assert not summary(found)["clean"]
        assert verified_at == status_of(archived, "disk")["verified_at"]
    elsewhere = archived.archiver("verify", "--quick", "--destination", "vault")
    assert 0 == elsewhere.exit_code


def test_files_of_strangers_are_a_persons_and_no_matter_of_a_drill(archived: House) -> None:
    """What repair leaves alone is not called healed by it, and a drill restores what is ours."""
    for name in ("holiday.jpg", "notes.json", "geminigen/2026.json"):
        (archived.disk / name).write_bytes(b'{"title": "mine"}')

    found = archived.archiver("verify")
    drilled = archived.archiver("verify", "--drill", "--sample", "1000", "--json")

    assert 3 == found.exit_code
    assert 3 == found.out.count("cure: by a person: ")
    assert "`archiver repair` heals" not in found.out + found.err
    assert 0 == drilled.exit_code
    assert [0, 0] == [line["failed"] for line in drilled.lines]
    assert "run `archiver repair`" not in archived.archiver("status").out


def test_what_was_captured_while_a_destination_is_away_is_verified(archived: House) -> None:
    """Generations that wait for a third destination for days are proven at the other two."""
    archived.destinations["attic"] = 'type = "local"\npath = "attic"'
    (archived.folder / "attic").write_text("a file where a folder should be")
    archived.simulator.world.add("oxen")
    before = tree(archived.disk)
    archived.run()
    [path] = [one for one in tree(archived.disk) if one.endswith(".json") and one not in before]
    [image, *_] = sorted(tree(archived.disk).keys() - before.keys() - {path})
    stray = f"{path.removesuffix('.json')}-9.png"
    long_ago = time.time() - 9 * 86400
    for folder in (archived.disk, archived.folder / "vault"):
        document = json.loads((folder / path).read_text())
        (folder / path).write_text(json.dumps({**document, "media": []}))
        (folder / stray).write_bytes((folder / image).read_bytes())
        for one in (path, stray):
            os.utime(folder / one, (long_ago, long_ago))

    found = archived.archiver("verify", "--all", "--json")

    assert 3 == found.exit_code
    assert {
        f"{name}:{one}": fault
        for name in ("disk", "vault")
        for one, fault in ((path, "disagrees"), (stray, "foreign"))
    } == findings(found)


def test_when_every_copy_is_bad_the_provider_is_named_while_it_can_help(house: House) -> None:
    """A finding names what heals it: without a good copy the provider, or the index."""
    house.run()
    media, sidecars = names(house)
    path = next(path for path in media if path.startswith("neuralbox/"))
    (house.disk / path).unlink()
    (house.disk / sidecars[0]).unlink()

    found = house.archiver("verify", "--json")

    assert {
        path: "fetched again from the provider, if it still has it",
        sidecars[0]: "written anew from the index",
    } == {line["path"]: line["heal"] for line in found.lines if "heal" in line}


def test_quick_sees_names_and_sizes_only_and_proves_nothing(archived: House) -> None:
    """A flipped bit is not seen by a listing; a missing and a cut file are."""
    media, _ = names(archived)
    (archived.disk / media[0]).write_bytes(flip((archived.disk / media[0]).read_bytes()))
    (archived.disk / media[1]).unlink()
    (archived.disk / media[2]).write_bytes(b"cut")
    before = status_of(archived, "disk")["proven_since"]

    found = archived.archiver("verify", "--quick", "--json")

    assert {f"disk:{media[1]}": "missing", f"disk:{media[2]}": "truncated"} == findings(found)
    assert 0 == summary(found)["read"]
    assert before == status_of(archived, "disk")["proven_since"]


def test_destination_that_is_away_has_no_missing_copies(archived: House) -> None:
    """An unmounted disk is reported as such; the other destination is verified all the same."""
    archived.disk.rename(archived.folder / "unplugged")
    gone = archived.archiver("verify", "--all", "--json")
    archived.disk.mkdir()
    empty = archived.archiver("verify", "--all", "--json")

    for found in (gone, empty):
        assert 3 == found.exit_code
        assert {} == findings(found)
        assert ["disk"] == list(summary(found)["unusable"])
        assert summary(found)["read"] > 0


def test_budget_ends_the_reading_and_the_next_verify_goes_on(archived: House) -> None:
    """With no time nothing is read, and that is said; nothing is overdue, so all is well."""
    found = archived.archiver("verify", "--all", "--budget", "0s", "--json")

    assert 0 == found.exit_code
    assert 0 == summary(found)["read"]
    assert summary(found)["unread"] == summary(found)["due"] > 0


def test_verify_goes_on_beside_a_run_and_not_beside_a_verify(archived: House) -> None:
    """The lock of a run does not keep a verify out; its own does."""
    state = archived.folder / "state"
    with run_lock(state, wait=False):
        assert 0 == archived.archiver("verify").exit_code
    with run_lock(state, wait=False, name="verify.lock"):
        assert 11 == archived.archiver("verify").exit_code


def test_verify_beside_runs_reports_nothing_that_they_are_writing(archived: House) -> None:
    """Files that come while they are listed and read are neither missing nor foreign."""
    world = archived.simulator.world
    for provider in ("geminigen", "oxen", "sync", "neuralbox"):
        for _ in range(25):
            world.add(provider)
    running = archived.start("run")
    seen = 0
    while running.poll() is None:
        found = archived.archiver("verify", "--all", "--json")
        assert ({}, {}) == (findings(found), summary(found)["unusable"])
        seen += 1
    running.communicate()

    assert 0 == running.returncode
    assert seen > 0
    assert 0 == archived.archiver("verify", "--all").exit_code


def test_drill_restores_from_each_destination_alone_and_says_so(archived: House) -> None:
    """Each destination's sample is restored and compared; status tells since when that works."""
    assert status_of(archived, "vault")["drilled_at"] is None

    first = archived.archiver("verify", "--drill", "--sample", "5", "--json")

    assert 0 == first.exit_code
    assert [("disk", 5, 0), ("vault", 5, 0)] == [
        (line["destination"], line["generations"], line["failed"]) for line in first.lines
    ]
    for name in ("disk", "vault"):
        assert status_of(archived, name)["drilled_at"] is not None


def test_drills_rotate_through_all_generations_and_find_the_bad_one(
    archived: House, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In time everything is restored once: one damaged file fails exactly one drill of a turn."""
    place = tmp_path_factory.mktemp("drills")
    identity = json.loads((archived.disk / ".archiver/archive.json").read_text())["id"]
    (place / f"archiver-drill-{identity}-killed" / "left").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(place))
    media, sidecars = names(archived)
    (archived.disk / media[0]).write_bytes(flip((archived.disk / media[0]).read_bytes()))
    turns = -(-len(sidecars) // 8)

    codes = [
        archived.archiver("verify", "--drill", "--sample", "8", "--destination", "disk").exit_code
        for _ in range(turns)
    ]

    assert [3] == [code for code in codes if code]
    assert [] == list(place.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [("--quick", "--all"), ("--drill", "--budget", "1h"), ("--destination", "nowhere")],
)
def test_options_that_exclude_each_other_are_refused(
    archived: House, arguments: tuple[str, ...]
) -> None:
    """A command line that makes no sense is a usage error."""
    assert 2 == archived.archiver("verify", *arguments).exit_code


def test_there_is_nothing_to_verify_without_an_index(house: House) -> None:
    """An archive that never was is missing, and no state appears."""
    assert 10 == house.archiver("verify").exit_code
    assert not Path(house.folder / "state").exists()


def test_what_systems_leave_behind_is_nobodys_file(archived: House) -> None:
    """A NAS and a file manager put files everywhere: no alarm, which people would get used to."""
    folder = next(path for path in archived.disk.rglob("*.png")).parent
    for name in (".DS_Store", "Thumbs.db", "._film.mp4", "@eaDir/film.mp4/SYNOVIDEO_TEXT_INDEX"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"litter")

    found = archived.archiver("verify", "--json")

    assert (0, 0) == (found.exit_code, found.lines[-1]["summary"]["foreign"])
