"""What a listing does to the index."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from archiver.index import Index, captured, ledger, listed, queries
from archiver.index.queries import Filters
from archiver.model import Cost, Failure, Kind, Link, Role, State, Status
from tests.index.making import (
    ENDS_AT,
    LATER,
    MASK,
    NOW,
    OUTPUT,
    SECOND,
    THUMBNAIL,
    WANTED,
    add,
    adopt,
    known,
    make,
    make_captured,
    make_listed,
    make_media,
    make_missing,
    record,
)


def is_due(index: Index, generation_id: str = "g1") -> bool:
    """Tell whether a generation is to be captured an hour later."""
    due = queries.due(index, ["studio"], LATER, [], 100)
    return known(index, generation_id).number in [number for number, _ in due]


def archive(index: Index) -> None:
    """Note that the generation's output is kept."""
    one = known(index)
    captured.record(index, one.number, make_captured(one, [make_media(one)], "disk"), NOW)


def changes(index: Index) -> int:
    """Count the rows that were ever written through this handle."""
    with index.transaction() as db:
        return int(db.conn.total_changes)


# A generation and its facts


def test_a_new_generation_is_pending_and_due(index: Index) -> None:
    """What is listed for the first time is to be captured at once."""
    [seen] = record(index, make_listed(make(), deadline_at=ENDS_AT))

    one = known(index)
    assert (True, State.PENDING) == (seen.is_new, seen.state)
    assert (State.PENDING, ENDS_AT, 0) == (one.state, one.deadline_at, one.attempts)
    assert is_due(index)


def test_all_facts_come_back_but_for_the_links(index: Index) -> None:
    """What a provider said is kept in full; of a signed link only the address is."""
    told = make(
        negative_prompt="dogs",
        name="moon",
        completed_at=NOW,
        expires_at=ENDS_AT,
        cost=Cost(amount="0.30", unit="credits"),
        error=Failure(code="1", message="partly"),
        parameters={"seed": 12345678901234567890, "猫": ["a", None, {"b": 0.1}]},
    )

    one = add(index, told)

    stored = replace(OUTPUT, sources=(Link(url="https://cdn.example.com/a.png"),))
    assert replace(told, assets=(stored,)) == one.generation
    assert not one.assets[0].link_is_whole


def test_a_link_without_a_signature_is_stored_whole(index: Index) -> None:
    """It may be fetched as it is, also by a later run."""
    plain = replace(OUTPUT, sources=(Link(url="https://cdn.example.com/a.png"),))

    one = add(index, make(assets=(plain,)))

    assert one.assets[0].link_is_whole
    assert plain == one.assets[0].asset


@pytest.mark.parametrize("year", [1, 999, 9999])
def test_a_time_of_any_year_comes_back(index: Index, year: int) -> None:
    """Some services write the year 1 where they know no time."""
    moment = NOW.replace(year=year, microsecond=5)

    assert moment == add(index, make(created_at=moment)).generation.created_at


def test_an_unchanged_generation_costs_no_write(index: Index) -> None:
    """A walk over what is known leaves the disk alone."""
    record(index, make("g1"), make("g2"))
    before = changes(index)

    seen = record(index, make("g1"), make("g2"), now=LATER)

    assert [False, False] == [one.is_new for one in seen]
    assert before == changes(index)


def test_an_empty_page_is_no_trouble(index: Index) -> None:
    """Listings have them."""
    assert [] == record(index)


def test_ids_that_are_repeated_in_a_page_are_one_generation(index: Index) -> None:
    """The last word of the page counts."""
    seen = record(index, make(prompt="first"), make("g2"), make(prompt="second"))

    assert ["g1", "g2"] == [one.generation.id for one in seen]
    assert "second" == known(index).generation.prompt


def test_the_same_id_at_two_accounts_is_two_generations(index: Index) -> None:
    """Identity is (account, id)."""
    record(index, make())
    record(index, make(account="other"))

    assert ["other", "studio"] == [one.generation.account for one in queries.by_id(index, "g1")]
    assert ["other"] == [one.generation.account for one in queries.by_id(index, "g1", "other")]


@pytest.mark.parametrize(
    ("first", "second"), [("abc", "ABC"), ("e\u0301", "é"), ("ﬁ", "fi"), ("ß", "SS")]
)
def test_ids_that_one_file_system_takes_for_the_same_get_different_names(
    index: Index, first: str, second: str
) -> None:
    """The stem of the later one carries a hash; asked again, both keep theirs."""
    record(index, make(first), make(second))
    stems = known(index, first).stem, known(index, second).stem

    record(index, make(second, prompt="changed"), make(first, prompt="changed"), now=LATER)

    assert f"geminigen/studio/{first}" == stems[0]
    assert stems[1].startswith(f"geminigen/studio/{second}~")
    assert stems == (known(index, first).stem, known(index, second).stem)


