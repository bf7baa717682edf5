"""Many things may go wrong in one run; its exit code tells the worst of them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest

from archiver.actions.running.summary import MAX_SHOWN_PROBLEMS, AccountSummary, RunSummary, worst

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((), 0),
        ((0, 0), 0),
        ((0, 3), 3),
        ((3, 1), 1),
        ((3, 1, 12), 12),
        ((3, 1, 12, 4), 4),
        ((0, 3, 1, 12, 4, 78), 78),
    ],
)
def test_worst_is_no_number_but_an_order(codes: tuple[int, ...], expected: int) -> None:
    """Loss before a dead key, before a bug, before what is tried again, in whatever order."""
    assert {expected} == {worst(order) for order in permutations(codes)}


def test_what_is_tried_again_does_not_hide_a_bug() -> None:
    """A later, smaller trouble of an account leaves the exit code of the larger one."""
    account = AccountSummary(provider="oxen")

    account.add_code(1)
    account.add_code(3)

    assert 1 == account.exit_code


def test_a_success_is_all_that_is_in_our_hands() -> None:
    """A few broken files of a provider make no account stale; what is lost stays lost."""
    assert AccountSummary(provider="oxen", lost=1, exit_code=4).is_well
    assert AccountSummary(provider="oxen", failed=2, exit_code=3).is_well
    assert AccountSummary(provider="oxen", archived=1, failed=50, exit_code=3).is_well
    assert not AccountSummary(provider="oxen", lost=1, failed=3, exit_code=4).is_well
    assert not AccountSummary(provider="oxen", failed=1, unplaced=1, exit_code=3).is_well
    assert not AccountSummary(provider="oxen", bad_rows=1, exit_code=3).is_well
    assert not AccountSummary(provider="oxen", exit_code=4, error="refused").is_well


def test_destination_that_was_left_out_is_incomplete() -> None:
    """Also when every account is well."""
    summary = RunSummary("r", NOW, accounts={"a": AccountSummary("oxen")})
    assert 0 == summary.exit_code

    summary.destinations_failed["vault"] = "down"

    assert 3 == summary.exit_code


def test_one_file_is_no_files() -> None:
    """The line of a ping is read by people."""
    account = AccountSummary(provider="oxen", files=1, size_bytes=1000)
    summary = RunSummary(run_id="r", started_at=NOW, accounts={"farm": account})

    assert summary.line.endswith("; 1 file, 1 kB")


def test_only_the_first_problems_are_kept() -> None:
    """A run over a million failures does not keep a million lines."""
    summary = RunSummary("r", NOW)

    for number in range(MAX_SHOWN_PROBLEMS + 5):
        summary.add_problem(str(number))

    assert MAX_SHOWN_PROBLEMS == len(summary.problems)
