"""What is wrong is named, with what to do; what is right, or just going on, is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archiver.actions.health import judge_health
from archiver.actions.troubles import Trouble, troubles
from archiver.index import Index, captured, jobs, ledger, proofs
from archiver.model import Fault, State
from tests.actions.watching import EVERY, WATCHED, remember, run
from tests.index.conftest import index  # noqa: F401  # the same empty index
from tests.index.making import NOW, add, make, make_captured, make_media, make_missing
from tests.index.test_proofs import everything, found, keep

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def wrong(index: Index) -> list[str]:  # noqa: F811
    """The keys of what is wrong now."""
    return [one.key for one in troubles(index, WATCHED, NOW)]


def only(index: Index) -> Trouble:  # noqa: F811
    """The one thing that is wrong now."""
    [trouble] = troubles(index, WATCHED, NOW)
    return trouble


def test_nothing_is_wrong_with_an_index_that_knows_nothing(index: Index) -> None:  # noqa: F811
    """Nothing was tried yet, so nothing failed; but that is not health either."""
    assert [] == wrong(index)
    health = judge_health(index, WATCHED, NOW)
    assert not health.is_well
    assert "studio was never archived" in health.reasons[0]


def test_nothing_is_wrong_after_a_run_that_went_well(index: Index) -> None:  # noqa: F811
    """No alarm, and healthy."""
    remember(index)
    run(index)

    assert [] == wrong(index)
    assert judge_health(index, WATCHED, NOW).is_well


def test_credentials_that_are_rejected(index: Index) -> None:  # noqa: F811
    """Which key, why, since when, and what to do."""
    remember(index, last_exit_code=12, last_error="the key was refused (401)")

    trouble = only(index)

    assert "credentials:studio" == trouble.key
    assert trouble.message == (
        "studio cannot log in at geminigen (the key was refused (401)); it last went well at "
        "2025-09-27 12:00 UTC: see to its api_key, then `archiver run --account studio`"
    )


@pytest.mark.parametrize(
    ("age", "expected"), [(EVERY * 2, []), (EVERY * 2 + HOUR, ["stale:studio"])]
)
def test_no_success_in_two_intervals(
    index: Index,  # noqa: F811
    age: timedelta,
    expected: list[str],
) -> None:
    """Until then the last success is fresh."""
    remember(index, last_success_at=NOW - age)

    assert expected == wrong(index)
    assert (not expected) == judge_health(index, WATCHED, NOW).is_well


def test_a_success_that_is_yet_to_come_is_none(index: Index) -> None:  # noqa: F811
    """A clock that was ahead for a while does not silence the alarm until that day."""
    remember(index, last_success_at=NOW + EVERY * 2)
    assert [] == wrong(index)

    remember(index, last_success_at=NOW + 9 * HOUR)
    assert "the clock of this machine was ahead then" in only(index).message
    assert not judge_health(index, WATCHED, NOW).is_well


def test_an_account_that_never_went_well_is_stale_after_two_intervals(index: Index) -> None:  # noqa: F811
    """Counted from the first run that tried it, not from the epoch."""
    remember(index, last_success_at=None, first_tried_at=NOW - EVERY, last_exit_code=3)
    assert [] == wrong(index)

    remember(index, last_success_at=None, first_tried_at=NOW - HOUR, last_exit_code=3)
    assert "and it never went well: something in it fails again" in only(index).message


def test_a_long_first_run_is_no_trouble(index: Index) -> None:  # noqa: F811
    """It goes on for hours, and shows that it lives: healthy, although nothing has ended yet."""
    ledger.start_run(index, "first", NOW - 5 * HOUR)
    ledger.show_life(index, "first", NOW)

    assert [] == wrong(index)
    assert judge_health(index, WATCHED, NOW).is_well


def test_a_long_run_over_what_went_well_before_is_no_trouble(index: Index) -> None:  # noqa: F811
    """But one over an account that failed before does not hide that."""
    ledger.start_run(index, "long", NOW - 5 * HOUR)
    ledger.show_life(index, "long", NOW)
    remember(index, last_success_at=NOW - 5 * HOUR)
    assert [] == wrong(index)

    remember(index, last_success_at=NOW - 5 * HOUR, last_exit_code=3, last_error="503")
    assert ["stale:studio"] == wrong(index)


def test_a_run_that_died_is_told_when_it_was_silent_for_long(index: Index) -> None:  # noqa: F811
    """Until then it may still be alive; and the next run makes it good."""
    remember(index)
    ledger.start_run(index, "killed", NOW - 5 * timedelta(minutes=1))
    assert [] == wrong(index)
    ledger.show_life(index, "killed", NOW - HOUR)
    assert "run:run" == only(index).key
    assert "was killed, or the machine went down" in only(index).message

    run(index)
    assert [] == wrong(index)


@pytest.mark.parametrize(("exit_code", "expected"), [(1, ["run:run"]), (130, []), (143, [])])
def test_a_run_that_broke_off(index: Index, exit_code: int, expected: list[str]) -> None:  # noqa: F811
    """An error is told, also while the next run goes on; that somebody stopped it is not."""
    remember(index)
    run(index, NOW - DAY)
    ledger.start_run(index, "broken", NOW - HOUR)
    ledger.break_off(index, "broken", exit_code, {"error": "the disk is gone"})
    assert expected == wrong(index)

    ledger.start_run(index, "next", NOW)
    assert expected == wrong(index)


def test_a_bug_in_one_account_is_told_of_that_account(index: Index) -> None:  # noqa: F811
    """The others went well."""
    remember(index, last_exit_code=1, last_error="internal error: KeyError('x')")

    assert "run:studio" == only(index).key
    assert "KeyError" in only(index).message


@pytest.mark.parametrize("name", ["verify", "drill"])
def test_a_verify_or_a_drill_that_failed(index: Index, name: str) -> None:  # noqa: F811
    """With why, and when it last went well."""
    jobs.remember_try(index, name, NOW - DAY)
    jobs.remember_end(index, name, NOW - DAY)
    jobs.remember_try(index, name, NOW)
    jobs.remember_end(index, name, NOW, "vault cannot be read")

    assert f"run:{name}" == only(index).key
    assert only(index).message.startswith(
        f"the last {name} failed (vault cannot be read); it last went well at 2025-09-26 12:00 UTC"
    )


def test_a_config_that_the_daemon_refused(index: Index) -> None:  # noqa: F811
    """The first line of why; the rest is said by the command that is named."""
    jobs.remember_try(index, jobs.RELOAD, NOW)
    jobs.remember_end(index, jobs.RELOAD, NOW, "config.toml has a mistake\n  accounts: none")

    assert "config" == only(index).kind
    assert "config.toml has a mistake: `archiver config validate`" in only(index).message


def test_a_listing_that_turned_empty(index: Index) -> None:  # noqa: F811
    """Nothing is deleted, and the message says how to take it as right."""
    remember(index, shrunk_from=40)

    assert "shrunk:studio" == only(index).key
    assert "less than half of the 40 generations" in only(index).message
    assert "`archiver run --account studio --accept-shrunk`" in only(index).message


def test_what_is_close_to_its_deadline_is_at_risk(index: Index) -> None:  # noqa: F811
    """Only what is not archived, and past half of its time when that is short."""
    remember(index)
    old = make("old", created_at=NOW - 29 * DAY, expires_at=NOW + 3 * HOUR)
    add(index, old)
    add(index, make("new", created_at=NOW - HOUR, expires_at=NOW + 5 * HOUR))
    add(index, make("later", expires_at=NOW + 29 * DAY))
    safe = add(index, make("safe", expires_at=NOW + HOUR, created_at=NOW - 9 * DAY))
    captured.record(index, safe.number, make_captured(safe, [make_media(safe)], "disk"), NOW)

    trouble = only(index)

    assert "at_risk:studio" == trouble.key
    assert trouble.message.startswith(
        "1 generation of studio will be lost from 2025-09-27 15:00 UTC on, if not archived before"
    )
    assert (trouble.message,) == judge_health(index, WATCHED, NOW).reasons


def test_what_comes_too_late_at_the_pace_of_the_last_runs_is_at_risk(index: Index) -> None:  # noqa: F811
    """Long before its deadline: only then can more be done about it."""
    remember(index)
    ledger.save_forecast(index, "studio", 70, NOW + 9 * DAY)
    assert "at_risk:studio" == only(index).key
    assert "at the pace of the last runs it comes too late" in only(index).message

    ledger.save_forecast(index, "studio", 0, None)
    assert [] == wrong(index)


def test_what_was_lost_is_told_with_its_number(index: Index) -> None:  # noqa: F811
    """A further loss is a higher level; health does not stay bad for ever over it."""
    remember(index)
    levels = []
    for name in ("first", "second"):
        one = add(index, make(name))
        gone = make_missing(state=State.LOST)
        captured.record(
            index, one.number, make_captured(one, state=State.LOST, missing=(gone,)), NOW
        )
        levels.append(only(index).level)

    assert "lost:studio" == only(index).key
    assert [1, 2] == levels
    assert "2 assets of studio could not be saved in time" in only(index).message
    assert judge_health(index, WATCHED, NOW).is_well


def test_a_destination_that_was_left_out_is_told_with_since_when(index: Index) -> None:  # noqa: F811
    """Since the first of the runs in a row that had to do without it, until one has it again."""
    remember(index)
    run(index, NOW - 3 * DAY, failed={"vault": "vault: full"})
    run(index, NOW - 2 * DAY)
    run(index, NOW - DAY, failed={"vault": "vault: full"})
    run(index, NOW - HOUR, failed={"vault": "vault: full", "gone": "no longer in the config"})

    assert "destination:vault" == only(index).key
    assert only(index).message.startswith(
        "vault is left out since the run of 2025-09-26 12:00 UTC (full)"
    )

    run(index, NOW)
    assert [] == wrong(index)


def test_a_run_that_found_no_destination_at_all_is_a_trouble_of_theirs(
    index: Index,  # noqa: F811
) -> None:
    """It broke off over that, and one alarm for one cause is enough."""
    remember(index)
    ledger.start_run(index, "broken", NOW)
    told = {"error": "no destination can be used", "destinations_failed": {"disk": "unplugged"}}
    ledger.break_off(index, "broken", 10, told)

    assert ["destination:disk"] == wrong(index)


def test_damage_that_verify_found_is_told_until_it_is_healed(index: Index) -> None:  # noqa: F811
    """A sidecar of a newer archiver is no damage."""
    remember(index)
    keep(index, "disk")
    sidecar, media = sorted(everything(index, "disk"), key=lambda held: not held.is_sidecar)
    proofs.record(index, [found(sidecar, Fault.TOO_NEW), found(media, Fault.MISSING)])

    assert "damaged:disk" == only(index).key
    assert only(index).message == (
        "1 copy at disk is damaged or missing: `archiver repair` heals what can be healed"
    )

    proofs.record(index, [found(media)])
    assert [] == wrong(index)


def test_what_the_config_does_not_name_is_not_watched(index: Index) -> None:  # noqa: F811
    """An account that was taken out of the config alarms nobody."""
    ledger.save_account(
        index,
        ledger.AccountRecord(account="old", provider="oxen", last_exit_code=12, first_tried_at=NOW),
    )

    assert [] == wrong(index)