def test_a_stem_never_changes(index: Index) -> None:
    """Also when the layout is another one now: the files have their names already."""
    before = add(index).stem

    record(index, make_listed(make(prompt="changed"), stem="another/layout/g1"))

    assert before == known(index).stem


# States


@pytest.mark.parametrize("state", [State.ARCHIVED, State.FAILED, State.LOST])
def test_a_changed_generation_is_pending_again(index: Index, state: State) -> None:
    """Its sidecar has something new to tell, and new files may be there."""
    one = add(index)
    outcome = make_captured(one, state=state, missing=(make_missing(),), next_try_at=ENDS_AT)
    captured.record(index, one.number, outcome, NOW)

    [seen] = record(index, make(prompt="changed"), now=LATER)

    assert State.PENDING == seen.state == known(index).state
    assert "changed" == known(index).generation.prompt
    assert is_due(index)


@pytest.mark.parametrize("state", [State.ARCHIVED, State.FAILED, State.LOST])
def test_an_unchanged_generation_keeps_its_state_reason_and_next_try(
    index: Index, state: State
) -> None:
    """To be listed again is no reason to be fetched again, nor to be forgotten."""
    one = add(index)
    outcome = make_captured(
        one, state=state, reason="because", missing=(make_missing(),), next_try_at=ENDS_AT
    )
    with index.transaction() as db:
        db.execute("UPDATE assets SET state = 'failed'")
    captured.record(index, one.number, outcome, NOW)

    [seen] = record(index, make(), now=LATER)

    after = known(index)
    assert (state, state, "because") == (seen.state, after.state, after.reason)
    assert not is_due(index)
    assert [] != queries.due(index, ["studio"], ENDS_AT, [], 100)


@pytest.mark.parametrize("state", [State.ARCHIVED, State.FAILED, State.LOST])
def test_what_was_adopted_keeps_its_state_when_it_is_first_listed(
    index: Index, state: State
) -> None:
    """An index made from sidecars knows no fingerprints; nothing is fetched for that."""
    one = add(index)
    outcome = make_captured(one, state=state, reason="because", missing=(make_missing(),))
    with index.transaction() as db:
        db.execute("DELETE FROM assets")
        db.execute("DELETE FROM generations")
    next_try_at = None if state is State.LOST else ENDS_AT
    outcome = replace(outcome, next_try_at=next_try_at)
    adopt(index, replace(one.generation, assets=()), one.stem, outcome)

    [seen] = record(index, make(), now=LATER)

    after = known(index)
    assert (state, "because") == (after.state, after.reason)
    assert not seen.is_new
    assert bool(next_try_at) == bool(queries.due(index, ["studio"], ENDS_AT, [], 100))


def test_a_generation_in_progress_waits_for_its_end(index: Index) -> None:
    """It is not due; when it is done it is pending."""
    [first] = record(index, make(status=Status.IN_PROGRESS, assets=()))
    assert State.IN_PROGRESS == first.state
    assert ["g1"] == queries.in_progress(index, "studio", NOW)
    assert [] == queries.in_progress(index, "other", NOW)
    assert not is_due(index)

    [second] = record(index, make(), now=LATER)

    assert State.PENDING == second.state
    assert [] == queries.in_progress(index, "studio", NOW)
    assert ["output/0"] == [one.asset.key for one in known(index).assets]


def test_a_generation_that_failed_at_its_provider_is_pending(index: Index) -> None:
    """Its prompt is worth a sidecar, though it has no files."""
    [seen] = record(index, make(status=Status.FAILED, assets=()))

    assert State.PENDING == seen.state


@pytest.mark.parametrize("state", [State.ARCHIVED, State.LOST])
def test_what_ended_does_not_begin_anew(index: Index, state: State) -> None:
    """A listing that calls it in progress again, or a new rule, takes nothing back."""
    one = add(index)
    outcome = make_captured(one, state=state, reason="because", missing=(make_missing(),))
    with index.transaction() as db:
        db.execute("UPDATE assets SET state = 'lost'")
    captured.record(index, one.number, outcome, NOW)

    record(index, make(status=Status.IN_PROGRESS), now=LATER)
    assert (state, "because") == (known(index).state, known(index).reason)
    record(index, make_listed(make(), excluded_because="kind image is not kept"), now=LATER)
    assert (state, "because") == (known(index).state, known(index).reason)


