"""Which copies are due to be read back, what was found, and what a listing tells."""

from __future__ import annotations

from datetime import timedelta

from archiver.index import Index, census, faults, proofs, standing
from archiver.index.captured import record as record_capture
from archiver.index.proofs import Held, Proof
from archiver.index.rows import Known
from archiver.model import Fault, Stored
from tests.index.making import NOW, add, known, make, make_captured, make_media

DAY = timedelta(days=1)
LONG_AGO = NOW - timedelta(days=1000)


def keep(index: Index, *destinations: str, generation_id: str = "g1") -> Known:
    """Record one generation as archived at these destinations: a file and a sidecar each."""
    one = add(index, make(generation_id))
    captured = make_captured(one, [make_media(one)], *destinations)
    record_capture(index, one.number, captured, NOW)
    return known(index, generation_id)


def everything(index: Index, *destinations: str) -> list[Held]:
    """Choose all copies of these destinations."""
    proofs.begin(index)
    proofs.choose_due(index, destinations, 1.0, LONG_AGO, NOW)
    return list(proofs.due(index))


def found(held: Held, fault: Fault | None = None, days: int = 0) -> Proof:
    """Make the result of a look so many days later."""
    return Proof(held=held, fault=fault, found=None, looked_at=NOW + days * DAY)


def names(chosen: list[Held]) -> list[tuple[str, str]]:
    """Name copies by generation and asset."""
    return [(held.generation_id, held.asset_key) for held in chosen]


def choose(index: Index, share: float, older_than_days: int) -> list[tuple[str, str]]:
    """Name what is due at the disk."""
    proofs.begin(index)
    proofs.choose_due(index, ["disk"], share, NOW + older_than_days * DAY, NOW + 20 * DAY)
    return names(list(proofs.due(index)))


def test_oldest_proofs_are_due_first_up_to_the_share_and_all_that_are_too_old(
    index: Index,
) -> None:
    """A share of the bytes is due, the oldest proof first, and more when more is too old."""
    for number in (1, 2, 3):
        keep(index, "disk", "vault", generation_id=f"g{number}")
    for held in everything(index, "disk"):
        proofs.record(index, [found(held, days=10 - int(held.generation_id[1]))])

    assert [("g3", ""), ("g3", "output/0")] == choose(index, 2 / 6, 0)
    assert [("g3", ""), ("g3", "output/0"), ("g2", "")] == choose(index, 2.5 / 6, 0)
    assert ["g3", "g3", "g2", "g2"] == [one for one, _ in choose(index, 0.01, 8)]


def test_what_is_known_to_be_wrong_is_due_first_and_what_is_missing_is_not_read(
    index: Index,
) -> None:
    """A fault is read again whatever the rotation says, save one that a listing has just found."""
    for number in (1, 2):
        keep(index, "disk", generation_id=f"g{number}")
    held = everything(index, "disk")
    proofs.record(index, [found(one, days=5) for one in held])
    proofs.record(index, [found(held[2], Fault.DAMAGED), found(held[3], Fault.MISSING)])

    assert [("g2", ""), ("g2", "output/0")] == choose(index, 0, 0)
    proofs.begin(index)
    proofs.record(index, [found(held[3], Fault.MISSING)])
    proofs.choose_due(index, ["disk"], 0, NOW, NOW + 20 * DAY)
    assert [("g2", "")] == names(list(proofs.due(index)))


def test_proof_from_a_wrong_clock_is_due_first_and_no_proof(index: Index) -> None:
    """A clock that was years ahead puts no copy at the end of the rotation for so long."""
    for number in (1, 2):
        keep(index, "disk", generation_id=f"g{number}")
    held = everything(index, "disk")
    proofs.record(index, [found(one, days=5) for one in held])
    proofs.record(index, [found(held[2], days=5000)])
    assert "g2" == held[2].generation_id

    assert [("g2", held[2].asset_key)] == choose(index, 0, 0)
    assert 1 == proofs.count_overdue(index, 0, NOW)
    with index.transaction() as db:
        db.execute("UPDATE copies SET stored_at = proven_at")
    assert ("g2", held[2].asset_key) == choose(index, 1, 0)[0]


def test_overdue_is_what_was_not_begun_and_is_older_than_the_cycle(index: Index) -> None:
    """Of what a budget left unread only what is too old by now counts."""
    keep(index, "disk")
    everything(index, "disk")

    assert [2, 1, 0, 0] == [
        proofs.count_overdue(index, begun, NOW + days * DAY)
        for begun, days in ((0, 1), (1, 1), (2, 1), (0, -1))
    ]


