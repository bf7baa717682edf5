"""Uploads share a bounded memory, and none of them waits for ever (promise 10)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from archiver.storage.base import SMALL_BYTES
from archiver.storage.memory_budget import BLOCK_BYTES, PARTS, UPLOADS, Budget
from archiver.storage.s3.part import PartBuffer
from tests.storage.odd_store import XML, Answer, Request, make_multipart_script, odd_store
from tests.storage.places import PART_BYTES, make_data, make_digest

MANY = 8
PART = 4 * BLOCK_BYTES


def _slow_store(size_bytes: int) -> Callable[[Request], Answer]:
    """Play a store that takes its time for each request."""
    text = b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
    script = make_multipart_script(
        lambda _: Answer(headers=XML, body=text),
        lambda _: Answer(headers={"Content-Length": str(size_bytes)}),
    )

    def answer(request: Request) -> Answer:
        time.sleep(0.05)
        return script(request)

    return answer


@contextmanager
def _used_up(budget: Budget) -> Iterator[list[PartBuffer]]:
    """Fill as many parts as there may be, each from a thread of its own."""

    def fill() -> PartBuffer:
        buffer = PartBuffer(PART, budget)
        buffer.add(memoryview(bytes(PART)))
        return buffer

    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(PARTS)]
        buffers = [pool.submit(fill).result(timeout=10) for pool in pools]
        yield buffers
        for buffer in buffers:
            buffer.close()
    assert budget.held_bytes == 0


def _size_of(buffer: PartBuffer) -> int:
    """Add up what is to be sent."""
    with buffer.in_use() as body:
        return sum(map(len, body))


def _elsewhere(work: Callable[[], object]) -> Future[object]:
    """Do something in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    done = pool.submit(work)
    pool.shutdown(wait=False)
    return done


def test_many_uploads_to_two_slow_stores_end_within_the_budget() -> None:
    """Each thread writes to both in turn and holds a part of each; the parts suffice for few."""
    data = make_data(PART_BYTES + SMALL_BYTES)
    digest = make_digest(data)
    UPLOADS.most_bytes = 0
    with (
        odd_store(_slow_store(len(data))) as (first, _),
        odd_store(_slow_store(len(data))) as (second, _),
    ):

        def send(number: int) -> list[int]:
            uploads = [one.begin(f"a/{number}.mp4", "video/mp4") for one in (first, second)]
            for start in range(0, len(data), SMALL_BYTES):
                for upload in uploads:
                    upload.write(data[start : start + SMALL_BYTES])
            return [upload.commit(digest).digest.size_bytes for upload in uploads]

        with ThreadPoolExecutor(MANY) as pool:
            sent = list(pool.map(send, range(MANY)))

    assert sent == [[len(data)] * 2] * MANY
    assert 2 * PART_BYTES <= UPLOADS.most_bytes <= PARTS * PART_BYTES
    assert UPLOADS.held_bytes == 0


def test_what_is_small_waits_for_nobody() -> None:
    """A sidecar goes up while large files hold all that there is."""
    budget = Budget()

    def add_little() -> int:
        buffer = PartBuffer(PART, budget)
        buffer.add(memoryview(bytes(SMALL_BYTES)))
        size_bytes = _size_of(buffer)
        buffer.close()
        return size_bytes

    with _used_up(budget):
        assert _elsewhere(add_little).result(timeout=10) == SMALL_BYTES
        assert budget.held_bytes == PARTS * PART


def test_a_thread_waits_until_another_gives_back() -> None:
    """It goes on as soon as there is room, and how long it waited is known."""
    budget = Budget()
    waits = threading.Event()

    def add_much() -> float:
        buffer = PartBuffer(PART, budget)
        waits.set()
        buffer.add(memoryview(bytes(PART)))
        buffer.close()
        return budget.waited_seconds

    with _used_up(budget) as buffers:
        much = _elsewhere(add_much)
        assert waits.wait(10)
        with pytest.raises(TimeoutError):
            much.result(timeout=0.3)
        buffers[0].close()
        waited = much.result(timeout=10)

    assert isinstance(waited, float)
    assert waited > 0
    assert budget.waited_seconds == 0
    assert budget.most_bytes == PARTS * PART


def test_one_upload_may_have_parts_larger_than_the_others_leave() -> None:
    """The budget grows with `part_size`: one whole part always fits."""
    budget = Budget()
    small, large = PartBuffer(PART, budget), PartBuffer(20 * PART, budget)

    small.add(memoryview(bytes(PART)))
    large.add(memoryview(bytes(20 * PART)))

    assert _size_of(large) == 20 * PART
    for buffer in (small, large, small):
        buffer.close()
    assert budget.held_bytes == 0


def test_what_is_being_sent_is_lent_to_nobody_else() -> None:
    """An upload that is given up while its part goes out leaves the part as it is."""
    budget = Budget()
    first, second = PartBuffer(PART, budget), PartBuffer(PART, budget)
    first.add(memoryview(b"a" * PART))
    with first.in_use() as body:
        first.close()
        second.add(memoryview(b"b" * PART))
        assert b"".join(body) == b"a" * PART
    with second.in_use() as body:
        assert b"".join(body) == b"b" * PART
    second.close()
    assert budget.held_bytes == 0


def test_memory_that_went_to_a_larger_part_is_not_kept() -> None:
    """What is unused is no more than the parts of those that are open now may need."""
    budget = Budget()
    small, large = PartBuffer(PART, budget), PartBuffer(100 * PART, budget)
    large.add(memoryview(bytes(100 * PART)))
    before = _resident_bytes()
    large.close()
    assert before - _resident_bytes() >= 90 * PART
    small.close()


def test_a_part_that_is_no_multiple_of_a_block_holds_its_bytes() -> None:
    """The last block is lent, and counted, as a whole."""
    budget = Budget()
    data = make_data(PART + 1)
    buffer = PartBuffer(PART + 1, budget)
    for start in range(0, len(data), SMALL_BYTES):
        buffer.add(memoryview(data)[start : start + SMALL_BYTES])
    assert buffer.room == 0
    assert budget.held_bytes == PART + BLOCK_BYTES
    with buffer.in_use() as body:
        assert b"".join(body) == data
    buffer.close()
    assert budget.held_bytes == 0


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
