"""Webhooks end to end: the real daemon, real signatures, and what lies on the disk afterwards."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from archiver.actions.archive import utc_now
from archiver.index import hints, opened_index
from archiver.simulator import Delivery, faults, tampering
from archiver.wiring.archive import run_lock
from tests.daemon.conftest import Start
from tests.daemon.hooked import PLAIN, TOKEN, Hooked, post
from tests.daemon.manager import free_port, until
from tests.stories.house import House, expected_hashes, id_of, media_tree

MOST = 1000


@pytest.fixture
def hooked(house: House, start: Start) -> Hooked:
    """A daemon that takes webhooks, not yet started."""
    return Hooked(house, start)


@pytest.mark.parametrize("provider", ["geminigen", "sync", "oxen"])
def test_a_genuine_webhook_leads_to_a_captured_generation(hooked: Hooked, provider: str) -> None:
    """By an RSA signature, by an HMAC, by a token in the address; long before the next poll."""
    hooked.begin()
    item = hooked.add(provider)

    assert 200 == hooked.house.simulator.webhooks.send(item)

    hooked.until_archived(item, provider=provider)
    assert 1 == hooked.media_requests(item)
    assert [] == hooked.hints()
    kept = sorted(media_tree(hooked.house.disk).values())
    assert kept == expected_hashes(hooked.house.simulator)


def test_an_answer_says_what_became_of_a_webhook(hooked: Hooked) -> None:
    """Queued the first time, known when the same event comes again: nothing changes then."""
    hooked.begin()
    item = hooked.add()
    delivery = hooked.house.simulator.webhooks.make(item)

    first = post(delivery)
    hooked.until_archived(item)
    before = hooked.query("SELECT * FROM generations"), hooked.media_requests(item)
    again = [post(delivery) for _ in range(3)]

    assert (200, b'{"status": "queued"}\n') == first
    assert [(200, b'{"status": "known"}\n')] * 3 == again
    hooked.until_counted(3, "known")
    assert 1 == hooked.counted("queued")
    assert before == (hooked.query("SELECT * FROM generations"), hooked.media_requests(item))


def test_what_is_not_genuine_changes_nothing_and_is_counted(hooked: Hooked) -> None:
    """Forged, unsigned, stale, cut, of an unknown account, by another method: each by its name."""
    hooked.begin()
    before = hooked.states()
    hooks = hooked.house.simulator.webhooks
    studio, lips = hooks.make(hooked.add()), hooks.make(hooked.add("sync"))
    farm = hooks.make(hooked.add("oxen"))
    ten_minutes_ago = hooked.house.simulator.world.clock() - timedelta(minutes=10)
    stale = hooks.make(hooked.add("sync"), sent_at=ten_minutes_ago)
    stranger = replace(studio, url=studio.url.replace("/studio", "/nobody"))
    deeper = replace(farm, url=farm.url + "/more")
    elsewhere = replace(studio, url=studio.url.replace("/hooks/studio", "/"))

    answers = [
        hooks.post(one)
        for one in (
            tampering.forged(studio),
            tampering.unsigned(studio),
            tampering.malformed(studio),
            tampering.forged(lips),
            tampering.unsigned(lips),
            stale,
            replace(farm, url=farm.url.replace(TOKEN, "guessed")),
            replace(farm, url=farm.url.replace(f"/{TOKEN}", "")),
            stranger,
            deeper,
            elsewhere,
        )
    ]
    methods = [post(studio, method)[0] for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")]

    assert [401, 401, 400, 401, 401, 401, 401, 401, 404, 404, 404] == answers
    assert [405] * 5 == methods
    hooked.until_counted(5, "wrong_method")
    hooked.until_counted(3, "unknown_account", "")
    assert (2, 1) == (hooked.counted("forged"), hooked.counted("malformed"))
    assert (2, 1) == (hooked.counted("forged", "lips"), hooked.counted("stale", "lips"))
    assert 2 == hooked.counted("forged", "farm")
    assert before == hooked.states()
    assert [] == hooked.hints()


def test_a_signature_that_covers_another_generation_only_costs_a_question(hooked: Hooked) -> None:
    """GeminiGen signs its event's id, not the body: what it is made to name is asked for by id."""
    hooked.begin()
    delivery = hooked.house.simulator.webhooks.make(hooked.add())

    status = hooked.house.simulator.webhooks.post(tampering.tampered(delivery, "no-such-id"))

    assert 200 == status
    until(lambda: bool(hooked.query("SELECT 1 FROM hints WHERE tries = 1")), "it was asked for")
    assert "no-such-id" not in hooked.states()


