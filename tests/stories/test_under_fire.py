"""Stops, hangs and outages: what they may cost, and what a run says of them (promises 2, 5, 9)."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from archiver.index import ledger, open_index
from archiver.simulator import faults
from tests.stories.house import ACCOUNTS, House, expected_hashes, media_tree
from tests.stories.small_store import SmallStore, small_store

PATIENCE_SECONDS = 20.0
STOP_SECONDS = 5.0
FOR_EVER = faults.slow(600)
STRANDED = "no destination takes files any more: what is due waits for the next run"


@pytest.fixture
def store() -> Iterator[SmallStore]:
    """A store whose mood can be changed."""
    with small_store() as found:
        yield found


def stop(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, str]:
    """Send a signal; return the exit code and stderr of a process that ends within the bound."""
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=STOP_SECONDS)
    finally:
        process.kill()
    return process.returncode, said.decode()


def wait_until_asked(house: House, process: subprocess.Popen[bytes]) -> None:
    """Wait until the API of every account holds a request."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while house.simulator.faults.unexercised():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def hang_apis(house: House) -> None:
    """Let no API answer any more."""
    for provider in ACCOUNTS.values():
        house.simulator.faults.add(FOR_EVER, host=provider, times=None)


def spent(house: House, account: str) -> int:
    """Count the requests that the index knows an account to have made."""
    index = open_index(house.folder / "state")
    try:
        record = ledger.load_account(index, account, ACCOUNTS[account])
        return len(record.requests_spent_at)
    finally:
        index.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_a_run_whose_apis_hang(house: House, number: signal.Signals, code: int) -> None:
    """It leaves the lock free and the index in order, and the budget that was spent is spent."""
    hang_apis(house)
    process = house.start("run")
    wait_until_asked(house, process)

    ended = stop(process, number)

    assert (code, "archiver: stopped; nothing is half done, start it again to go on\n") == ended
    assert [1, 1, 1, 1] == [spent(house, name) for name in ACCOUNTS]
    house.simulator.faults.clear()
    assert 0 == house.run().exit_code
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())


@pytest.mark.parametrize("place", ["door", "mood"])
def test_signal_ends_a_run_whose_store_hangs(house: House, store: SmallStore, place: str) -> None:
    """Whether it hangs while it is made ready or while files go there."""
    house.destinations["vault"] = store.toml
    if place == "mood":
        assert 0 == house.run("--limit", "1").exit_code
    setattr(store, place, "hangs")
    process = house.start("run")
    assert store.reached.wait(PATIENCE_SECONDS)

    ended = stop(process, signal.SIGINT)

    assert (130, "archiver: stopped; nothing is half done, start it again to go on\n") == ended


def test_kill_does_not_refund_the_request_budget(house: House) -> None:
    """What is spent is written down while a run goes on."""
    hang_apis(house)
    process = house.start("run")
    wait_until_asked(house, process)
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not spent(house, "box") and time.monotonic() < give_up_at:
        time.sleep(0.1)
    process.kill()
    process.communicate()

    assert 1 == spent(house, "box")


def test_nothing_is_fetched_that_no_destination_takes(house: House, store: SmallStore) -> None:
    """The listing goes on to its end; two lines say what is wrong, and not one a generation."""
    house.extra = "concurrency = 2"
    house.destinations = {"vault": store.toml}
    assert 0 == house.run("--limit", "1").exit_code
    store.mood = "refuses"

    result = house.run("--sweep")

    summary = result.document
    assert 3 == result.exit_code, result.err
    assert {STRANDED} < set(summary["problems"])
    assert 2 == len(summary["problems"])
    assert "AccessDenied: not today" in summary["problems"][1]
    assert "AccessDenied: not today" in summary["destinations_failed"]["vault"]
    assert summary["media_requests"] < 16
    for account in summary["accounts"].values():
        assert account["listed"] > 0
        assert account["exit_code"] == 3
    store.mood = "works"
    assert 0 == house.run("--retry-now").exit_code


def test_destination_that_is_out_is_told_once(house: House, store: SmallStore) -> None:
    """The other one gets every file; one line tells of all that this one did not take."""
    house.destinations["vault"] = store.toml
    assert 0 == house.run("--limit", "1").exit_code
    store.mood = "refuses"

    result = house.run("--sweep")

    assert 3 == result.exit_code
    [problem] = result.document["problems"]
    assert problem.startswith("vault failed ")
    assert ["vault"] == list(result.document["destinations_failed"])
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())


