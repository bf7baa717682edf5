"""Time: deadlines, links that age, pauses, and what is said before something is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.actions.capturing.commit import PATIENT_ATTEMPTS
from archiver.actions.run import RunOptions, RunSummary, run
from archiver.cli.forecasting import tell
from archiver.config import load_config
from archiver.index import queries
from archiver.index.rows import Known
from archiver.keys import TEMPORARY_PREFIX
from archiver.model import State
from archiver.simulator import Recipe, Simulator, faults
from archiver.simulator.item import Item
from archiver.wiring.accounts import open_accounts
from archiver.wiring.archive import open_archive
from archiver.wiring.running import open_engine, run_options
from tests.conftest import require
from tests.stories.house import ACCOUNTS, id_of, media_tree
from tests.stories.small_store import small_store
from tests.torture.quarter import Clock, Hurried, Watcher

PLAIN = Recipe().plain(size_bytes=4096)
FILM = Recipe(failed_share=0.0, in_progress=0, outputs=1, size_bytes=(4096, 9000), extras=False)
"""What Sync makes: its files are videos."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RETENTION = {"studio": "30d", "farm": "1h", "lips": "90d", "box": "7d"}


class Household:
    """One user with four accounts and one directory, on a clock that tests move."""

    def __init__(self, folder: Path, simulator: Simulator, clock: Clock) -> None:
        self.folder, self.simulator, self.clock = folder, simulator, clock
        self.keys: dict[str, str] = {}
        self.extra = ""
        self.per_hour = dict.fromkeys(ACCOUNTS, 0)
        self.patience_seconds = 60.0

    def add(self, account: str, *, age: timedelta = timedelta(0), **fields: object) -> Item:
        """Let an account make something, a while ago."""
        created_at = self.clock() - age
        recipe = FILM if account == "lips" else PLAIN
        chosen: dict[str, object] = {"recipe": recipe, **fields}
        return self.simulator.world.add(ACCOUNTS[account], created_at=created_at, **chosen)  # type: ignore[arg-type]

    def run(self, **options: bool) -> RunSummary:
        """Make one run, everything opened anew."""
        config = load_config(self._write_config())
        with (
            open_archive(config, create_index=True, clock=self.clock) as archive,
            open_accounts(config, archive.index, (), Hurried(self.clock), self.clock) as opened,
        ):
            chosen: RunOptions = run_options(config, **options)  # type: ignore[arg-type]
            chosen = replace(chosen, patience_seconds=self.patience_seconds)
            engine = open_engine(config, Hurried())
            return run(archive, opened.usable, opened.unusable, engine, chosen, Watcher())

    def known(self, item: Item) -> Known:
        """What the index says of an item."""
        with open_archive(load_config(self._write_config())) as archive:
            [known] = queries.by_id(archive.index, id_of(item.provider, item))
        return known

    def sidecar(self, item: Item) -> dict[str, object]:
        """Read an item's sidecar."""
        path = self.folder / "disk" / f"{self.known(item).stem}.json"
        document: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        return document

    def media_paths(self, status: int | None = None) -> list[str]:
        """What the media host was asked for, in order."""
        return [
            record.path
            for record in self.simulator.requests
            if record.host == "media" and status in (None, record.status)
        ]

    def _write_config(self) -> Path:
        parts = [
            '[archive]\nstate_dir = "state"\n[transfer]\nallow_private_hosts = true\n'
            'concurrency = 1\n[destinations.disk]\ntype = "local"\npath = "disk"\n',
            self.extra,
        ]
        for name, provider in ACCOUNTS.items():
            parts.append(
                f'[accounts.{name}]\nprovider = "{provider}"\n'
                f'base_url = "{self.simulator.base_url(provider)}"\n'
                f'api_key = "{self.keys.get(name, self.simulator.api_key(provider))}"\n'
                f'retention = "{RETENTION[name]}"\nevery = "15m"\n'
                f"requests_per_minute = 0\nrequests_per_hour = {self.per_hour[name]}\n"
            )
        path = self.folder / "config.toml"
        path.write_text("\n".join(parts), encoding="utf-8")
        return path


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Household]:
    """Four empty histories; the simulator deletes files after the retention."""
    try:
        import av  # noqa: F401  # the simulator makes real media with it
    except ImportError:
        require("media", None, "PyAV is not installed: pip install '.[demo]'")
    clock = Clock()
    with Simulator(seed=9, clock=clock) as simulator:
        spans = {"studio": 30 * DAY, "farm": HOUR, "lips": 90 * DAY, "box": 7 * DAY}
        for name, span in spans.items():
            simulator.world.retention[ACCOUNTS[name]] = span
        simulator.switches.neuralbox_schema = "new"
        yield Household(tmp_path, simulator, clock)