def test_a_caught_signature_does_not_hide_the_genuine_webhook(hooked: Hooked) -> None:
    """Sent first, around another body, it is heard for what it names and for nothing else."""
    hooked.begin()
    item = hooked.add()
    delivery = hooked.house.simulator.webhooks.make(item)

    caught = post(tampering.tampered(delivery, "no-such-id"))
    genuine = post(delivery)

    assert [(200, b'{"status": "queued"}\n')] * 2 == [caught, genuine]
    hooked.until_archived(item)


def test_a_service_may_know_late_what_it_told_of(hooked: Hooked) -> None:
    """An API that lags behind its webhooks answers 404 first: it is asked again."""
    hooked.begin()
    item, script = hooked.add(), hooked.house.simulator.faults
    script.add(faults.status(404), host="geminigen", path=f"*{item.id}*", times=2)

    assert 200 == hooked.house.simulator.webhooks.send(item)

    hooked.until_archived(item)
    assert [] == script.unexercised()


def test_a_reload_without_an_account_keeps_its_hints(hooked: Hooked) -> None:
    """A 200 was a promise: they wait, which the log tells, and are heeded when it is back."""
    daemon = hooked.begin()
    item, path = hooked.add("neuralbox"), hooked.house.config_path
    whole = path.read_text(encoding="utf-8")
    without, _, _ = whole.partition("[accounts.box]")
    path.write_text(without, encoding="utf-8")
    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.reloaded")
    with opened_index(hooked.house.folder / "state") as index:
        hints.add(index, "box", id_of("neuralbox", item), "e1", utc_now())

    daemon.wait_for("hints.kept")
    time.sleep(2.5)
    assert [id_of("neuralbox", item)] == hooked.hints()
    path.write_text(whole, encoding="utf-8")
    daemon.send(signal.SIGHUP)

    hooked.until_archived(item, provider="neuralbox")
    [told] = [one for one in daemon.events if one["event"] == "hints.kept"]
    assert ["box"] == told["accounts"]


