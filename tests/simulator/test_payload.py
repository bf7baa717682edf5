"""A payload is the bytes it stands for, however it is cut."""

from __future__ import annotations

import hashlib
import threading
import zlib
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from archiver.simulator.payload import Payload, Run, endless

RUNS = st.lists(
    st.builds(Run, st.binary(min_size=1, max_size=9), st.integers(0, 50)), min_size=1, max_size=4
)


@given(runs=RUNS, start=st.integers(0, 220), length=st.integers(0, 220))
def test_any_part_is_a_part_of_the_whole(runs: list[Run], start: int, length: int) -> None:
    """Reading from one offset to another gives what slicing the whole would."""
    payload = Payload(tuple(runs))
    whole = b"".join((run.pattern * 51)[: run.length] for run in runs)
    assert whole == payload.read()
    assert whole[start : start + length] == payload.read(start, start + length)


@given(runs=RUNS)
def test_digests_are_those_of_the_whole(runs: list[Run]) -> None:
    """SHA-256 and CRC-32 taken piece by piece are those of all bytes."""
    payload = Payload(tuple(runs))
    assert hashlib.sha256(payload.read()).hexdigest() == payload.sha256()
    assert zlib.crc32(payload.read()) == payload.crc32()


def test_endless_ends_when_told() -> None:
    """An endless body goes on until its event is set."""
    stopping = threading.Event()
    pieces = endless(b"abc", stopping)
    assert all(piece for piece in islice(pieces, 5))
    stopping.set()
    assert list(pieces) == []
