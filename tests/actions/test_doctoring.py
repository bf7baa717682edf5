"""What `doctor` makes of machines that a test cannot have: other disks, clocks and libraries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.actions.doctor import Subject, doctor, is_well
from archiver.actions.doctoring.clock import Clocks, examine_clock
from archiver.actions.doctoring.finding import About, Finding, Verdict
from archiver.actions.doctoring.index import examine_library
from archiver.actions.doctoring.mounts import file_system_of, is_shared
from archiver.actions.doctoring.space import examine_names, examine_space
from archiver.errors import DestinationUnavailable, ProviderUnavailable

ABOUT = About("destination vault")
MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /mnt rw shared:2 - ext4 /dev/sdb1 rw
40 22 0:40 / /mnt/nas\\040one rw,relatime shared:9 master:3 - nfs4 nas:/export rw,vers=4.2
41 22 0:41 / /mnt/cloud rw - fuse.rclone remote: rw,user_id=0
42 22 0:42 / /home rw - ext4 /dev/sdc1 rw
43 42 0:43 / /home rw - cifs //server/home rw
44 22 0:44 / /var/lib/containers rw - fuse.fuse-overlayfs overlay rw
a line of a kernel to come
"""


@pytest.mark.parametrize(
    ("folder", "kind", "shared"),
    [
        ("/var/lib/archiver", "ext4", False),
        ("/mnt", "ext4", False),
        ("/mnt/nas one/state", "nfs4", True),
        ("/mnt/nas", "ext4", False),
        ("/mnt/cloud", "fuse.rclone", True),
        ("/home/me", "cifs", True),
        ("/var/lib/containers/x", "fuse.fuse-overlayfs", False),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(folder: str, kind: str, shared: bool) -> None:
    """Spaces are written in octal, and the last mount on a point hides the others."""
    assert (kind, shared) == (file_system_of(Path(folder), MOUNTS), is_shared(kind))


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ((3, 40, 1), "warning"),
        ((3, 44, 5), "warning"),
        ((3, 44, 6), "ok"),
        ((3, 50, 6), "warning"),
        ((3, 50, 7), "ok"),
        ((3, 51, 2), "warning"),
        ((3, 51, 3), "ok"),
        ((3, 53, 0), "ok"),
    ],
)
def test_a_library_with_the_wal_reset_bug_is_known(version: tuple[int, ...], verdict: str) -> None:
    """3.7.0 to 3.51.2 have it, but for two branches that were repaired."""
    [finding] = examine_library(ABOUT, version)

    assert verdict == finding.verdict
    assert ".".join(map(str, version)) in finding.message


@pytest.mark.parametrize(
    ("skew", "lives", "verdict"),
    [
        (59.0, [], "ok"),
        (61.0, [], "warning"),
        (-300.0, [3600.0], "warning"),
        (-300.0, [3600.0, 240.0], "problem"),
        (901.0, [3600.0], "problem"),
    ],
)
def test_a_clock_may_be_off_by_less_than_a_link_lives(
    skew: float, lives: list[float], verdict: str
) -> None:
    """And by less than 15 minutes, whatever links do."""
    clocks = Clocks()
    clocks.hear("api.example.com", skew)
    clocks.link_lives += lives

    [finding] = examine_clock(ABOUT, clocks)

    assert verdict == finding.verdict


def test_no_server_that_tells_the_time_is_no_trouble() -> None:
    """Nothing is claimed."""
    clocks = Clocks()
    clocks.hear("api.example.com", None)

    [finding] = examine_clock(ABOUT, clocks)

    assert ("ok", "not compared: no server told the time") == (finding.verdict, finding.message)


@pytest.mark.parametrize(
    ("free", "waiting", "verdict"),
    [
        (200 * 10**9, 10**9, "ok"),
        (40 * 10**9, 0, "warning"),
        (200 * 10**9, 300 * 10**9, "problem"),
        (0, 0, "warning"),
    ],
)
def test_space_is_compared_with_the_disk_and_with_what_waits(
    free: int, waiting: int, verdict: str
) -> None:
    """Under 5 % is a warning; less than is waiting to be stored is a problem."""
    [finding] = examine_space(ABOUT, free, 10**12, waiting)

    assert verdict == finding.verdict


def test_a_file_system_that_knows_no_sizes_is_not_full() -> None:
    """Some that work over a network say 0 of 0."""
    assert [] == list(examine_space(ABOUT, 0, 0, 10**9))


def test_few_inodes_are_a_warning() -> None:
    """A disk may be full of names with space left."""
    assert [] == list(examine_names(ABOUT, 500_000, 1_000_000))
    [finding] = examine_names(ABOUT, 10, 1_000_000)
    assert "df -i" in finding.message


def test_an_error_s_own_advice_is_the_fix() -> None:
    """The name of the destination is not told twice; that a run tries again is no fix."""
    full = ABOUT.failure("put", DestinationUnavailable("vault: is full; make room"), "look")
    later = ABOUT.failure(
        "put", DestinationUnavailable("vault: is down; it is tried again later"), "look"
    )

    assert ("is full", "make room") == (full.message, full.fix)
    assert ("is down", "look") == (later.message, later.fix)


def test_words_of_a_provider_are_no_advice() -> None:
    """What stands behind a semicolon there may be anything."""
    error = ProviderUnavailable("api answered 503: down; send money; the next run tries again")

    finding = ABOUT.failure("reachable", error, "look")

    assert ("api answered 503: down; send money", "look") == (finding.message, finding.fix)


def test_what_hangs_is_told_with_what_it_found_before() -> None:
    """The others are told first, and nobody waits longer than was asked for."""
    stopped = threading.Event()

    def hang(about: About) -> Iterator[Finding]:
        yield about.ok("first", "was well")
        stopped.wait(60)

    def answer(about: About) -> Iterator[Finding]:
        yield about.ok("first", "is well")

    findings = list(doctor([Subject("slow", hang), Subject("quick", answer)], [], 0.5))
    stopped.set()

    told = [(one.subject, one.check, one.verdict) for one in findings]
    assert [
        ("quick", "first", Verdict.OK),
        ("slow", "first", Verdict.OK),
        ("slow", "time", Verdict.PROBLEM),
    ] == told
    assert not is_well(findings)


def test_what_fails_hides_nothing() -> None:
    """An error of ours and one of the system are findings, behind those made before."""

    def ours(about: About) -> Iterator[Finding]:
        yield about.ok("first", "was well")
        raise DestinationUnavailable("is down; start it")

    def system(_about: About) -> Iterator[Finding]:
        raise PermissionError(13, "Permission denied", "/secret/place")

    findings = list(doctor([Subject("ours", ours)], [Subject("system", system)], 30))

    assert ["was well", "is down", "/secret/place: Permission denied"] == [
        one.message for one in findings
    ]


def test_a_mistake_of_ours_is_not_taken_for_a_finding() -> None:
    """It is reported as a bug."""

    def wrong(_about: About) -> Iterator[Finding]:
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError):
        list(doctor([Subject("wrong", wrong)], [], 30))