def send_raw(port: int, *parts: bytes, pause_seconds: float = 0.0) -> bytes:
    """Send bytes as they are, and give all that is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_seconds)
        except OSError:
            pass  # hung up on: the answer, if there is one, is read all the same
        answer = b""
        try:
            while found := connection.recv(65536):
                answer += found
        except OSError:
            pass
        return answer


HEAD = b"POST /hooks/studio HTTP/1.1\r\nHost: x\r\n"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(hooked: Hooked) -> None:
    """By its length, or where its chunks reach the bound; and whoever waits for a go-ahead."""
    hooked.webhooks = 'max_body = "10KB"'
    hooked.begin()
    delivery = hooked.house.simulator.webhooks.make(hooked.add())
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"

    by_length = post(tampering.oversized(delivery, 2_000_000))[0]
    promised = send_raw(hooked.port, HEAD + b"Content-Length: 99999999999\r\n\r\n")
    waiting = send_raw(hooked.port, HEAD + b"Expect: 100-continue\r\nContent-Length: 20000\r\n\r\n")
    in_chunks = send_raw(
        hooked.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 200, b"0\r\n\r\n"
    )

    assert 413 == by_length
    for answer in (promised, waiting, in_chunks):
        assert answer.startswith(b"HTTP/1.1 413 ")
    hooked.until_counted(4, "too_large")
    assert [] == hooked.hints()


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: ten\r\n\r\n{}",
        b"Content-Length: -1\r\n\r\n{}",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"Transfer-Encoding: gzip\r\n\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}more\r\n",
        b"\r\n",
    ],
)
def test_a_body_that_is_broken_is_refused(hooked: Hooked, rest: bytes) -> None:
    """Two lengths, none, or chunks that are none: whatever a proxy may take for something else."""
    hooked.begin(is_polled=False).wait_for("daemon.started")

    answer = send_raw(hooked.port, HEAD + rest)

    assert answer.startswith(b"HTTP/1.1 400 ")
    hooked.until_counted(1, "malformed")


def test_a_genuine_webhook_may_come_in_chunks(hooked: Hooked) -> None:
    """As some proxies hand them on; also where the sender waits for a go-ahead."""
    hooked.begin()
    item = hooked.add()
    delivery = hooked.house.simulator.webhooks.make(item)
    headers = b"".join(f"{name}: {value}\r\n".encode() for name, value in delivery.headers.items())
    half = len(delivery.body) // 2
    chunks = [
        b"%x;ext=1\r\n%s\r\n" % (len(part), part)
        for part in (delivery.body[:half], delivery.body[half:])
    ]

    answer = send_raw(
        hooked.port,
        HEAD + headers + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        *chunks,
        b"0\r\n\r\n",
    )

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    hooked.until_archived(item)


def test_bodies_that_trickle_keep_nobody_out(hooked: Hooked) -> None:
    """They are hung up on after seconds; meanwhile, and after it, genuine ones get through."""
    hooked.begin()
    slow = [socket.create_connection(("127.0.0.1", hooked.port)) for _ in range(80)]
    for one in slow:
        one.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    item = hooked.add()

    hooked.house.simulator.webhooks.timeout_seconds = 30.0
    assert 200 == hooked.house.simulator.webhooks.send(item)

    hooked.until_archived(item)
    for one in slow:
        one.close()
    until(lambda: hooked.counted("malformed") >= 64, "each is counted")


def test_too_many_of_one_account_are_refused_for_a_while(hooked: Hooked) -> None:
    """Only genuine ones count: a flood of forged ones, or of strangers, takes nobody's room."""
    hooked.webhooks = "per_minute = 3"
    hooked.begin()
    hooks = hooked.house.simulator.webhooks
    items = [hooked.add() for _ in range(5)]
    forged = tampering.forged(hooks.make(items[0]))
    stranger = replace(forged, url=forged.url.replace("/studio", "/nobody"))

    assert [401] * 5 == [hooks.post(forged) for _ in range(5)]
    assert [404, 404, 404, 429, 429] == [hooks.post(stranger) for _ in range(5)]
    assert [200, 200, 200, 429, 429] == [hooks.send(item) for item in items]

    assert 200 == hooks.send(hooked.add("sync"))
    hooked.until_archived(*items[:3])
    hooked.until_counted(2, "too_many")
    assert not set(hooked.states()) & {item.id for item in items[3:]}


@pytest.mark.timeout(300)
def test_a_thousand_at_once_are_all_captured_once(hooked: Hooked) -> None:
    """Each file is fetched a single time; a sender that is told to try again does so."""
    hooked.begin()
    items = [hooked.add() for _ in range(MOST)]

    hooks, left = hooked.house.simulator.webhooks, items
    for _ in range(20):
        answers = hooks.burst(left, at_once=64)
        assert set(answers) <= {200, 503}  # 503: the disk took longer than a sender should wait
        left = [item for item, status in zip(left, answers, strict=True) if status != 200]

    assert [] == left
    until(lambda: hooked.is_archived(*items), "all are archived", 240)
    assert [] == hooked.hints()
    paths = hooked.media_paths()
    assert [1] * MOST == [sum(item.key in path for path in paths) for item in items]
    until(lambda: hooked.counted("queued") + hooked.counted("known") == MOST, "all are counted")
    assert sorted(media_tree(hooked.house.disk).values()) == expected_hashes(hooked.house.simulator)


