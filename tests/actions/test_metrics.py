"""The metrics parse, are complete from the first scrape on, and their counters only grow."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from archiver import errors
from archiver.actions.archive import utc_now
from archiver.actions.metrics import make_metrics
from archiver.actions.running.tally import BUG
from archiver.config import load_config
from archiver.index import Index, counters, ledger, open_index, proofs
from archiver.model import Fault
from archiver.simulator import faults
from archiver.wiring.watched import watched
from tests.actions.watching import WATCHED, remember, run
from tests.conftest import require
from tests.index.conftest import index  # noqa: F401  # the same empty index
from tests.index.making import NOW, add, make
from tests.index.test_proofs import everything, found, keep
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House

STUDIO = {"provider": "geminigen", "account": "studio"}
Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def values(text: bytes) -> Values:
    """Parse metrics as Prometheus does: values by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def get(found: Values, name: str, **labels: str) -> float | None:
    """The value of one series; None when there is none."""
    return found.get((f"archiver_{name}", frozenset(labels.items())))


def scrape(index: Index) -> Values:  # noqa: F811
    """The metrics of an index now."""
    return values(make_metrics(index, WATCHED, NOW))


def scrape_house(house: House) -> Values:  # noqa: F811
    """The metrics of a household now."""
    house.write_config()
    config = load_config(house.config_path)
    with closing(open_index(config.archive.state_dir)) as opened:
        return values(make_metrics(opened, watched(config), utc_now()))


def snake_case_of_all(error: type[errors.ArchiverError]) -> set[str]:
    """The label of an error and of all below it."""
    return {error.__new__(error).label}.union(*map(snake_case_of_all, error.__subclasses__()))