def test_lost_needs_evidence_and_keeps_the_prompt(home: Household) -> None:
    """Past its deadline a file is not lost while nobody could ask; a refusal proves it: exit 4."""
    item = home.add("farm", prompt="the one that got away")
    home.simulator.take_down("media")
    assert 3 == home.run().exit_code

    home.clock.pass_by(2 * HOUR)
    still_down = home.run(retries_now=True)
    assert 3 == still_down.exit_code
    assert State.FAILED is home.known(item).state

    home.simulator.bring_up("media")
    found_out = home.run(retries_now=True)

    assert 4 == found_out.exit_code
    assert 1 == found_out.accounts["farm"].lost
    assert State.LOST is home.known(item).state
    document = home.sidecar(item)
    assert "the one that got away" == document["prompt"]
    assert isinstance(document["missing"], list)
    [missing] = document["missing"]
    assert ("lost", 404) == (missing["state"], missing["http_status"])
    assert "deadline" in missing["reason"]
    assert 0 == home.run().exit_code


def test_generation_that_vanishes_unfinished_is_lost_with_its_prompt(home: Household) -> None:
    """The provider no longer knows what it was making: exit 4 once, and a sidecar remains."""
    item = home.add("box", state="processing", prompt="never finished")
    assert 0 == home.run().exit_code
    home.simulator.world.delete("neuralbox", item.id)

    for _ in range(PATIENT_ATTEMPTS - 1):
        assert 0 == home.run(accepts_shrunk=True).exit_code  # one "not found" proves nothing
        home.clock.pass_by(HOUR)
    found_out = home.run(accepts_shrunk=True)

    assert 4 == found_out.exit_code
    assert 1 == found_out.accounts["box"].lost
    assert State.LOST is home.known(item).state
    assert "vanished" in str(home.known(item).reason)
    assert "never finished" == home.sidecar(item)["prompt"]
    assert 0 == home.run().exit_code


def test_link_that_is_over_is_refreshed_before_it_is_used(home: Household) -> None:
    """Two links are listed; the first download takes longer than they live."""
    home.simulator.switches.link_life_seconds["oxen"] = 60
    items = [home.add("farm", age=timedelta(seconds=9 - number)) for number in range(6)]
    signed = [item for item in items if item.ordinal % 2]  # the others are redirected by the API
    later = faults.meanwhile(lambda: home.clock.pass_by(2 * MINUTE))
    home.simulator.faults.add(later, host="media", path=signed[0].files[0].path)

    summary = home.run()

    assert 0 == summary.exit_code, summary.problems
    assert 6 == summary.accounts["farm"].archived
    assert [signed[0].files[0].path] == home.media_paths(403)


def test_clock_that_is_ahead_costs_one_question_a_generation_and_no_file(home: Household) -> None:
    """By our clock even fresh links are over: they are used all the same."""
    home.simulator.switches.link_life_seconds["oxen"] = 600
    items = [home.add("farm", age=25 * MINUTE) for _ in range(6)]
    home.simulator.world.clock = lambda: home.clock() - 20 * MINUTE

    summary = home.run()

    assert 6 == summary.accounts["farm"].archived, summary.problems
    signed = [item for item in items if item.ordinal % 2]
    asked = [one.path for one in home.simulator.requests if one.host == "oxen"]
    assert len(signed) == sum(path.startswith("/api/ai/generations/") for path in asked)