def test_a_rule_excludes_and_its_end_brings_back(index: Index) -> None:
    """With the rule as the reason, and due as soon as it is gone."""
    rule = "kind image is not kept"
    record(index, make_listed(make(), excluded_because=rule))
    assert (State.EXCLUDED, rule) == (known(index).state, known(index).reason)
    assert not is_due(index)

    record(index, make(), now=LATER)

    assert (State.PENDING, None) == (known(index).state, known(index).reason)
    assert is_due(index)


@pytest.mark.parametrize("state", [State.PENDING, State.FAILED, State.IN_PROGRESS])
def test_a_new_rule_excludes_what_is_not_done(index: Index, state: State) -> None:
    """Nothing more is tried for it."""
    status = Status.IN_PROGRESS if state is State.IN_PROGRESS else Status.COMPLETED
    one = add(index, make(status=status))
    if state is State.FAILED:
        outcome = make_captured(one, state=state, next_try_at=NOW)
        captured.record(index, one.number, outcome, NOW)

    record(index, make_listed(make(status=status), excluded_because="too old"), now=LATER)

    assert State.EXCLUDED == known(index).state
    assert not is_due(index)


# Details


def test_a_detail_adds_what_the_listing_did_not_tell(index: Index) -> None:
    """Files, facts and a deadline of its own; a later listing takes none of it back."""
    one = add(index, make(assets=()), assets=None)
    raw = {"list": {"uuid": "g1"}, "detail": {"seed": 7}}
    detail = make(expires_at=ENDS_AT, name="moon", raw=raw, assets=(OUTPUT, THUMBNAIL))

    listed.record_detail(index, one.number, detail, WANTED, NOW)
    record(index, make_listed(make(prompt="changed", assets=()), assets=None), now=LATER)

    after = known(index)
    assert ("changed", "moon") == (after.generation.prompt, after.generation.name)
    assert raw == after.generation.raw
    assert {"seed": 7} == after.generation.parameters
    assert ["output/0", "thumbnail"] == [found.asset.key for found in after.assets]


def test_a_detail_sets_the_deadline_that_it_tells(index: Index) -> None:
    """The provider's own word comes before what was reckoned from the retention."""
    one = add(index, deadline_at=NOW + timedelta(days=7))

    listed.record_detail(index, one.number, make(), WANTED, NOW)
    assert NOW + timedelta(days=7) == known(index).deadline_at
    listed.record_detail(index, one.number, make(expires_at=ENDS_AT), WANTED, NOW)
    assert ENDS_AT == known(index).deadline_at


def test_a_detail_does_not_change_the_state(index: Index) -> None:
    """What is done with it is the capture's to say."""
    one = add(index)

    listed.record_detail(index, one.number, make(prompt="changed"), WANTED, NOW)

    assert State.PENDING == known(index).state


# Assets


def ordinals(index: Index) -> dict[str, int]:
    """The number of each asset inside its role."""
    return {one.asset.key: one.ordinal for one in known(index).assets}


def test_ordinals_count_inside_a_role_and_never_change(index: Index) -> None:
    """Whatever order a later listing has, and whatever it adds or leaves out."""
    record(index, make(assets=(OUTPUT, THUMBNAIL, SECOND)))
    first = ordinals(index)
    third = replace(OUTPUT, key="output/2")

    record(index, make(prompt="again", assets=(third, SECOND, OUTPUT)), now=LATER)

    assert {"output/0": 1, "output/1": 2, "thumbnail": 1} == first
    assert {**first, "output/2": 3} == ordinals(index)


def test_an_asset_that_is_no_longer_listed_stays(index: Index) -> None:
    """Nothing is deleted because a listing shrank."""
    record(index, make(assets=(OUTPUT, SECOND)))

    record(index, make(prompt="again", assets=()), now=LATER)

    assert {"output/0", "output/1"} == ordinals(index).keys()


def test_a_role_that_is_not_kept_is_excluded_with_its_reason(index: Index) -> None:
    """The sidecar tells that there was such a file."""
    one = add(index, make(assets=(OUTPUT, MASK)))

    missing = one.assets[1].missing
    assert [State.PENDING, State.EXCLUDED] == [asset.state for asset in one.assets]
    assert missing is not None
    assert ("role mask is not kept", State.EXCLUDED) == (missing.reason, missing.state)


