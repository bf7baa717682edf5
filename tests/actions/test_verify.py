"""Verify below the command line: the rotation, its budget, odd destinations, requests."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver import keys, sidecar
from archiver.actions.archive import Archive
from archiver.actions.marker import check_marker
from archiver.actions.rebuild import rebuild
from archiver.actions.verify import VerifyOptions, VerifyReport, verify
from archiver.actions.verifying.findings import (
    BY_A_NEWER,
    BY_A_PERSON,
    BY_A_RUN,
    TAKEN_OVER,
    findings,
)
from archiver.cli.standing import tell_faults
from archiver.errors import CopyDamaged, CopyFrozen, DestinationUnavailable, Interrupted
from archiver.index import Index, jobs, ledger, open_index, proofs
from archiver.index.rows import stamp
from archiver.index.standing import standing as read_standing
from archiver.model import Digest, Fault, Generation, Kind, Media, Role, Status, Stored
from archiver.secrets import SecretSource
from archiver.sidecar import Sidecar
from archiver.storage.base import Destination, put
from archiver.storage.memory import MemoryDestination
from archiver.storage.s3 import destination as s3
from tests.servers import make_s3_client

START = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
CYCLE = timedelta(days=35)
ROTATION = VerifyOptions(every=WEEK, cycle=CYCLE, concurrency=4)


class Clock:
    """A clock that a test sets, and that may go on by itself at every look."""

    def __init__(self, step: timedelta = timedelta(0)) -> None:
        self.now = START
        self.step = step
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Tell the time."""
        with self._lock:
            self.now += self.step
            return self.now


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Open a new index."""
    opened = open_index(tmp_path, create=True)
    yield opened
    opened.close()


def make_archive(index: Index, destination: Destination, clock: Clock) -> Archive:
    """Make an archive of one destination, as a first run would."""
    marker = check_marker(index, destination)
    ledger.remember_archive(index, destination.name, marker.identity, clock.now)
    return Archive(
        index=index,
        destinations={destination.name: destination},
        names=frozenset({destination.name}),
        required=frozenset(),
        layout="{account}/{id}",
        roles=frozenset(Role),
        clock=clock,
    )


def store(destination: Destination, number: int, at: datetime) -> None:
    """Store one generation of a file and its sidecar."""
    stem, body = f"farm/g{number:05}", bytes([number % 251]) * (100 + number % 7 * 300)
    body += str(number).encode()
    receipt = put(destination, f"{stem}.png", [body], "image/png")
    generation = Generation(
        provider="oxen",
        account="farm",
        id=f"g{number:05}",
        kind=Kind.IMAGE,
        status=Status.COMPLETED,
        created_at=at,
        prompt="a cat",
    )
    media = Media(
        key="output/0",
        role=Role.OUTPUT,
        kind=Kind.IMAGE,
        path=f"{stem}.png",
        original_name=None,
        media_type="image/png",
        digest=receipt.digest,
        source_url=None,
        source_etag=None,
        fetched_at=at,
    )
    document = sidecar.encode(
        Sidecar(generation=generation, media=(media,), missing=(), archived_at=at)
    )
    put(destination, f"{stem}.json", [document], sidecar.MEDIA_TYPE)


def look(archive: Archive, options: VerifyOptions = ROTATION) -> VerifyReport:
    """Verify everything that an archive has."""
    return verify(archive, archive.names, options, threading.Event())


def test_rotation_reads_every_copy_within_the_cycle_in_even_parts(index: Index) -> None:
    """Whatever is stored meanwhile, no proof gets older than the cycle before the next verify."""
    clock, memory = Clock(), MemoryDestination("memory")
    archive, stored, shares = make_archive(index, memory, clock), 0, list[float]()
    for week in range(16):
        for _ in range(30 if week == 0 else 3):
            store(memory, stored, clock.now)
            stored += 1
        rebuild(index, memory, clock=clock)

        report = look(archive)

        standing = read_standing(index, "memory")
        assert report.is_clean
        assert standing.proven_since is not None
        assert standing.proven_since + CYCLE > clock.now + WEEK
        shares.append(report.read / standing.copies)
        clock.now += WEEK
    assert max(shares) <= 0.45
    assert min(shares[:5]) >= 0.15


def test_budget_stops_between_reads_and_the_next_verify_reads_the_rest(index: Index) -> None:
    """Reads go by age, so verifies that are cut short read everything in turn, nothing twice."""
    memory = MemoryDestination("memory")
    clock = Clock()
    archive = make_archive(index, memory, clock)
    for number in range(20):
        store(memory, number, START - 2 * CYCLE)
    rebuild(index, memory, clock=clock)
    clock.step = timedelta(seconds=1)
    options = VerifyOptions(every=WEEK, cycle=CYCLE, budget=timedelta(seconds=30), concurrency=1)

    reports = [look(archive, options)]
    while reports[-1].unread:
        reports.append(look(archive, options))

    assert len(reports) > 1
    assert 40 == sum(report.read for report in reports)
    assert [report.unread for report in reports[:-1]] == [report.overdue for report in reports[:-1]]
    assert [False, True] == [reports[0].is_clean, reports[-1].is_clean]


class Broken(MemoryDestination):
    """A destination in which a bug shows when it is listed, or a signal comes."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name)
        self.error: Exception | None = error

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Fail, or list."""
        if self.error is not None:
            raise self.error
        return super().list(prefix)


def test_a_verify_that_breaks_off_is_remembered_as_failed(index: Index) -> None:
    """Else nobody would hear that nothing is proven any more; the next one that ends is the end."""
    memory = Broken("memory", RuntimeError("a bug"))
    archive = make_archive(index, memory, Clock())

    with pytest.raises(RuntimeError):
        look(archive)

    broken = jobs.load_job(index, "verify")
    assert ("broke off: a bug", False) == (broken.error, broken.was_cut)
    memory.error = None
    look(archive)
    assert jobs.load_job(index, "verify").error is None


def test_a_verify_that_is_stopped_did_not_fail(index: Index) -> None:
    """It is due again, and nobody is told."""
    archive = make_archive(index, Broken("memory", Interrupted("stopped")), Clock())

    with pytest.raises(Interrupted):
        look(archive)

    stopped = jobs.load_job(index, "verify")
    assert (None, True) == (stopped.error, stopped.was_cut)


class Odd(MemoryDestination):
    """A destination of which some files cannot be had, or that goes away after some reads."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.errors: dict[str, Exception] = {}
        self.reads_left: int | None = None
        self.before_reading: dict[str, Callable[[], object]] = {}

    @contextmanager
    def read(self, key: str) -> Iterator[Iterator[bytes]]:
        """Give the file, or the trouble that a test wants."""
        if self.reads_left is not None:
            if self.reads_left == 0:
                raise DestinationUnavailable(f"{self.name} is down")
            self.reads_left -= 1
        self.before_reading.pop(key, lambda: None)()
        if key in self.errors:
            raise self.errors[key]
        with super().read(key) as chunks:
            yield chunks