def test_the_first_scrape_knows_every_metric_and_promtool_finds_no_fault(
    index: Index,  # noqa: F811
) -> None:
    """Each has its sentence; counters begin at 0, so that the first increase is seen."""
    text = make_metrics(index, WATCHED, NOW)

    families = list(text_string_to_metric_families(text.decode()))
    assert [] == [family.name for family in families if not family.documentation.endswith(".")]
    for name in ("assets_archived", "bytes_downloaded", "assets_lost"):
        assert 0 == get(values(text), f"{name}_total", **STUDIO)
    assert 0 == get(values(text), "last_success_timestamp_seconds", **STUDIO)
    assert b"_created" not in text
    promtool = shutil.which("promtool")
    require("promtool", promtool, "promtool (Debian's prometheus) is not installed")
    done = subprocess.run(
        [str(promtool), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (0, b"") == (done.returncode, done.stderr)


def test_the_same_index_gives_the_same_text(index: Index) -> None:  # noqa: F811
    """Whichever process is asked, and however often."""
    remember(index)
    run(index)

    assert make_metrics(index, WATCHED, NOW) == make_metrics(index, WATCHED, NOW)


def test_times_of_an_account_and_of_the_last_run(index: Index) -> None:  # noqa: F811
    """As Unix times; what there is not is absent, and not 0."""
    assert get(scrape(index), "last_run_exit_code") is None
    assert get(scrape(index), "oldest_unarchived_deadline_timestamp_seconds", **STUDIO) is None
    remember(index)
    run(index, exit_code=3, failed={"vault": "full"})
    add(index, make("next", expires_at=NOW + timedelta(hours=9)))
    add(index, make("later", expires_at=NOW + timedelta(days=9)))

    found = scrape(index)

    assert NOW.timestamp() == get(found, "last_success_timestamp_seconds", **STUDIO)
    deadline = get(found, "oldest_unarchived_deadline_timestamp_seconds", **STUDIO)
    assert (NOW + timedelta(hours=9)).timestamp() == deadline
    assert 2 == get(found, "assets_pending", **STUDIO)
    assert 2 == get(found, "generations", **STUDIO, state="pending")
    assert (3, 60) == (get(found, "last_run_exit_code"), get(found, "last_run_duration_seconds"))
    assert [1, 0] == [get(found, "destination_up", destination=one) for one in ("disk", "vault")]
    assert 1 == get(found, "troubles", kind="destination")


def test_a_run_under_way_is_told_until_it_is_silent(index: Index) -> None:  # noqa: F811
    """The numbers of the last run stay those of the one before."""
    run(index, NOW - timedelta(days=1), exit_code=4)
    ledger.start_run(index, "going", NOW)

    found = scrape(index)

    assert (1, 4) == (get(found, "run_under_way"), get(found, "last_run_exit_code"))


def test_verify_failures_are_counted_once_for_each_copy(index: Index) -> None:  # noqa: F811
    """However often the same damage is found again; healed and damaged anew, it counts again."""
    keep(index, "disk")
    [held, _] = everything(index, "disk")
    labels = {"destination": "disk", "reason": "damaged"}
    for _ in range(3):
        proofs.record(index, [found(held, Fault.DAMAGED)])
    assert 1 == get(scrape(index), "verify_failures_total", **labels)
    assert 1 == get(scrape(index), "destination_copies_at_fault", destination="disk")

    proofs.record(index, [found(held)])
    proofs.record(index, [found(held, Fault.DAMAGED)])

    assert 2 == get(scrape(index), "verify_failures_total", **labels)


def test_a_run_counts_what_it_did(house: House) -> None:  # noqa: F811
    """Files, bytes and requests, added up over runs."""
    before = house.run("--account", "studio").document["accounts"]["studio"]
    first = scrape_house(house)
    house.simulator.world.add("geminigen")
    after = house.run("--account", "studio").document["accounts"]["studio"]
    second = scrape_house(house)

    assert before["files"] == get(first, "assets_archived_total", **STUDIO)
    assert before["size_bytes"] == get(first, "bytes_downloaded_total", **STUDIO)
    files = before["files"] + after["files"]
    assert files == get(second, "assets_archived_total", **STUDIO)
    assert (get(second, "media_requests_total") or 0) >= files
    copies = sum(1 for path in house.disk.rglob("*") if path.is_file()) - 1
    assert copies == get(second, "destination_copies", destination="disk")
    assert 0 == get(second, "assets_archived_total", provider="oxen", account="farm")


def test_a_file_that_fails_is_counted_by_its_reason(house: House) -> None:  # noqa: F811
    """An error page in place of media, and a media host that is down."""
    house.simulator.faults.add(faults.page_instead(), host="media", times=None)
    done = house.run("--account", "studio").document["accounts"]["studio"]

    found = scrape_house(house)

    failed = {
        dict(labels)["reason"]: value
        for (name, labels), value in found.items()
        if name == "archiver_assets_failed_total"
    }
    assert done["failed"] > 0
    assert {"media_rejected"} == failed.keys()
    assert failed["media_rejected"] >= done["failed"]


def test_a_key_that_is_refused_is_counted_and_shown(house: House) -> None:  # noqa: F811
    """Also one that cannot be read at all, beside accounts that go well."""
    house.keys["studio"] = "refused-key"
    assert 12 == house.run("--account", "studio", "--account", "box").exit_code

    found = scrape_house(house)

    assert 12 == get(found, "account_exit_code", **STUDIO)
    assert 1 == get(found, "account_errors_total", **STUDIO, reason="credentials_rejected")
    assert 1 == get(found, "troubles", kind="credentials")
    assert 0 == get(found, "account_exit_code", provider="neuralbox", account="box")


def test_a_listing_that_turned_empty_is_told_until_it_is_right_again(
    house: House,  # noqa: F811
) -> None:
    """The walk remembers it, and forgets it when a person says that it is right."""
    sync = {"provider": "sync", "account": "lips"}
    only = ("--account", "lips", "--sweep")
    house.run(*only)
    assert 0 == get(scrape_house(house), "listing_shrunk", **sync)
    for item in list(house.simulator.world.items("sync")):
        house.simulator.world.delete("sync", item.id)

    house.run(*only)
    house.run(*only)
    assert 1 == get(scrape_house(house), "listing_shrunk", **sync)
    assert 1 == get(scrape_house(house), "troubles", kind="shrunk")

    house.run(*only, "--accept-shrunk")
    assert 0 == get(scrape_house(house), "listing_shrunk", **sync)


def test_reasons_are_a_small_closed_set() -> None:
    """A label never carries what a stranger wrote: it is the name of one of our errors."""
    labels = snake_case_of_all(errors.ArchiverError)

    assert {"link_refused", "media_rejected", "destination_unavailable"} < labels
    assert BUG not in labels
    assert all(label.replace("_", "").isalpha() and label.islower() for label in labels)
    assert len(labels) < 40


def test_counters_of_a_name_are_told_apart_by_subject_and_reason(index: Index) -> None:  # noqa: F811
    """What is counted of another account is not ours."""
    counters.add(index, {counters.Counter(counters.FAILED, "other", "media_rejected"): 5})
    counters.add(index, {counters.Counter(counters.FAILED, "studio", "link_refused"): 2})

    found = scrape(index)

    assert 2 == get(found, "assets_failed_total", **STUDIO, reason="link_refused")
    assert get(found, "assets_failed_total", **STUDIO, reason="media_rejected") is None


def test_a_destination_that_is_away_is_told_though_no_run_can_end(
    house: House,  # noqa: F811
) -> None:
    """The only one there is: each run breaks off over it, until it is back."""
    house.run()
    house.disk.rename(house.folder / "unplugged")
    assert 10 == house.run().exit_code

    away = scrape_house(house)
    (house.folder / "unplugged").rename(house.disk)
    house.run()
    back = scrape_house(house)

    assert (0, 10) == (
        get(away, "destination_up", destination="disk"),
        get(away, "last_run_exit_code"),
    )
    assert 1 == get(away, "troubles", kind="destination")
    assert 1 == get(back, "destination_up", destination="disk")