@pytest.mark.parametrize("state", [State.ARCHIVED, State.FAILED, State.LOST])
def test_a_role_that_is_wanted_from_now_on_is_fetched(index: Index, state: State) -> None:
    """Of what was archived, and where other files are lost, it may still be there."""
    one = add(index, make(assets=(OUTPUT, MASK)))
    missing = () if state is State.ARCHIVED else (make_missing(state=state),)
    media = [make_media(one)] if state is State.ARCHIVED else []
    next_try_at = ENDS_AT if state is State.FAILED else None
    outcome = make_captured(one, media, state=state, missing=missing, next_try_at=next_try_at)
    captured.record(index, one.number, outcome, NOW)

    listed.want_roles(index, WANTED | {Role.MASK}, LATER)

    after = known(index)
    assert (State.PENDING, State.PENDING) == (after.state, after.assets[1].state)
    assert after.assets[1].missing is None
    assert is_due(index)


def test_roles_that_are_wanted_already_change_nothing(index: Index) -> None:
    """Each run says what it wants."""
    add(index, make(assets=(OUTPUT, MASK)))
    archive(index)

    listed.want_roles(index, WANTED, LATER)

    assert State.ARCHIVED == known(index).state


@pytest.mark.parametrize("excluded_because", [None, "too old"])
def test_a_wanted_role_does_not_bring_back_what_is_not_there_yet_or_excluded(
    index: Index, excluded_because: str | None
) -> None:
    """A rule for the whole generation, or its progress, comes first."""
    status = Status.IN_PROGRESS if excluded_because is None else Status.COMPLETED
    told = make_listed(make(status=status, assets=(MASK,)), excluded_because=excluded_because)
    record(index, told)
    before = known(index).state

    listed.want_roles(index, WANTED | {Role.MASK}, LATER)

    assert before == known(index).state
    assert State.PENDING == known(index).assets[0].state


def test_a_listing_does_not_change_what_is_known_of_a_kept_file(index: Index) -> None:
    """Its kind was proven by its content, and it came from where it came from."""
    add(index)
    archive(index)
    before = known(index).assets[0].media
    moved = replace(
        OUTPUT,
        kind=Kind.OTHER,
        original_name="else.bin",
        sources=(Link(url="https://other.example.com/else.bin"),),
    )

    record(index, make(prompt="changed", assets=(moved,)), now=LATER)

    assert before is not None
    assert before == known(index).assets[0].media


def test_a_listing_renews_the_link_of_a_file_that_is_still_to_come(index: Index) -> None:
    """The newest address is the one to try."""
    add(index)
    moved = replace(OUTPUT, sources=(Link(url="https://other.example.com/a.png"),))

    record(index, make(prompt="changed", assets=(moved,)), now=LATER)

    assert (moved, True) == (known(index).assets[0].asset, known(index).assets[0].link_is_whole)


# Deadlines


def test_a_changed_retention_moves_the_deadlines_of_what_is_known(index: Index) -> None:
    """But not the provider's own word, nor another account's."""
    theirs = make(id="their word", expires_at=ENDS_AT)
    add(index, make(id="ours"))
    add(index, theirs)
    add(index, make(account="other", id="elsewhere"))
    for account in ("studio", "other"):
        record_of = ledger.load_account(index, account, "geminigen")
        ledger.save_account(index, record_of)
    before = {one.generation.id: one.deadline_at for one in queries.find(index, Filters())}

    listed.move_deadlines(index, "studio", timedelta(days=5))

    made_at = make().created_at
    assert made_at is not None
    after = {one.generation.id: one.deadline_at for one in queries.find(index, Filters())}
    assert before | {"ours": made_at + timedelta(days=5)} == after


def test_without_a_retention_there_is_no_deadline(index: Index) -> None:
    """As when a plan that keeps everything was bought."""
    add(index)
    ledger.save_account(index, ledger.load_account(index, "studio", "geminigen"))
    listed.move_deadlines(index, "studio", timedelta(days=5))

    listed.move_deadlines(index, "studio", None)

    assert known(index).deadline_at is None


def test_what_was_just_asked_for_is_left_alone_for_a_while(index: Index) -> None:
    """Until its moment, or until a person does not want to wait."""
    [one] = record(index, make(status=Status.IN_PROGRESS, assets=()))
    listed.ask_later(index, one.number, LATER)

    assert [] == queries.in_progress(index, "studio", NOW)
    assert ["g1"] == queries.in_progress(index, "studio", LATER)

    captured.retry_all(index, NOW)

    assert ["g1"] == queries.in_progress(index, "studio", NOW)