@pytest.fixture
def odd(index: Index) -> tuple[Archive, Odd]:
    """An archive of ten generations at an odd destination."""
    clock, destination = Clock(), Odd("memory")
    archive = make_archive(index, destination, clock)
    for number in range(10):
        store(destination, number, START)
    rebuild(index, destination, clock=clock)
    return archive, destination


def clock_of(archive: Archive) -> Clock:
    """Name the clock of an archive, to set it."""
    assert isinstance(archive.clock, Clock)
    return archive.clock


def expect_more(archive: Archive, *generation_ids: str) -> None:
    """Make generations wait for another try, as they do while a destination is away."""
    with archive.index.transaction() as db:
        for generation_id in generation_ids:
            db.execute(
                "UPDATE generations SET next_try_at = ?, state = 'failed' WHERE id = ?",
                [stamp(START), generation_id],
            )


def document_of(destination: Odd, number: int) -> dict[str, object]:
    """Read what a sidecar says."""
    found = json.loads(destination.files[f"farm/g{number:05}.json"][0])
    assert isinstance(found, dict)
    return found


def sidecar_without_media(destination: Odd, number: int) -> bytes:
    """Make a sidecar that names no files any more."""
    return json.dumps({**document_of(destination, number), "media": []}).encode()


def as_of_tomorrow(destination: Odd, number: int) -> bytes:
    """Make the sidecar that a program of years from now would write."""
    new = {"format": "archiver.sidecar/2", "colours": ["red"]}
    return json.dumps({**document_of(destination, number), **new}, indent=2).encode()