def test_destination_that_is_away_from_the_start_is_told_once(
    house: House, store: SmallStore
) -> None:
    """A required place that cannot be made ready is no reason of each generation."""
    house.destinations["vault"] = store.toml
    assert 0 == house.run("--limit", "1").exit_code
    store.door = "refuses"

    result = house.run("--sweep")

    assert 3 == result.exit_code
    assert [] == result.document["problems"]
    assert ["vault"] == list(result.document["destinations_failed"])
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())


def write_config(house: House, old: str, new: str) -> None:
    """Write the config with one thing changed."""
    house.write_config()
    text = house.config_path.read_text(encoding="utf-8")
    assert old in text
    house.config_path.write_text(text.replace(old, new), encoding="utf-8")


def last_errors(house: House) -> dict[str, str | None]:
    """Say what `status` tells of each account."""
    result = house.bare("-c", house.config_path, "status", "--json")
    return {one["account"]: one["last_error"] for one in result.document["accounts"]}


def test_account_without_its_key_shows_in_the_status_until_it_works(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten secret is not only told to whoever watched the run."""
    key = house.simulator.api_key("oxen")
    write_config(house, f'api_key = "{key}"', 'api_key = { env = "FARM_KEY" }')

    result = house.bare("-q", "-c", house.config_path, "run", "--json")

    assert 12 == result.exit_code
    assert "oxen" == result.document["accounts"]["farm"]["provider"]
    errors = last_errors(house)
    assert "FARM_KEY" in (errors.pop("farm") or "")
    assert {None} == set(errors.values())
    monkeypatch.setenv("FARM_KEY", key)
    assert 0 == house.bare("-q", "-c", house.config_path, "run").exit_code
    assert last_errors(house)["farm"] is None


@pytest.mark.parametrize("option", ["--json", "--dry-run"])
def test_account_that_moved_to_another_provider_is_refused(house: House, option: str) -> None:
    """Two providers' generations under one account could not be told apart."""
    assert 0 == house.run().exit_code
    write_config(house, "[accounts.studio]", "[accounts.old]")
    text = house.config_path.read_text(encoding="utf-8")
    moved = text.replace("[accounts.farm]", "[accounts.studio]")
    house.config_path.write_text(moved, encoding="utf-8")
    asked = house.simulator.faults.add(FOR_EVER, times=None)

    result = house.bare("-c", house.config_path, "run", option)

    assert 78 == result.exit_code
    assert (
        'accounts.studio: provider = "oxen", but this archive knows studio as an account at '
        'geminigen: set provider = "geminigen" again, and give the new account another name'
    ) in result.err
    assert 0 == asked.fired


def test_second_run_may_wait_for_the_first(house: House) -> None:
    """`--wait-lock` starts when the lock is free, and finds everything done."""
    house.simulator.faults.add(faults.slow(0.8), host="media", times=None)
    first = house.start("run")
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not media_tree(house.disk) and time.monotonic() < give_up_at:
        time.sleep(0.05)

    assert 11 == house.run().exit_code
    second = house.run("--wait-lock")

    assert 0 == first.wait(PATIENCE_SECONDS)
    first.communicate()
    assert (0, 0) == (second.exit_code, second.document["media_requests"])
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refused_link_is_refreshed_once_and_the_file_comes(house: House, status: int) -> None:
    """Whatever word the media host has for a link that is over."""
    house.simulator.faults.add(faults.status(status), host="media")

    summary = house.run()

    assert 0 == summary.exit_code, summary.err
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())
    assert 1 == sum(record.status == status for record in house.simulator.requests)


@pytest.mark.parametrize("required", ["disk", "vault"])
def test_list_of_required_destinations_says_what_counts_as_captured(
    house: House, store: SmallStore, required: str
) -> None:
    """With the store out all files are on the disk; whether that is enough is the user's word."""
    house.destinations["vault"] = store.toml
    house.required = [required]
    assert 0 == house.run("--limit", "1").exit_code
    store.mood = "refuses"

    result = house.run()

    states = {row["state"] for row in house.archiver("ls", "--json").lines}
    assert expected_hashes(house.simulator) == sorted(media_tree(house.disk).values())
    assert ("failed" in states) == (required == "vault")
    assert 3 == result.exit_code, "a destination has to be caught up"
    store.mood = "works"
    after = house.run("--retry-now")
    assert (0, 0) == (after.exit_code, after.document["media_requests"])
