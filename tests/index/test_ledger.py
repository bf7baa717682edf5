"""The numbers of the index: they add up, and they are remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from archiver.index import Index, captured, ledger
from archiver.index.ledger import PAGE_ROWS, AccountRecord
from archiver.model import State, Status
from tests.index.making import (
    LATER,
    NOW,
    OUTPUT,
    SECOND,
    add,
    known,
    make,
    make_captured,
    make_listed,
    make_media,
    make_missing,
    record,
)

DAY = timedelta(days=1)


def fill(index: Index) -> None:
    """Put one generation into each state."""
    for state in (State.ARCHIVED, State.FAILED, State.LOST):
        one = add(index, make(state.value, expires_at=NOW + 3 * DAY, assets=(OUTPUT, SECOND)))
        is_kept = state is State.ARCHIVED
        outcome = make_captured(
            one,
            [make_media(one), make_media(one, SECOND)] if is_kept else (),
            *(["disk", "vault"] if is_kept else ()),
            state=state,
            missing=() if is_kept else (make_missing(state=state), make_missing(SECOND, state)),
            next_try_at=LATER if state is State.FAILED else None,
        )
        captured.record(index, one.number, outcome, NOW)
    record(
        index,
        make("pending", expires_at=NOW + 2 * DAY),
        make("undated"),
        make("in_progress", status=Status.IN_PROGRESS, expires_at=NOW + DAY),
        make_listed(make("excluded", expires_at=NOW + DAY), excluded_because="too old"),
    )
    record(index, make("other", account="other", expires_at=NOW))


def test_every_generation_is_counted_once(index: Index) -> None:
    """The states of an account add up to what was ever listed (promise 6)."""
    fill(index)

    assert {
        State.ARCHIVED: 1,
        State.PENDING: 2,
        State.IN_PROGRESS: 1,
        State.FAILED: 1,
        State.EXCLUDED: 1,
        State.LOST: 1,
    } == ledger.count_by_state(index, "studio")
    assert set(ledger.COUNTED) == set(State)
    assert 0 == sum(ledger.count_by_state(index, "nobody").values())


def test_files_are_counted_once_whatever_the_number_of_their_copies(index: Index) -> None:
    """Two destinations do not make two files."""
    fill(index)

    assert (2, 8) == ledger.stored_bytes(index, "studio")
    assert (0, 0) == ledger.stored_bytes(index, "other")


def test_unsecured_is_what_only_its_provider_has(index: Index) -> None:
    """Pending and failed, with the first deadline among them."""
    fill(index)

    everything = ledger.unsecured(index, "studio")
    soon = ledger.unsecured(index, "studio", before=NOW + 2 * DAY + timedelta(seconds=1))

    assert (3, NOW + 2 * DAY) == (everything.count, everything.first_deadline_at)
    assert (1, NOW + 2 * DAY) == (soon.count, soon.first_deadline_at)
    assert (0, None) == (
        ledger.unsecured(index, "studio", before=NOW).count,
        ledger.unsecured(index, "nobody").first_deadline_at,
    )


def test_what_one_destination_holds_is_not_unsecured(index: Index) -> None:
    """Another destination that is still to be caught up takes it from there."""
    one = add(index)
    outcome = make_captured(
        one, [make_media(one)], "disk", state=State.FAILED, reason="vault", next_try_at=LATER
    )
    captured.record(index, one.number, outcome, NOW)

    assert 0 == ledger.unsecured(index, "studio").count
    assert [] == list(ledger.waiting(index, "studio"))


def test_waiting_comes_in_the_order_of_capture_over_many_pages(index: Index) -> None:
    """By deadline, those without one last, each of them once."""
    many = PAGE_ROWS + 20
    record(
        index,
        *(
            make(
                f"g{number}",
                expires_at=None if number % 5 == 0 else NOW + timedelta(hours=number % 11),
                assets=(),
            )
            for number in range(many)
        ),
    )

    found = [one.deadline_at for one in ledger.waiting(index, "studio")]

    assert many == len(found)
    dated = [one for one in found if one is not None]
    assert dated == sorted(dated) == found[: len(dated)]


def test_the_deadlines_of_an_account_are_its_first_and_last(index: Index) -> None:
    """Over all states."""
    fill(index)

    assert (NOW + DAY, NOW + 3 * DAY) == ledger.deadlines(index, "studio")
    assert (None, None) == ledger.deadlines(index, "nobody")


def test_an_account_is_remembered_as_it_was(index: Index) -> None:
    """Every fact comes back; a new account has no past."""
    assert AccountRecord(account="a", provider="oxen") == ledger.load_account(index, "a", "oxen")
    full = AccountRecord(
        account="a",
        provider="oxen",
        walk_is_complete=True,
        last_walk_at=NOW,
        last_sweep_at=NOW - DAY,
        last_success_at=LATER,
        last_error="because",
        provider_total=12,
        usual_total=11,
        requests_spent_at=(1.5, 2.25),
        paused_until=3.5,
        walk_gaps=("7", ""),
    )

    ledger.save_account(index, full)
    ledger.save_budget(index, "a", "oxen", full.requests_spent_at, full.paused_until)
    assert full == ledger.load_account(index, "a", "oxen")
    ledger.save_account(index, replace(full, requests_spent_at=(), paused_until=0.0))
    assert full == ledger.load_account(index, "a", "oxen")  # a walk does not refund the budget
    changed = replace(full, last_error=None, provider_total=None, walk_gaps=())
    ledger.save_account(index, changed)
    assert changed == ledger.load_account(index, "a", "oxen")


def test_the_provider_of_an_account_is_known_from_its_budget_on(index: Index) -> None:
    """Whatever was written of an account first says where it is."""
    assert ledger.provider_of(index, "a") is None

    ledger.save_budget(index, "a", "oxen", (), 0.0)

    assert "oxen" == ledger.provider_of(index, "a")


def test_runs_are_remembered_with_their_ends(index: Index) -> None:
    """Those that came to an end, the newest first; one that did not is noticed."""
    assert not ledger.last_run_died(index)
    for number in range(3):
        moment = NOW + number * DAY
        ledger.start_run(index, f"run{number}", moment)
        assert ledger.last_run_died(index)
        ledger.end_run(index, f"run{number}", moment + timedelta(minutes=1), number, {"new": 1})
        assert not ledger.last_run_died(index)
    ledger.start_run(index, "cut off", NOW + 9 * DAY)

    assert ledger.last_run_died(index)
    assert ["run2", "run1"] == [run["id"] for run in ledger.last_runs(index, 2)]
    assert '{"new": 1}' == ledger.last_runs(index, 1)[0]["summary"]


def test_destinations_are_remembered_by_their_archive(index: Index) -> None:
    """A disk that is not mounted, or another bucket, is noticed by its id."""
    assert ledger.archive_id(index, "disk") is None

    ledger.remember_archive(index, "disk", "one", NOW)
    ledger.remember_archive(index, "vault", "two", NOW)
    ledger.remember_cleaning(index, "disk", LATER)

    assert ("one", "two") == (ledger.archive_id(index, "disk"), ledger.archive_id(index, "vault"))
    assert (LATER, None) == (ledger.cleaned_at(index, "disk"), ledger.cleaned_at(index, "vault"))
    assert ("disk", None) == (
        ledger.same_archive(index, "vault", "one"),
        ledger.same_archive(index, "disk", "one"),
    )


def test_a_destination_that_is_seen_again_keeps_its_other_facts(index: Index) -> None:
    """To look once more is no reason to clean once more."""
    ledger.remember_archive(index, "disk", "one", NOW)
    ledger.remember_cleaning(index, "disk", LATER)

    ledger.remember_archive(index, "disk", "two", LATER)

    assert ("two", LATER) == (ledger.archive_id(index, "disk"), ledger.cleaned_at(index, "disk"))


def test_an_index_is_empty_until_something_is_listed(index: Index) -> None:
    """Accounts and runs alone do not make it full."""
    ledger.save_account(index, AccountRecord(account="a", provider="oxen"))
    assert ledger.is_empty(index)

    record(index, make())

    assert not ledger.is_empty(index)
    assert "g1" == known(index).generation.id