EVERYTHING = VerifyOptions(every=WEEK, cycle=CYCLE, is_all=True, concurrency=2)


def test_file_that_cannot_be_read_is_unreadable_and_one_in_an_archive_tier_is_not(
    odd: tuple[Archive, Odd],
) -> None:
    """An I/O error is a fault of the copy when its destination answers; frozen is no fault."""
    archive, destination = odd
    destination.errors = {
        "farm/g00001.png": CopyDamaged("an I/O error"),
        "farm/g00002.png": DestinationUnavailable("permission denied"),
        "farm/g00003.png": CopyFrozen("in the archive tier"),
    }

    report = look(archive, EVERYTHING)

    assert {Fault.UNREADABLE: 2} == report.faults
    assert 1 == report.frozen
    assert {} == report.unusable


def test_destination_that_goes_down_meanwhile_has_no_faults(odd: tuple[Archive, Odd]) -> None:
    """What could not be read because the destination went away counts as not looked at."""
    archive, destination = odd
    destination.reads_left = 8

    report = look(archive, EVERYTHING)

    assert {} == report.faults
    assert {"memory": "memory is down"} == report.unusable
    assert 0 < report.read < 8
    assert not report.is_clean


def test_new_sidecar_that_the_index_does_not_know_yet_is_under_way(
    odd: tuple[Archive, Odd],
) -> None:
    """Between the sidecar and the row of a run beside us the sidecar is whole and unknown."""
    archive, destination = odd
    expect_more(archive, "g00004")
    store(destination, 4, START + timedelta(days=1))
    put(destination, "farm/g00004-2.png", [b"new"], "image/png")
    clock_of(archive).now = datetime.now(UTC)

    report = look(archive, EVERYTHING)

    assert ({}, 0, 1) == (report.faults, report.foreign, report.under_way)
    with archive.index.transaction() as db:
        db.execute("UPDATE generations SET next_try_at = NULL, state = 'archived'")
    again = look(archive, EVERYTHING)
    assert ({Fault.DISAGREES: 1}, 1) == (again.faults, again.foreign)


def test_what_waits_for_days_is_looked_at_like_everything_else(odd: tuple[Archive, Odd]) -> None:
    """Only what is younger than an hour is under way: a destination may be away for a week."""
    archive, destination = odd
    expect_more(archive, "g00004", "g00005")
    store(destination, 4, START + timedelta(days=1))
    put(destination, "farm/g00004-9.png", [b"new"], "image/png")
    put(destination, "farm/g00005.json", [sidecar_without_media(destination, 5)], "text/json")
    clock_of(archive).now = datetime.now(UTC) + timedelta(hours=2)

    quick = look(archive, replace(EVERYTHING, is_quick=True))
    report = look(archive, EVERYTHING)

    assert ({Fault.TRUNCATED: 1}, 1) == (quick.faults, quick.foreign)
    assert ({Fault.DISAGREES: 2}, 1, 0) == (report.faults, report.foreign, report.under_way)
    [stray] = [one for one in findings(archive, archive.names, START) if one.id is None]
    assert ("farm/g00004-9.png", BY_A_RUN) == (stray.path, stray.heal)