def test_earliest_deadline_comes_first_across_accounts(home: Household) -> None:
    """What goes first is fetched first, whichever account it belongs to."""
    items = {
        "farm": [home.add("farm", age=age * MINUTE) for age in (50, 10)],
        "box": [home.add("box", kind="image", age=7 * DAY - age * MINUTE) for age in (30, 90)],
        "lips": [home.add("lips", age=90 * DAY - age * MINUTE) for age in (20, 70)],
    }
    home.simulator.take_down("media")
    home.run()
    home.simulator.bring_up("media")
    home.simulator.requests.clear()

    assert 0 == home.run(retries_now=True).exit_code

    world = home.simulator.world
    expected = sorted((item for group in items.values() for item in group), key=world.expires_at)  # type: ignore[arg-type]
    assert [item.files[0].path for item in expected] == home.media_paths(200)


def test_history_that_turns_empty_is_an_alarm_until_a_person_says_it_is_right(
    home: Household,
) -> None:
    """Exit 3 in every run, nothing is deleted; `--accept-shrunk` ends it."""
    items = [home.add("lips") for _ in range(4)]
    assert 0 == home.run().exit_code
    kept = media_tree(home.folder / "disk")
    for item in items:
        home.simulator.world.delete("sync", item.id)

    for _ in range(2):
        alarm = home.run(is_sweep=True)
        assert 3 == alarm.exit_code
        assert "lips: the history holds less than half" in alarm.problems[0]
    assert kept == media_tree(home.folder / "disk")

    assert 0 == home.run(is_sweep=True, accepts_shrunk=True).exit_code
    assert 0 == home.run(is_sweep=True).exit_code
    assert kept == media_tree(home.folder / "disk")
    assert all(home.known(item).state is State.ARCHIVED for item in items)


def test_429_pauses_its_account_until_retry_after_and_no_other(home: Household) -> None:
    """The pause outlives the run: a program started again a minute later does not ask."""
    home.add("farm")
    home.add("lips")
    home.simulator.faults.add(faults.rate_limited("1800"), host="oxen")
    first = home.run()
    assert (3, 0) == (first.accounts["farm"].exit_code, first.accounts["lips"].exit_code)
    assert 1 == home.simulator.requests.count("oxen")

    home.clock.pass_by(MINUTE)
    home.add("lips")
    paused = home.run()
    assert 3 == paused.accounts["farm"].exit_code
    assert 1 == home.simulator.requests.count("oxen")
    assert 1 == paused.accounts["lips"].archived

    home.clock.pass_by(30 * MINUTE)
    again = home.run()
    assert 0 == again.exit_code
    assert 1 == again.accounts["farm"].archived


def test_key_that_is_refused_for_days_costs_its_account_only(home: Household) -> None:
    """Exit 12 names the account; with a new key all of it is there."""
    home.add("box", kind="image")
    assert 0 == home.run().exit_code
    home.keys["box"] = home.simulator.api_key("neuralbox")
    home.simulator.replace_key("neuralbox")
    late = home.add("box", kind="image")

    for _ in range(3):
        home.clock.pass_by(DAY)
        home.add("lips")
        refused = home.run()
        assert 12 == refused.exit_code == refused.accounts["box"].exit_code
        assert refused.accounts["box"].error is not None
        assert 1 == refused.accounts["lips"].archived

    del home.keys["box"]
    assert 0 == home.run().exit_code
    assert State.ARCHIVED is home.known(late).state


def test_forecast_names_account_count_day_and_reason(home: Household) -> None:
    """Before anything is lost a sentence says what, when, and what stands in the way."""
    home.add("box", kind="image", age=6 * DAY)
    home.add("box", kind="image", age=5 * DAY)
    home.simulator.take_down("media")
    for _ in range(3):
        summary = home.run(retries_now=True)

    [foreseen] = summary.forecasts
    sentence = tell(foreseen)

    assert sentence.startswith("2 assets of box will be lost from Tuesday 2026-01-06 00:00")
    assert "unless this ends: output: the transfer failed" in sentence
    assert 3 == summary.exit_code


