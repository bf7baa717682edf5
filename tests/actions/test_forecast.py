"""What comes too late because it goes too slowly is told apart from what is stuck."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from archiver.actions.forecast import forecast
from archiver.index import Index, captured, ledger
from archiver.model import State
from tests.actions.watching import remember
from tests.index.conftest import index  # noqa: F401  # the same empty index
from tests.index.making import NOW, add, make, make_captured, make_missing

HOUR = timedelta(hours=1)


def test_what_the_budget_is_too_small_for_is_too_late(index: Index) -> None:  # noqa: F811
    """One an hour: the second of two that end in 90 minutes is not reached in time."""
    remember(index)
    add(index, make("first", expires_at=NOW + 1.5 * HOUR))
    add(index, make("second", expires_at=NOW + 1.6 * HOUR))

    foreseen = forecast(index, "studio", "geminigen", timedelta(0), 1, NOW)

    assert (1, 1) == (foreseen.lost, foreseen.too_late)
    assert NOW + 1.6 * HOUR == foreseen.too_late_from


def test_what_is_stuck_or_cannot_be_asked_for_is_not_called_too_late(
    index: Index,  # noqa: F811
) -> None:
    """It will be lost as well, but going faster would not help: other alarms tell of it."""
    remember(index)
    stuck = add(index, make("stuck", expires_at=NOW + HOUR))
    for _ in range(3):
        failed = make_captured(
            stuck, state=State.FAILED, missing=(make_missing(),), next_try_at=NOW + HOUR
        )
        captured.record(index, stuck.number, failed, NOW)

    foreseen = forecast(index, "studio", "geminigen", timedelta(0), 0, NOW)
    assert (1, 0) == (foreseen.lost, foreseen.too_late)

    record = ledger.load_account(index, "studio", "geminigen")
    ledger.save_account(index, replace(record, last_error="the key was refused"))
    assert 0 == forecast(index, "studio", "geminigen", timedelta(0), 1, NOW).too_late