def test_file_from_the_future_is_not_under_way(odd: tuple[Archive, Odd]) -> None:
    """A wrong clock at a destination exempts nothing for years."""
    archive, destination = odd
    expect_more(archive, "g00004")
    store(destination, 4, START + timedelta(days=1))
    assert clock_of(archive).now < datetime.now(UTC) - timedelta(hours=2)

    report = look(archive, EVERYTHING)

    assert ({Fault.DISAGREES: 1}, 0) == (report.faults, report.under_way)


def test_sidecar_of_a_newer_archiver_is_called_too_new_and_not_damaged(
    odd: tuple[Archive, Odd],
) -> None:
    """What this program cannot judge is not damaged; it stays known until it is updated."""
    archive, destination = odd
    for path in ("farm/g00004.json", "elsewhere/x.json"):
        put(destination, path, [as_of_tomorrow(destination, 4)], "text/json")

    report = look(archive, EVERYTHING)

    assert ({Fault.TOO_NEW: 1}, 1, False) == (report.faults, report.foreign, report.is_clean)
    assert {BY_A_NEWER} == {one.heal for one in findings(archive, archive.names, START)}
    standing = read_standing(archive.index, "memory")
    assert (1, 1, START) == (standing.at_fault, standing.too_new, standing.proven_since)
    told = next(tell_faults([standing]))
    assert "memory has 1 sidecar of a newer archiver: update this one" == told
    assert {Fault.TOO_NEW: 1} == look(archive, replace(EVERYTHING, is_quick=True)).faults


def test_only_a_sidecar_that_can_be_taken_over_is_said_to_be(odd: tuple[Archive, Odd]) -> None:
    """What a stray is, is read in it: its name says nothing."""
    archive, destination = odd
    store(destination, 77, START)
    put(destination, "notes.json", [b'{"mine": true}'], "text/json")
    put(destination, "holiday.jpg", [b"?"], "text/plain")
    with destination.read("farm/g00003.json") as chunks:
        put(destination, "farm/copy.json", list(chunks), "text/json")

    look(archive, EVERYTHING)

    assert {
        "holiday.jpg": BY_A_PERSON,
        "farm/copy.json": BY_A_PERSON,
        "farm/g00077.json": TAKEN_OVER,
        "farm/g00077.png": BY_A_PERSON,
        "notes.json": BY_A_PERSON,
    } == {one.path: one.heal for one in findings(archive, archive.names, START)}


def test_what_is_known_to_be_wrong_and_was_not_read_is_reported_as_known(
    odd: tuple[Archive, Odd],
) -> None:
    """A listing, or a budget that was spent, takes nothing back of what a verify found."""
    archive, destination = odd
    body, written_at = destination.files["farm/g00002.png"]
    destination.files["farm/g00002.png"] = (bytes(len(body)), written_at)
    look(archive, EVERYTHING)
    clock_of(archive).now += WEEK
    verified_at = read_standing(archive.index, "memory").verified_at

    for options in (
        replace(EVERYTHING, is_quick=True),
        replace(EVERYTHING, budget=timedelta(0)),
    ):
        report = look(archive, options)
        [finding] = findings(archive, archive.names, START)

        assert ({Fault.DAMAGED: 1}, 1, False) == (report.faults, report.known, report.is_clean)
        assert ("farm/g00002.png", True) == (finding.path, finding.known)
        assert verified_at == read_standing(archive.index, "memory").verified_at
    again = look(archive, EVERYTHING)
    assert ({Fault.DAMAGED: 1}, 0) == (again.faults, again.known)
    assert clock_of(archive).now == read_standing(archive.index, "memory").verified_at


def test_copy_that_is_replaced_while_it_is_read_is_looked_at_again(
    odd: tuple[Archive, Odd],
) -> None:
    """A run that ended between the choice and the read is no damage: the new row is right."""
    archive, destination = odd

    def replace_sidecar() -> None:
        store(destination, 4, START + timedelta(days=1))
        rebuild(archive.index, destination)

    destination.before_reading["farm/g00004.json"] = replace_sidecar

    report = look(archive, EVERYTHING)

    assert (True, 20) == (report.is_clean, report.read)
    proven = archive.index.rows("SELECT path FROM copies WHERE proven_at IS NOT NULL")
    assert "farm/g00004.json" in {row["path"] for row in proven}


