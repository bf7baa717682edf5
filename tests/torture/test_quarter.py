"""A simulated quarter: what is promised about time, outages and losses, over ninety days.

`ARCHIVER_TORTURE=all` lives through the quarter, else through one week. A run is made every two
simulated hours (three in the week), and every fifteen minutes around the account whose files
live for one hour.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from archiver.actions.audit import Audit, audit
from archiver.index import queries
from archiver.index.queries import Filters
from archiver.index.rows import Known
from archiver.model import State
from archiver.simulator import Simulator
from archiver.simulator.item import Item
from tests.conftest import require
from tests.stories.house import id_of
from tests.torture.quarter import (
    BEGINNING,
    BY_NAME,
    PLANS,
    Clock,
    Plan,
    Quarter,
    Script,
    clear_stretches,
    make_quarter,
    make_week,
    margin,
)

IS_WHOLE = os.environ.get("ARCHIVER_TORTURE", "") == "all"


@dataclass(frozen=True, slots=True)
class Lived:
    """A quarter that is over, and what the index says of each generation by account and id."""

    quarter: Quarter
    known: dict[tuple[str, str], Known]
    ledger: Audit

    def of(self, account: str, item: Item) -> Known:
        """What became of an item."""
        return self.known[account, id_of(item.provider, item)]

    def lost(self, plan: Plan) -> list[tuple[datetime, Item]]:
        """The lost items of an account with the moment when they went, the first one first."""
        world = self.quarter.simulator.world
        found = [
            (world.expires_at(item), item)
            for item in self.quarter.items[plan.name]
            if self.of(plan.name, item).state is State.LOST
        ]
        return sorted(
            ((at, item) for at, item in found if at is not None), key=lambda pair: pair[0]
        )


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Live through all of it, once for all tests."""
    try:
        import av  # noqa: F401  # the simulator makes real media with it
    except ImportError:
        require("media", None, "PyAV is not installed: pip install '.[demo]'")
    clock = Clock()
    folder = tmp_path_factory.mktemp("quarter")
    with Simulator(seed=5, clock=clock) as simulator:
        quarter = Quarter(folder, simulator, clock, make_quarter() if IS_WHOLE else make_week())
        quarter.live()
        with quarter.archive() as archive:
            known = {
                (one.generation.account, one.generation.id): one
                for one in queries.find(archive.index, Filters())
            }
            names = {plan.name: plan.provider for plan in PLANS}
            yield Lived(quarter, known, audit(archive.index, names, Filters()))


pytestmark = pytest.mark.timeout(1200)


def test_nothing_is_lost_while_everything_works_for_the_margin(lived: Lived) -> None:
    """An outage shorter than the life that is left, less the margin, loses nothing.

    The margin is one interval and the longest wait between two tries: at most 7.5 hours, and
    never more than half of the time that was left when things worked again.
    """
    lost_without_need = [
        (plan.name, item.id, item.created_at, lived.of(plan.name, item).reason)
        for plan in PLANS
        for item in made(lived, plan)
        if is_safe(lived, plan, item) and lived.of(plan.name, item).state is not State.ARCHIVED
    ]

    assert [] == lost_without_need


def test_what_could_not_be_saved_is_lost_and_nothing_else_is(lived: Lived) -> None:
    """What nothing could have fetched in its life is lost; all else ends archived or lost."""
    for plan in PLANS:
        for item in made(lived, plan):
            known = lived.of(plan.name, item)
            if not list(stretches(lived, plan, item)):
                assert known.state is State.LOST, (plan.name, item.id, known)
            assert known.state in (State.ARCHIVED, State.LOST), (plan.name, item.id, known)


def test_what_is_lost_has_evidence_and_its_prompt_in_a_sidecar(lived: Lived) -> None:
    """The reason and the host's status stand in the index; the sidecar keeps the prompt."""
    for plan in PLANS:
        for _, item in lived.lost(plan):
            known = lived.of(plan.name, item)
            missing = [one.missing for one in known.assets if one.state is State.LOST]
            assert missing, (plan.name, item.id)
            for one in missing:
                assert one is not None
                assert one.http_status in (403, 404), one
                assert "deadline" in one.reason
            path = lived.quarter.folder / "disk" / f"{known.stem}.json"
            document = json.loads(path.read_text(encoding="utf-8"))
            assert item.prompt == document["prompt"]
            assert "lost" in {one["state"] for one in document["missing"]}


def test_the_run_that_finds_a_loss_ends_with_exit_code_4(lived: Lived) -> None:
    """Whenever the ledger's lost grew, the run and the account said so."""
    assert [] == lived.quarter.diary.silent_losses