def test_finding_names_where_good_copies_are(index: Index) -> None:
    """A copy that is at fault itself heals nothing."""
    keep(index, "disk", "vault", "attic")
    copies = {
        (held.destination, held.asset_key): held
        for held in everything(index, "disk", "vault", "attic")
    }
    proofs.record(
        index,
        [
            found(copies["disk", "output/0"], Fault.SWAPPED),
            found(copies["vault", "output/0"], Fault.DAMAGED),
        ],
    )

    assert [
        ("disk", Fault.SWAPPED, ("attic",)),
        ("vault", Fault.DAMAGED, ("attic",)),
    ] == [(one.held.destination, one.fault, one.good_at) for one in proofs.noted(index)]
    assert {Fault.DAMAGED: 1, Fault.SWAPPED: 1} == proofs.count_noted(index)
    proofs.record(index, [found(copies["disk", "output/0"])])
    assert {Fault.DAMAGED: 1} == proofs.count_noted(index)


def test_standing_tells_the_oldest_proof_and_what_is_wrong(index: Index) -> None:
    """Since the oldest proof every copy was read; faults do not make it younger."""
    keep(index, "disk")
    first, second = everything(index, "disk")
    proofs.record(index, [found(first, days=3), found(second, Fault.MISSING, days=4)])

    told = standing.standing(index, "disk")

    assert (2, 1, 0, NOW) == (
        told.copies,
        told.at_fault,
        told.strays,
        told.proven_since,
    )
    proofs.record(index, [found(second, days=5)])
    assert NOW + 3 * DAY == standing.standing(index, "disk").proven_since


def listing(index: Index, *files: tuple[str, int], days: int = -2) -> None:
    """List these files."""
    census.begin(index)
    modified_at = NOW + days * DAY
    census.add(
        index, [Stored(key=key, size_bytes=size, modified_at=modified_at) for key, size in files]
    )


def strays(index: Index) -> list[str]:
    """Name the strays at the disk after a listing."""
    census.keep_strays(index, "disk", NOW)
    return sorted(stray.path for stray in faults.strays(index, ["disk"]))


def test_listing_shows_what_is_missing_or_has_another_size_in_any_order(index: Index) -> None:
    """Names are compared one by one, whatever their order; another destination's do not count."""
    one = keep(index, "disk", "vault")
    [file] = [asset.media for asset in one.assets if asset.media is not None]

    listing(index, (file.path, 3), (f"{one.stem}.json", 4))
    assert [(file.path, 3)] == [
        (held.path, size) for held, size in census.wrong_sizes(index, "disk")
    ]
    listing(index)
    assert [None, None] == [size for _, size in census.wrong_sizes(index, "disk")]


def test_stray_is_forgotten_when_it_is_gone(index: Index) -> None:
    """Strays are what the last listing had."""
    one = keep(index, "disk")

    listing(index, ("z.png", 1), (f"{one.stem}.json", 4), ("a.png", 2), (".archiver/x", 1))
    assert ["a.png", "z.png"] == strays(index)
    listing(index, ("z.png", 1))
    assert ["z.png"] == strays(index)


def test_files_that_are_on_their_way_are_no_strays(index: Index) -> None:
    """A young file of a generation that waits for its next try, or with a known name."""
    waiting = add(index, make("waiting"))
    one = keep(index, "vault", generation_id="g2")
    [file] = [asset.media for asset in one.assets if asset.media is not None]
    paths = [f"{waiting.stem}{end}" for end in (".png", "-2.png", ".thumbnail.jpg", ".mask-3.png")]

    listing(index, *((path, 1) for path in paths), (file.path, 4), days=0)
    assert [] == strays(index)
    for days in (-2, 5000):
        listing(index, *((path, 1) for path in paths), (file.path, 4), days=days)
        assert sorted([file.path, *paths]) == strays(index)
    assert set(paths) == census.awaited(index, [file.path, *paths])
    assert {file.path} == census.named(index, [file.path, "other.png"])


def test_drill_is_remembered_only_when_it_proved_something(index: Index) -> None:
    """The cursor goes on after a failed drill, the time of the last proof stays."""
    with index.transaction() as db:
        row = {"name": "disk", "archive_id": "x", "first_seen_at": "2025"}
        db.table("destinations").insert(row)

    standing.remember_drill(index, "disk", "a.json", NOW)
    standing.remember_drill(index, "disk", "b.json", None)
    standing.remember_verify(index, "disk", NOW + DAY)

    told = standing.standing(index, "disk")
    assert "b.json" == standing.drill_cursor(index, "disk")
    assert (NOW, NOW + DAY) == (told.drilled_at, told.verified_at)