def test_right_bytes_in_the_place_of_an_older_index_disagree(odd: tuple[Archive, Odd]) -> None:
    """A sidecar that is as it was stored, in an index that knows other files, disagrees with it."""
    archive, _ = odd
    with archive.index.transaction() as db:
        db.execute("UPDATE assets SET sha256 = ? WHERE path = 'farm/g00007.png'", ["0" * 64])

    report = look(archive, EVERYTHING)

    assert {Fault.DISAGREES: 1} == report.faults
    [finding] = findings(archive, archive.names, START)
    assert ("farm/g00007.json", "written anew from the index") == (finding.path, finding.heal)


def test_files_of_photo_tools_and_what_was_set_aside_are_not_foreign(
    odd: tuple[Archive, Odd],
) -> None:
    """XMP files of known media, the marker and the quarantine are no copies, and no strangers."""
    archive, destination = odd
    for key in ("farm/g00001.png.xmp", ".archiver/quarantine/2026-01-01/farm/g1.png", "a/b.xmp"):
        put(destination, key, [b"<x/>"], "text/xml")

    look(archive, EVERYTHING)

    assert ["a/b.xmp"] == [one.path for one in findings(archive, archive.names, START)]


def test_proof_of_a_copy_that_was_replaced_meanwhile_is_not_written(index: Index) -> None:
    """A result is of the copy that was read: a row that is another one by now stays as it is."""
    clock, memory = Clock(), MemoryDestination("memory")
    make_archive(index, memory, clock)
    store(memory, 1, START)
    rebuild(index, memory, clock=clock)
    proofs.begin(index)
    proofs.choose_due(index, ["memory"], 1.0, START, START)
    [held, _] = proofs.due(index)
    with index.transaction() as db:
        db.execute("UPDATE copies SET sha256 = ?, proven_at = NULL", ["1" * 64])

    for fault in (None, Fault.DAMAGED):
        found = Digest(size_bytes=1, sha256="2" * 64)
        proof = proofs.Proof(held=held, fault=fault, found=found, looked_at=START)
        proofs.record(index, [proof])

    row = index.row("SELECT COUNT(proven_at) AS proven, COUNT(fault) AS faults FROM copies")
    assert {"proven": 0, "faults": 0} == row
    assert {} == proofs.count_noted(index)


def test_quick_asks_a_bucket_once_for_a_thousand_names(
    index: Index,
    moto_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """520 generations are 1,040 files, and so two pages; the marker is read twice."""
    monkeypatch.setenv("ARCHIVER_TEST_KEY", "testing")
    client = make_s3_client(moto_url, "testing", "testing")
    client.create_bucket(Bucket="quick")
    client.close()
    secret = SecretSource.model_validate({"env": "ARCHIVER_TEST_KEY"})
    options = s3.Options(
        type="s3",
        bucket="quick",
        endpoint_url=moto_url,
        region="us-east-1",
        access_key=secret,
        secret_key=secret,
    )
    destination, clock = s3.open_destination("vault", options), Clock()
    archive = make_archive(index, destination, clock)
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda number: store(destination, number, START), range(520)))
    rebuild(index, destination, clock=clock)
    clock.now += WEEK

    with caplog.at_level(logging.DEBUG, "urllib3.connectionpool"):
        report = look(archive, VerifyOptions(every=WEEK, cycle=CYCLE, is_quick=True))

    asked = [one.getMessage() for one in caplog.records if '"GET ' in one.getMessage()]
    assert (True, 1040) == (report.is_clean, report.listed)
    assert (2, 2) == (
        sum("list-type=2" in one for one in asked),
        sum(keys.MARKER_KEY in one for one in asked),
    )
    assert len(asked) == 4
    destination.close()