@pytest.mark.timeout(300)
def test_more_than_a_budget_allows_are_found_by_a_pass(hooked: Hooked) -> None:
    """Twenty requests a minute are too few to ask for each: the account's list names them all."""
    hooked.house.budgets["lips"] = 20
    hooked.begin()
    items = [hooked.add("sync") for _ in range(40)]

    assert [200] * 40 == hooked.house.simulator.webhooks.burst(items)

    hooked.until_archived(*items, provider="sync")
    assert {1} == {hooked.media_requests(item) for item in items}
    until(lambda: hooked.hints() == [], "the hints are done")


def test_a_kill_between_the_answer_and_the_capture_loses_nothing(hooked: Hooked) -> None:
    """The 200 was a promise: the next daemon finds the hint, and captures what it names."""
    daemon = hooked.begin()
    script = hooked.house.simulator.faults
    script.add(faults.slow(300), host="media", times=None)
    items = [hooked.add() for _ in range(8)]
    for item in items:
        assert 200 == hooked.house.simulator.webhooks.send(item)
    daemon.kill()
    script.clear()
    assert not hooked.is_archived(*items)
    assert len(items) == len(hooked.hints())

    hooked.begin(is_polled=False)

    hooked.until_archived(*items)
    until(lambda: hooked.hints() == [], "the hints are done")


def test_a_hint_is_heeded_while_a_pass_hangs(hooked: Hooked) -> None:
    """Slow files of one account fill a pass for minutes: nobody waits for it to end."""
    script = hooked.house.simulator.faults
    for _ in range(4):
        script.add(faults.slow(300), host="media")
    hooked.begin(is_polled=False)
    until(lambda: not script.unexercised(), "slow files are under way")
    item = hooked.add()

    assert 200 == hooked.house.simulator.webhooks.send(item)

    hooked.until_archived(item)
    assert 1 == hooked.media_requests(item)


def test_a_hint_waits_while_another_process_holds_the_lock(hooked: Hooked) -> None:
    """It is taken, and done when the other one has ended."""
    hooked.begin()
    item = hooked.add()
    with run_lock(hooked.house.folder / "state", wait=True):
        assert 200 == hooked.house.simulator.webhooks.send(item)
        time.sleep(2.5)
        assert [item.id] == hooked.hints()
        assert item.id not in hooked.states()

    hooked.until_archived(item)