def test_an_alert_comes_before_each_loss(lived: Lived) -> None:
    """The last run before a file went had named its account; the first such run is the lead."""
    for plan in PLANS:
        for lost_at, item in lived.lost(plan):
            assert lead_time(lived, plan, lost_at) is not None, (plan.name, item.id, lost_at)


def test_the_ledger_adds_up_to_what_the_providers_ever_listed(lived: Lived) -> None:
    """Each generation is in one state; none is unaccounted for; nothing waits at the end."""
    for account in lived.ledger.accounts:
        made_there = lived.quarter.items[account.account]
        assert len(made_there) == account.listed_ever == sum(account.counts.values())
        assert 0 == account.not_listed
        assert 0 == account.counts[State.FAILED] == account.counts[State.PENDING]
        assert len(lived.lost(BY_NAME[account.account])) == account.counts[State.LOST]


def test_no_media_is_served_twice(lived: Lived) -> None:
    """A file that is held is never asked for again: not after restarts, nor a lost index."""
    assert [] == [path for path, count in lived.quarter.diary.served.items() if count > 1]


def test_the_figures_of_the_quarter(
    lived: Lived, record_property: Callable[[str, object], None]
) -> None:
    """Every kind of trouble happened, and the index was really rebuilt."""
    diary, script = lived.quarter.diary, lived.quarter.script
    assert diary.rebuilt > 0
    assert {0, 3, 4, 10, 12} <= set(diary.exit_codes)
    files = [one.media for known in lived.known.values() for one in known.assets if one.media]
    lines = [
        f"{script.days} days, {diary.runs} runs, "
        f"exit codes {dict(sorted(diary.exit_codes.items()))}",
        f"{len(lived.known)} generations, {len(files)} files, "
        f"{sum(media.digest.size_bytes for media in files)} bytes, "
        f"{sum(diary.served.values())} media answers",
        f"{len(script.troubles)} troubles of {_hours(script)}; index rebuilt from "
        f"{diary.rebuilt} sidecars",
        f"longest backlog {diary.longest_backlog}",
    ]
    for plan in PLANS:
        lost = lived.lost(plan)
        leads = [lead_time(lived, plan, lost_at) for lost_at, _ in lost]
        lines.append(
            f"{plan.name}: retention {plan.retention}, a run every {lived.quarter.every(plan)}, "
            f"{len(lived.quarter.items[plan.name])} generations, "
            f"{saved_in_spite(lived, plan)} saved that met a trouble, {len(lost)} lost"
            + (f", lead time {leads[0]}, the shortest {min(filter(None, leads))}" if lost else "")
        )
    record_property("quarter", "\n  ".join(lines))


def made(lived: Lived, plan: Plan) -> Iterator[Item]:
    """The items of an account that made media and had an end."""
    for item in lived.quarter.items[plan.name]:
        has_media = any(file.role not in ("reference", "mask") for file in item.files)
        if item.outcome == "completed" and has_media and item.finishes_at < lived.quarter.clock():
            yield item


def stretches(lived: Lived, plan: Plan, item: Item) -> Iterator[tuple[datetime, datetime]]:
    """When an item could have been fetched: it was made, still there, and everything worked."""
    expires_at = lived.quarter.simulator.world.expires_at(item)
    assert expires_at is not None
    possible_at = max(item.finishes_at, BEGINNING)
    yield from clear_stretches(lived.quarter.held_up(plan.name), possible_at, expires_at)


def is_safe(lived: Lived, plan: Plan, item: Item) -> bool:
    """Whether everything worked for the margin while the item could be fetched."""
    expires_at = lived.quarter.simulator.world.expires_at(item)
    assert expires_at is not None
    every = lived.quarter.every(plan)
    return any(
        ends_at - starts_at >= margin(every, expires_at - starts_at)
        for starts_at, ends_at in stretches(lived, plan, item)
    )


def saved_in_spite(lived: Lived, plan: Plan) -> int:
    """Count what was archived although something was wrong when it ended, or at the next run."""
    held_up, every = lived.quarter.held_up(plan.name), lived.quarter.every(plan)
    return sum(
        [(item.finishes_at, item.finishes_at + every)]
        != list(clear_stretches(held_up, item.finishes_at, item.finishes_at + every))
        for item in made(lived, plan)
        if lived.of(plan.name, item).state is State.ARCHIVED
    )


def lead_time(lived: Lived, plan: Plan, lost_at: datetime) -> timedelta | None:
    """How long before a loss the account's runs had raised the alarm without a break."""
    since = None
    for moment, is_alarm in lived.quarter.diary.alarms[plan.name]:
        if moment >= lost_at:
            break
        since = (since or moment) if is_alarm else None
    return None if since is None else lost_at - since


def _hours(script: Script) -> str:
    spans = sorted((one.ends_at - one.starts_at for one in script.troubles), reverse=True)
    return f"{spans[-1]} to {spans[0]}"
