"""What a try to capture, and an old sidecar, do to the index."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from archiver.index import Index, captured, queries
from archiver.index.captured import Captured
from archiver.index.rows import Known
from archiver.model import Generation, Missing, State
from archiver.states import Event
from tests.index.making import (
    LATER,
    MASK,
    NOW,
    OUTPUT,
    SECOND,
    THUMBNAIL,
    add,
    adopt,
    digest_of,
    known,
    make,
    make_captured,
    make_media,
    make_missing,
    make_receipt,
    record,
)


def places(index: Index, one: Known) -> set[tuple[str, str]]:
    """Name what is where, as (key, destination); "" is the sidecar."""
    return {
        (copy.asset_key, copy.receipt.destination) for copy in queries.copies(index, one.number)
    }


# The outcome of a try


def test_a_success_is_archived_with_its_receipts(index: Index) -> None:
    """Files, hashes, receipts and times come back as they were written."""
    one = add(index)
    media = make_media(one)

    captured.record(index, one.number, make_captured(one, [media], "disk", "vault"), NOW)

    after = known(index)
    assert (State.ARCHIVED, NOW, 0) == (after.state, after.archived_at, after.attempts)
    assert (State.ARCHIVED, media) == (after.assets[0].state, after.assets[0].media)
    assert make_receipt("disk", media.path) in [
        copy.receipt for copy in queries.copies(index, one.number) if not copy.is_sidecar
    ]
    assert {
        ("", "disk"),
        ("", "vault"),
        ("output/0", "disk"),
        ("output/0", "vault"),
    } == places(index, one)
    assert [] == queries.due(index, ["studio"], LATER, [], 10)


def test_a_failure_has_a_reason_and_a_next_try(index: Index) -> None:
    """And each one counts, for the next wait to be longer."""
    one = add(index)
    failed = make_captured(
        one,
        state=State.FAILED,
        reason="503",
        missing=(make_missing(),),
        archived_at=None,
        next_try_at=LATER,
    )

    for _ in range(3):
        captured.record(index, one.number, failed, NOW)

    after = known(index)
    assert (State.FAILED, "503", 3) == (after.state, after.reason, after.attempts)
    assert make_missing() == after.assets[0].missing
    assert [] == queries.due(index, ["studio"], NOW, [], 10)
    assert [(one.number, "studio")] == queries.due(index, ["studio"], LATER, [], 10)


def test_a_success_forgets_the_failures(index: Index) -> None:
    """Attempts, reasons and statuses were about a file that is there now."""
    one = add(index)
    failed = make_captured(one, state=State.FAILED, missing=(make_missing(),), next_try_at=NOW)
    captured.record(index, one.number, failed, NOW)

    captured.record(index, one.number, make_captured(one, [make_media(one)], "disk"), LATER)

    after = known(index)
    assert (0, None, None) == (after.attempts, after.reason, after.assets[0].missing)


def test_the_first_archiving_is_remembered(index: Index) -> None:
    """A try that ends otherwise does not take the time away."""
    one = add(index)
    captured.record(index, one.number, make_captured(one, [make_media(one)], "disk"), NOW)

    again = make_captured(one, archived_at=None, next_try_at=LATER)
    captured.record(index, one.number, again, LATER)

    assert NOW == known(index).archived_at


def test_a_receipt_of_a_destination_replaces_its_older_one(index: Index) -> None:
    """One copy of one file at one place."""
    one = add(index)
    captured.record(index, one.number, make_captured(one, [make_media(one)], "disk"), NOW)
    newer = replace(make_receipt("disk", "other.png"), verified="read back", version_id=None)

    captured.record(index, one.number, make_captured(one, receipts=(("output/0", newer),)), LATER)

    copies = {copy.asset_key: copy.receipt for copy in queries.copies(index, one.number)}
    assert newer == copies["output/0"]
    assert 2 == len(copies)


def test_an_outcome_is_written_as_a_whole_or_not_at_all(index: Index) -> None:
    """When one of its parts cannot be written, none is (promise 2)."""
    one = add(index, make(assets=(OUTPUT, SECOND)))
    before, same = known(index), make_media(one).path
    clash = [make_media(one), make_media(one, SECOND, path=same)]

    with pytest.raises(sqlite3.IntegrityError):
        captured.record(index, one.number, make_captured(one, clash, "disk"), NOW)

    assert before == known(index)
    assert set() == places(index, one)


def test_what_changed_during_the_try_is_due_again(index: Index) -> None:
    """The sidecar that was just written tells yesterday's facts."""
    one = add(index)
    record(index, make(prompt="changed"), now=NOW)

    captured.record(index, one.number, make_captured(one, [make_media(one)], "disk"), LATER)

    assert State.PENDING == known(index).state
    assert [(one.number, "studio")] == queries.due(index, ["studio"], LATER, [], 10)


def test_retry_all_brings_every_next_try_forward(index: Index) -> None:
    """A person who mended something need not wait."""
    one = add(index)
    failed = make_captured(one, state=State.FAILED, next_try_at=NOW + timedelta(days=9))
    captured.record(index, one.number, failed, NOW)
    assert [] == queries.due(index, ["studio"], LATER, [], 10)

    captured.retry_all(index, LATER)

    assert [(one.number, "studio")] == queries.due(index, ["studio"], LATER, [], 10)


# From sidecars


