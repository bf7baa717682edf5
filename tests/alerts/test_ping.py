"""Pings in the ways of Healthchecks and of Uptime Kuma."""

from __future__ import annotations

import uuid

import pytest

from archiver.alerts.ping import Ended, Ping
from archiver.errors import MessageNotSent
from tests.alerts.receiver import TOKEN, Receiver

RUN = uuid.UUID("12345678-1234-4234-8234-123456789abc")
PUSH = "/api/push/kRyGqBvYxZ"


def end(exit_code: int | None, summary: str = "3 new, 3 archived", seconds: float = 1.5) -> Ended:
    """Make the end of a run."""
    return Ended(exit_code=exit_code, summary=summary, seconds=seconds)


def test_start_and_end_are_joined_by_the_run(receiver: Receiver) -> None:
    """So that Healthchecks measures how long it took."""
    ping = Ping(receiver.source())

    ping.started(RUN)
    ping.ended(RUN, end(0))

    assert [f"/{TOKEN}/start?rid={RUN}", f"/{TOKEN}?rid={RUN}"] == [
        request.target for request in receiver.requests
    ]
    assert b"3 new, 3 archived" == receiver.requests[1].body


@pytest.mark.parametrize(
    ("exit_code", "path"),
    [(0, ""), (1, "/1"), (3, "/3"), (4, "/4"), (12, "/12"), (78, "/78"), (None, "/fail")],
)
def test_the_exit_code_is_the_end_of_the_path(
    receiver: Receiver, exit_code: int | None, path: str
) -> None:
    """The plain address is a success, which every such service understands."""
    Ping(receiver.source()).ended(None, end(exit_code))

    assert [f"/{TOKEN}{path}"] == [request.target for request in receiver.requests]


def test_a_query_of_the_address_is_kept(receiver: Receiver) -> None:
    """Healthchecks makes a missing check with `create=1`, and a slash at the end does no harm."""
    ping = Ping(receiver.source("/key/my-check/?create=1"))

    ping.started(RUN)

    [request] = receiver.requests
    assert "/key/my-check/start" == request.path
    assert {"create": ["1"], "rid": [str(RUN)]} == request.query


def test_the_body_is_one_line_of_bounded_length(receiver: Receiver) -> None:
    """At most 10 kB go out, without control characters and without signed queries."""
    told = "one\ntwo \x1b[2J https://cdn.example.com/a?sig=feed " + "ä" * 20_000

    Ping(receiver.source()).ended(None, end(3, told))

    body = receiver.requests[0].body
    assert len(body) <= 10_000
    assert body.decode().startswith("one two [2J https://cdn.example.com/a?[hidden] ä")
    assert b"feed" not in body


@pytest.mark.parametrize(("exit_code", "status"), [(0, "up"), (3, "down"), (None, "down")])
def test_uptime_kuma_is_told_the_end_only(
    receiver: Receiver, exit_code: int | None, status: str
) -> None:
    """One GET with status, message and milliseconds; what Kuma shows in its address is replaced."""
    ping = Ping(receiver.source(f"{PUSH}?status=up&msg=OK&ping="))

    ping.started(RUN)
    ping.ended(RUN, end(exit_code))

    [request] = receiver.requests
    assert ("GET", PUSH) == (request.method, request.path)
    expected = {"status": [status], "msg": ["3 new, 3 archived"], "ping": ["1500"]}
    assert expected == request.query


def test_a_check_that_is_gone_is_an_error(receiver: Receiver) -> None:
    """404 is what Healthchecks answers to a check that was deleted."""
    receiver.answers = [404]

    with pytest.raises(MessageNotSent, match="answered 404"):
        Ping(receiver.source()).ended(None, end(0))
