"""Each trouble is told once, and its end once, whatever happens in between (promise 9)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from archiver.actions.alert import tell
from archiver.actions.alerting.memory import DAMAGED_SUFFIX, FILE_NAME, LOCK_NAME, Memory
from archiver.actions.alerting.standing import Look
from archiver.wiring.archive import run_lock
from tests.actions.telling import CALM, NOON, Household, Recorder, lost, trouble

DAY = 96
"""Looks in a day."""


@pytest.fixture
def house(tmp_path: Path) -> Household:
    """A household with one messenger."""
    return Household(tmp_path)


@pytest.fixture
def pair(tmp_path: Path) -> Household:
    """A household with two messengers."""
    return Household(tmp_path, "webhook 1", "mail to me@example.com")


def test_a_trouble_is_told_once_and_its_end_once(house: Household) -> None:
    """Each look is a new process that knows no more than the file."""
    [one] = house.messengers

    for _ in range(5):
        house.look("vault")
    for _ in range(5):
        house.look()

    assert ["problem vault", "recovery vault"] == one.heard


def test_what_is_told_says_what_where_and_since_when(house: Household) -> None:
    """Title and text for a person."""
    [one] = house.messengers
    house.look("vault")
    house.look()
    house.look()

    problem, recovery = one.messages
    assert problem.title.endswith(": destination (vault)")
    assert problem.body.startswith("- vault is full\n")
    assert recovery.title.endswith(": destination (vault): over")
    assert recovery.body.startswith("- over after 30m: vault is full\n")


def test_several_at_a_time_are_one_message(house: Household) -> None:
    """A digest, of problems and of recoveries."""
    [one] = house.messengers

    house.look("vault", "disk", trouble("studio", "was refused"))
    house.look("vault")
    house.look("vault")

    problem, recovery = one.messages
    assert problem.title.endswith(": 3 problems")
    assert ["- vault is full", "- disk is full", "- studio was refused"] == (
        problem.body.splitlines()[:3]
    )
    assert recovery.title.endswith(": 2 problems: over")


def test_other_words_are_no_news(house: Household) -> None:
    """A count or a time in the sentence changes with each look."""
    [one] = house.messengers

    for count in range(4):
        house.look(trouble("vault", f"failed {count} times"))

    assert ["problem vault"] == one.heard


def test_more_that_is_lost_is_news_and_has_no_end(house: Household) -> None:
    """What is lost stays lost; each further loss is told."""
    [one] = house.messengers

    for many in (1, 1, 3, 3, 2, 2, 3):  # one of them was found again, then another was lost
        house.look(lost(many))
    for _ in range(5):
        house.look()

    assert [1, 3, 3] == [message.notices[0].level for message in one.messages]
    assert ["problem studio"] * 3 == one.heard


def test_who_was_down_is_told_later_and_alone(pair: Household) -> None:
    """The other one does not hear it twice."""
    webhook, mail = pair.messengers
    mail.is_down = True
    pair.look("vault")
    pair.look("vault")
    mail.is_down = False
    pair.look("vault")

    assert (["problem vault"], ["problem vault"]) == (webhook.heard, mail.heard)
    assert mail.messages[0].body.startswith("- vault is full (for 30m)")


def test_an_end_is_offered_again_too(pair: Household) -> None:
    """Recoveries are kept for who could not take them."""
    webhook, mail = pair.messengers
    pair.look("vault")
    mail.is_down = True
    for _ in range(4):
        pair.look()
    mail.is_down = False
    pair.look()

    assert ["problem vault", "recovery vault"] == webhook.heard == mail.heard


def test_what_ended_unheard_is_dropped(pair: Household) -> None:
    """Nobody is told that something is over of which he never heard."""
    webhook, mail = pair.messengers
    mail.is_down = True
    pair.look("vault")
    for _ in range(4):
        pair.look()
    mail.is_down = False
    pair.look()

    assert ["problem vault", "recovery vault"] == webhook.heard
    assert [] == mail.heard


def test_a_trouble_that_is_back_before_its_end_was_heard_is_still_on(pair: Household) -> None:
    """For the one who never heard of the end nothing has happened."""
    webhook, mail = pair.messengers
    pair.look("vault")
    mail.is_down = True
    pair.look()
    pair.look()
    mail.is_down = False
    pair.look("vault")

    assert ["problem vault", "recovery vault", "problem vault"] == webhook.heard
    assert ["problem vault"] == mail.heard


@pytest.mark.parametrize(("period", "most"), [(2, 1), (3, 13), (5, 13)])
def test_a_trouble_that_comes_and_goes_makes_no_storm(
    house: Household, period: int, most: int
) -> None:
    """A day in which every second, third or fifth run fails."""
    [one] = house.messengers

    for number in range(DAY):
        house.look(*(["vault"] if number % period == 0 else []))

    assert 1 <= len(one.messages) <= most


def test_a_new_trouble_after_a_quiet_time_is_an_ordinary_one(house: Household) -> None:
    """What came and went in the morning does not delay the end in the evening."""
    [one] = house.messengers
    for number in range(20):
        house.look(*(["vault"] if number % 3 == 0 else []))
    for _ in range(40):
        house.look()
    one.messages.clear()

    house.look("vault")
    house.look()
    house.look()

    assert ["problem vault", "recovery vault"] == one.heard


def test_a_look_that_was_not_complete_ends_nothing(house: Household) -> None:
    """Without an index it cannot be known what else is wrong."""
    [one] = house.messengers
    house.look("vault")
    for _ in range(5):
        house.look("index", is_complete=False)

    assert ["problem vault", "problem index"] == one.heard


def test_one_good_look_after_a_long_time_is_enough(house: Household) -> None:
    """A run once a day must not need two days to say that all is well."""
    [one] = house.messengers
    house.look("vault")
    house.now += timedelta(days=1)
    house.look()

    assert ["problem vault", "recovery vault"] == one.heard


def test_a_clock_that_was_ahead_delays_no_end(house: Household) -> None:
    """A time in the future counts as now."""
    [one] = house.messengers
    house.now += timedelta(days=400)
    house.look("vault")
    house.now -= timedelta(days=400)
    house.look()
    house.look()
    house.look()

    assert ["problem vault", "recovery vault"] == one.heard


def test_a_damaged_file_is_set_aside_and_told_of(house: Household) -> None:
    """What is wrong is told once more: rather twice than never."""
    [one] = house.messengers
    house.look("vault")
    path = house.folder / FILE_NAME
    path.write_bytes(path.read_bytes()[:40])

    with structlog.testing.capture_logs() as logged:
        house.look("vault")
        house.look("vault")

    assert ["problem vault"] * 2 == one.heard
    assert ["alert.memory_damaged", "alert.sent"] == [event["event"] for event in logged]
    assert (house.folder / (FILE_NAME + DAMAGED_SUFFIX)).exists()
    json.loads(path.read_bytes())


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"format": "archiver.alerts/2"}'])
def test_whatever_the_file_holds_ends_nothing(house: Household, content: bytes) -> None:
    """Also the file of a newer archiver."""
    (house.folder / FILE_NAME).write_bytes(content)

    house.look("vault")

    assert ["problem vault"] == house.messengers[0].heard


def test_a_state_directory_that_is_missing_is_made(tmp_path: Path) -> None:
    """Alerts work before there is an index."""
    house = Household(tmp_path / "new" / "state")

    house.look("vault")
    house.look("vault")

    assert ["problem vault"] == house.messengers[0].heard


def test_without_a_place_to_write_the_process_remembers(read_only_disk: Path) -> None:
    """It is told once, and once only it is logged that it could not be written down."""
    house = Household(read_only_disk)

    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            house.look("vault")

    assert ["problem vault"] == house.messengers[0].heard
    assert ["alert.memory_unwritten", "alert.sent"] == [event["event"] for event in logged]


def test_a_failure_is_one_warning_for_each_messenger(pair: Household) -> None:
    """With its name and the reason."""
    pair.look("vault")
    for messenger in pair.messengers:
        messenger.is_down = True

    with structlog.testing.capture_logs() as logged:
        pair.look()
        pair.look("disk")

    failed: list[Any] = [event for event in logged if event["event"] == "alert.failed"]
    assert {"webhook 1", "mail to me@example.com"} == {event["messenger"] for event in failed}
    assert [("warning", "down")] * 2 == [(event["log_level"], event["error"]) for event in failed]


def test_another_evaluation_is_waited_for_and_not_disturbed(house: Household) -> None:
    """What is due then is told at the next look."""
    with run_lock(house.folder, wait=False, name=LOCK_NAME):
        with structlog.testing.capture_logs() as logged:
            house.look("vault")
        assert ["alert.failed"] == [event["event"] for event in logged]
        assert [] == house.messengers[0].heard

    house.look("vault")

    assert ["problem vault"] == house.messengers[0].heard


def test_evaluations_at_the_same_time_tell_once(house: Household) -> None:
    """A daemon's two lanes, or a daemon and a one-shot run."""
    threads = [threading.Thread(target=house.look, args=("vault",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["problem vault"] == house.messengers[0].heard


def test_secrets_of_a_sentence_go_nowhere(house: Household) -> None:
    """Neither into a message nor into the file."""
    house.look(trouble("vault", "refuses https://cdn.example.com/a?X-Amz-Signature=feedfeed\x1b"))

    [message] = house.messengers[0].messages
    expected = "vault refuses https://cdn.example.com/a?[hidden]"
    assert expected == message.notices[0].message
    assert "feedfeed" not in (house.folder / FILE_NAME).read_text(encoding="utf-8")


def test_a_messenger_that_left_the_config_is_forgotten(pair: Household) -> None:
    """When it comes back, it hears what is wrong then."""
    webhook, mail = pair.messengers
    pair.look("vault")
    pair.messengers = [webhook]
    pair.look("vault")
    pair.messengers = [webhook, mail]
    pair.look("vault")

    assert (["problem vault"], ["problem vault"] * 2) == (webhook.heard, mail.heard)


def test_without_messengers_nothing_is_written(tmp_path: Path) -> None:
    """Who wants no alerts has no file of them."""
    tell([trouble("vault")], [], Memory(tmp_path), NOON, Look(calm=CALM))

    assert [] == list(tmp_path.iterdir())


KILLED = """
import os, sys
from pathlib import Path
from tests.actions.telling import Household

class Dying:
    name = "webhook 1"
    def send(self, message):
        os.write(1, b"sent")
        os._exit(9)

house = Household(Path(sys.argv[1]))
house.messengers = [Dying()]
house.look("vault")
"""


def test_a_kill_between_sending_and_remembering_tells_again(house: Household) -> None:
    """At least once for each messenger: rather twice than never, and no lock is left."""
    command = [sys.executable, "-c", KILLED, str(house.folder)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=Path(__file__).parents[2])
    assert (9, b"sent") == (done.returncode, done.stdout), done.stderr

    house.look("vault")
    house.look("vault")

    assert ["problem vault"] == house.messengers[0].heard


def remembered(folder: Path) -> object:
    """What the file says that each messenger was told."""
    path = folder / FILE_NAME
    return json.loads(path.read_bytes())["standing"]["told"] if path.exists() else None


def test_one_that_hangs_keeps_no_other_from_hearing(tmp_path: Path) -> None:
    """Both are told at the same time, and each is remembered as soon as it took it."""
    opened = threading.Event()

    class Hanging(Recorder):
        def send(self, message: Any) -> None:
            opened.wait()

    house = Household(tmp_path, "webhook 1")
    other = house.messengers[0]
    house.messengers.insert(0, Hanging("hanging"))
    looking = threading.Thread(target=house.look, args=("vault",))
    looking.start()
    try:
        told = {"hanging": {}, "webhook 1": {"destination:vault": 0}}
        while remembered(tmp_path) != told:  # the test's own timeout ends it
            time.sleep(0.01)
        assert ["problem vault"] == other.heard
    finally:
        opened.set()
        looking.join()