def sidecar_of(index: Index, *missing: Missing, **facts: Any) -> tuple[Generation, Captured]:
    """Make what a sidecar of "g1" tells, from an index that is then emptied."""
    one = add(index, make(assets=(OUTPUT, THUMBNAIL)))
    media = [make_media(one, path=f"{one.stem}-2.png"), make_media(one, THUMBNAIL, "jpg")]
    outcome = make_captured(one, media, "disk", missing=missing, fingerprint=None, **facts)
    with index.transaction() as db:
        db.execute("DELETE FROM assets")
        db.execute("DELETE FROM generations")
    return replace(one.generation, assets=()), outcome


STEM = "geminigen/studio/g1"


def test_a_sidecar_brings_back_all_that_it_tells(index: Index) -> None:
    """Facts, files, what is missing, and where the numbering goes on."""
    generation, outcome = sidecar_of(index, make_missing(MASK, State.EXCLUDED))

    adopt(index, generation, STEM, outcome)

    one = known(index)
    assert generation == replace(one.generation, assets=())
    assert (State.ARCHIVED, NOW, STEM) == (one.state, one.archived_at, one.stem)
    assert outcome.media == tuple(asset.media for asset in one.assets if asset.media)
    assert [make_missing(MASK, State.EXCLUDED)] == [
        asset.missing for asset in one.assets if asset.missing
    ]
    assert {"output/0": 2, "thumbnail": 1, "mask": 1} == {
        asset.asset.key: asset.ordinal for asset in one.assets
    }
    assert ("", "disk") in places(index, one)


def test_a_sidecar_that_is_read_twice_changes_nothing(index: Index) -> None:
    """A rebuild that was cut off begins anew."""
    generation, outcome = sidecar_of(index)
    adopt(index, generation, STEM, outcome)
    before = known(index), places(index, known(index))

    adopt(index, generation, STEM, outcome)

    assert before == (known(index), places(index, known(index)))


def test_a_second_destination_adds_its_receipts(index: Index) -> None:
    """The same files at another place."""
    generation, outcome = sidecar_of(index)
    adopt(index, generation, STEM, outcome)
    before = known(index)
    elsewhere = [(key, replace(one, destination="vault")) for key, one in outcome.receipts]

    adopt(index, generation, STEM, replace(outcome, receipts=tuple(elsewhere)))

    assert before == known(index)
    assert {"disk", "vault"} == {place for _, place in places(index, before)}
    assert 6 == len(places(index, before))


def test_what_one_destination_holds_is_not_missing_because_another_lacks_it(index: Index) -> None:
    """Whichever sidecar is read first."""
    generation, whole = sidecar_of(index)
    lacking = replace(
        whole,
        event=Event.TRY_FAILED,
        reason="503",
        media=whole.media[1:],
        missing=(make_missing(),),
        receipts=(("", make_receipt("vault", f"{STEM}.json")),),
        next_try_at=NOW,
    )

    adopt(index, generation, STEM, lacking)
    assert State.FAILED == known(index).state
    adopt(index, generation, STEM, whole)

    assert State.ARCHIVED == known(index).state
    assert set(whole.media) == {asset.media for asset in known(index).assets}


@pytest.mark.parametrize("other", ["geminigen/studio/G1", "elsewhere/g1"])
def test_a_second_sidecar_of_the_same_generation_is_refused(index: Index, other: str) -> None:
    """Two places for one generation's files: a person has to look, and nothing is mixed up."""
    generation, outcome = sidecar_of(index)
    adopt(index, generation, STEM, outcome)
    before = known(index)

    with pytest.raises(ValueError, match="another sidecar already"):
        adopt(index, generation, other, outcome)

    assert before == known(index)


def test_a_failed_generation_of_a_sidecar_is_tried_again(index: Index) -> None:
    """What was missing when it was written may still be there."""
    generation, outcome = sidecar_of(
        index, make_missing(MASK), state=State.FAILED, reason="503", next_try_at=NOW
    )

    adopt(index, generation, STEM, outcome)

    assert [(known(index).number, "studio")] == queries.due(index, ["studio"], NOW, [], 10)


def test_a_new_listing_of_an_adopted_generation_fits_its_files(index: Index) -> None:
    """The files are recognised by their keys, and a further one gets a name of its own."""
    generation, outcome = sidecar_of(index)
    adopt(index, generation, STEM, outcome)

    record(index, make(assets=(OUTPUT, SECOND, THUMBNAIL)), now=LATER)

    found = {asset.asset.key: (asset.state, asset.ordinal) for asset in known(index).assets}
    assert {
        "output/0": (State.ARCHIVED, 2),
        "output/1": (State.PENDING, 3),
        "thumbnail": (State.ARCHIVED, 1),
    } == found


def test_digests_are_those_of_the_files(index: Index) -> None:
    """Receipts and files carry the same proof."""
    one = add(index)
    media = make_media(one)
    captured.record(index, one.number, make_captured(one, [media], "disk"), NOW)

    held = {copy.receipt.key: copy.receipt.digest for copy in queries.copies(index, one.number)}

    assert digest_of(media.path) == held[media.path]


def test_first_listing_during_a_catch_up_changes_nothing(index: Index) -> None:
    """What came from a sidecar has no listing to compare with, so it is not called changed."""
    generation, outcome = sidecar_of(index)
    adopt(index, generation, STEM, outcome)
    before = known(index)
    record(index, make(assets=(OUTPUT, THUMBNAIL)), now=LATER)

    captured.record(index, before.number, make_captured(before), LATER)

    assert State.ARCHIVED == known(index).state
    assert [] == queries.due(index, ["studio"], LATER, [], 10)