def test_budget_that_ends_in_mid_generation_loses_no_file_that_came(home: Household) -> None:
    """A 429 while links are renewed keeps what was fetched: it is not fetched again."""
    item = home.add(
        "studio", kind="video", recipe=Recipe(failed_share=0.0, size_bytes=(4096, 9000))
    )
    paths = {file.role: file.path for file in item.files}
    home.simulator.faults.add(faults.status(403), host="media", path=paths["thumbnail"])
    detail = "/uapi/v1/history/*"
    home.simulator.faults.add(faults.rate_limited("900"), host="geminigen", path=detail, skip=1)
    first = home.run()
    assert 3 == first.accounts["studio"].exit_code
    assert "429" in str(first.accounts["studio"].error)

    home.clock.pass_by(HOUR)
    second = home.run()

    assert 0 == second.exit_code, second.problems
    assert sorted(home.media_paths(200)) == sorted(set(home.media_paths(200)))
    assert State.ARCHIVED is home.known(item).state


def test_retry_after_beyond_the_deadline_is_not_waited_for(home: Household) -> None:
    """A media host that asks for a day, where half an hour is left, is asked again in time."""
    item = home.add("farm", age=30 * MINUTE)
    busy = faults.status(503, Retry_After="86400")
    home.simulator.faults.add(busy, host="media", times=None)
    assert 3 == home.run().exit_code
    home.simulator.faults.clear()

    home.clock.pass_by(16 * MINUTE)

    assert 0 == home.run().exit_code
    assert State.ARCHIVED is home.known(item).state


def test_what_one_destination_holds_is_no_coming_loss(home: Household) -> None:
    """A destination that is down is caught up from the other one: no deadline matters to that."""
    (home.folder / "attic").write_text("in the way")
    home.extra = '[destinations.attic]\ntype = "local"\npath = "attic/below"\n'
    item = home.add("farm")

    summaries = [home.run(retries_now=True) for _ in range(4)]

    assert State.FAILED is home.known(item).state
    assert 1 == len(home.media_paths(200))
    assert all(3 == one.exit_code and [] == one.forecasts for one in summaries)


def test_used_up_budget_holds_up_nothing_that_needs_no_question(home: Household) -> None:
    """Twenty files behind links that were listed; the history alone takes the whole hour."""
    home.per_hour["box"] = 2
    for number in range(20):
        home.add("box", age=timedelta(minutes=number))

    summary = home.run()

    assert 20 == summary.accounts["box"].archived
    assert 2 == home.simulator.requests.count("neuralbox")
    again = home.run()
    assert 3 == again.exit_code, "the budget is used up, so nobody knows what is new"
    assert "budget" in str(again.accounts["box"].error)
    home.per_hour["box"] = 0
    assert 0 == home.run().exit_code


def test_files_that_the_api_itself_serves_count_against_its_budget(home: Household) -> None:
    """And its 429 pauses them with everything else of the account."""
    home.per_hour["farm"] = 4
    for number in range(12):
        home.add("farm", age=timedelta(minutes=number))

    home.run()
    assert 4 == home.simulator.requests.count("oxen")

    home.run(retries_now=True)
    assert 4 == home.simulator.requests.count("oxen")


def test_slow_store_holds_the_others_up_for_so_long_and_no_longer(home: Household) -> None:
    """It is left out while something is to be fetched, and caught up from the good copy."""
    for number in range(18):
        home.add("box", age=timedelta(minutes=number))
    with small_store() as store:
        store.mood = "dawdles"
        home.extra = f"[destinations.vault]\n{store.toml}\n"
        home.patience_seconds = 1.0

        summary = home.run()

        assert 18 == len(media_tree(home.folder / "disk"))
        assert "slower than disk" in summary.destinations_failed["vault"]
        assert 18 == home.simulator.requests.count("media")
        store.mood = "works"
        assert 0 == home.run(retries_now=True).exit_code
        assert 18 == home.simulator.requests.count("media")
        assert 18 == sum(name.endswith(".png") for name in store.objects)


def test_what_dead_uploads_left_is_cleaned_by_a_run(home: Household) -> None:
    """Once a day, when it is a day old."""
    home.add("box")
    home.run()
    left = home.folder / "disk" / "neuralbox" / f"{TEMPORARY_PREFIX}4194304-0123456789abcdef"
    left.write_bytes(b"half a file")
    os.utime(left, (0, 0))

    home.clock.pass_by(2 * HOUR)
    home.run()
    assert left.exists()
    home.clock.pass_by(DAY)
    home.run()

    assert not left.exists()