def test_a_sender_is_told_to_try_again_while_the_index_is_locked(hooked: Hooked) -> None:
    """Within a second or so, and with 503: what is not durable is never answered with 200."""
    hooked.begin()
    item = hooked.add()
    delivery = hooked.house.simulator.webhooks.make(item)
    with closing(sqlite3.connect(hooked.index, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        status, body = post(delivery)
        seconds = time.monotonic() - began
        connection.execute("ROLLBACK")

    assert (503, b'{"status": "busy"}\n') == (status, body)
    assert seconds < 5
    until(lambda: post(delivery)[0] == 200, "it is taken")
    hooked.until_archived(item)
    assert 1 == hooked.media_requests(item)
    assert hooked.counted("busy") >= 1


def test_what_never_arrived_is_found_by_polling(hooked: Hooked) -> None:
    """A webhook is a short cut, and nothing depends on it."""
    hooked.begin('every = "2s"\njitter = "0s"')
    items = [hooked.add() for _ in range(3)]

    hooked.until_archived(*items)

    assert 0 == hooked.counted("queued")


def test_what_is_not_finished_is_asked_for_again(hooked: Hooked) -> None:
    """A webhook that comes early starts the watching: nobody has to send another one."""
    hooked.begin()
    world = hooked.house.simulator.world
    item = world.add("geminigen", recipe=PLAIN, state="processing")
    assert 200 == hooked.house.simulator.webhooks.send(item)
    until(lambda: hooked.states().get(item.id) == "in_progress", "it is known")

    world.finish("geminigen", item.id)

    hooked.until_archived(item)


def test_webhooks_are_turned_on_moved_and_turned_off_by_a_reload(hooked: Hooked) -> None:
    """SIGHUP; where the new address is taken, the one before stays."""
    daemon = hooked.begin()
    house, first, second = hooked.house, hooked.port, free_port()
    hooks = house.simulator.webhooks

    def reload(old: str, new: str, event: str = "config.reloaded", many: int = 1) -> None:
        house.extra = house.extra.replace(old, new)
        house.write_config()
        daemon.send(signal.SIGHUP)
        daemon.wait_for(event, many)

    reload(f"127.0.0.1:{first}", f"127.0.0.1:{second}")
    assert 0 == hooks.send(hooked.add())
    hooked.port = second
    hooked.register()
    moved = hooked.add()
    assert 200 == hooks.send(moved)
    hooked.until_archived(moved)

    taken = house.simulator.base_url("media").removeprefix("http://")
    reload(f"127.0.0.1:{second}", taken, "config.refused")
    [refused] = [one for one in daemon.events if one["event"] == "config.refused"]
    assert "webhooks.listen" in refused["error"]
    assert 200 == hooks.send(hooked.add())

    reload(taken, "", many=2)
    assert 0 == hooks.send(hooked.add())
    reload('[webhooks]\nlisten = ""', f'[webhooks]\nlisten = "127.0.0.1:{second}"', many=3)
    last = hooked.add()
    assert 200 == hooks.send(last)
    hooked.until_archived(last)
    assert 0 == daemon.stop()


def test_no_secret_of_a_webhook_is_ever_logged(hooked: Hooked) -> None:
    """Not the token in the path, not a wrong one that may be half right, no signature, no body."""
    hooked.begin(is_polled=False).wait_for("daemon.started")
    hooks = hooked.house.simulator.webhooks
    item = hooked.add("oxen")
    farm = hooks.make(item)
    wrong = "nearly-" + TOKEN

    def at(token: str, port: int = hooked.port) -> Delivery:
        return replace(farm, url=f"http://127.0.0.1:{port}/hooks/farm/{token}")

    statuses = [hooks.post(one) for one in (at(TOKEN), at(wrong), at(TOKEN, hooked.pages))]
    assert [404, 405] == [post(at(TOKEN + "/more"))[0], post(at(TOKEN), "GET")[0]]
    hooked.until_archived(item, provider="oxen")

    assert [200, 401, 405] == statuses
    daemon_log = next(hooked.house.folder.glob("manager/*.log")).read_text(encoding="utf-8")
    assert "webhook.refused" in daemon_log
    for secret in (TOKEN, "nearly", hooks.secret):
        assert secret not in daemon_log
        assert secret.encode() not in hooked.index.read_bytes()


def test_an_account_whose_key_is_none_is_told_and_the_others_go_on(hooked: Hooked) -> None:
    """Its senders are to try again; after a reload with the right key they get through."""
    house, hooks = hooked.house, hooked.house.simulator.webhooks
    key = house.folder / "studio.pem"
    key.write_text("no key", encoding="utf-8")
    daemon = hooked.begin()
    item, other = hooked.add(), hooked.add("sync")

    assert (503, 200) == (hooks.send(item), hooks.send(other))

    hooked.until_counted(1, "unusable")
    [told] = [one for one in daemon.events if one["event"] == "webhooks.unusable"]
    assert ("studio", "error") == (told["account"], told["level"])
    key.write_text(hooks.public_key, encoding="utf-8")
    daemon.send(signal.SIGHUP)
    daemon.wait_for("config.reloaded")
    assert 200 == hooks.send(item)
    hooked.until_archived(item)
