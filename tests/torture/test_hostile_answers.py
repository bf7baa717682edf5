"""Whatever a media host answers, nothing false is kept, and the good file comes in the end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from archiver.actions.capturing.intake import Intake
from archiver.errors import ArchiverError, MediaError
from archiver.fetch.engine import Limits, MediaEngine
from archiver.model import Link
from archiver.simulator.media import FORMATS, fitting_size, media
from archiver.storage.memory import MemoryDestination
from tests.torture.ground import IS_WHOLE, Impatient
from tests.torture.hostile import FORBIDDEN, KINDS, PRIVATE, Case, good
from tests.torture.raw_server import RawServer
from tests.torture.walkers import is_complete

ANSWERS = 12_000 if IS_WHOLE else 480
SEED = 20_260_301
MAX_FILE_BYTES = 200_000
THREADS = 3


@pytest.fixture(scope="module")
def originals(media_maker: None) -> dict[str, list[bytes]]:
    """Some whole files of each format that the simulator makes."""
    return {
        name: [
            media(name, fitting_size(name, size), f"hostile {size}").read()
            for size in (0, 12_000, 40_000)
        ]
        for name in FORMATS
    }


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    """The server that strangers' links may lead to."""
    with RawServer() as server:
        yield server


@pytest.fixture(scope="module")
def forbidden(server: RawServer) -> Iterator[RawServer]:
    """A server at a private address, on the same port: nobody must ever come."""
    with RawServer("127.0.0.2", server.port) as forbidden:
        yield forbidden


def make_engine() -> MediaEngine:
    """Make the real engine, to which 127.0.0.1 alone is a public address."""
    limits = Limits(max_file_bytes=MAX_FILE_BYTES, per_host=64)
    return MediaEngine(limits, Impatient(), is_allowed=lambda address: address == "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Kept:
    """What came under a final name, and whether it was recognised as media."""

    body: bytes
    is_media: bool


def take(engine: MediaEngine, url: str) -> Kept | ArchiverError:
    """Fetch a link as a capture does; return what was kept, or why nothing was."""
    kept = MemoryDestination("memory")
    intake = Intake({"memory": kept}, lambda extension: f"file.{extension}")
    try:
        engine.fetch(Link(url=url), intake)
        digest, _ = intake.commit()
    except ArchiverError as error:
        assert {} == kept.files
        return error
    finally:
        intake.abort()
    [(key, (body, _))] = kept.files.items()
    assert digest.size_bytes == len(body)
    return Kept(body, not key.endswith(".bin"))


def judge(case: Case, outcome: Kept | ArchiverError, body: bytes) -> str | None:
    """Say what is wrong with an outcome, or None.

    Binary data of no known format is kept as `bin` by design, when that is what was sent.
    """
    if isinstance(outcome, ArchiverError):
        if not isinstance(outcome, MediaError):
            return f"{outcome!r} is no MediaError"
        return f"refused: {outcome}" if case.is_good else None
    is_whole = is_complete(outcome.body) or not outcome.is_media
    if outcome.body == body or (outcome.body in case.honest and is_whole):
        return None
    return f"a false accept of {len(outcome.body)} bytes"


def name_of(outcome: Kept | ArchiverError, body: bytes) -> str:
    """Name an outcome for the figures."""
    if isinstance(outcome, ArchiverError):
        return "refused"
    if outcome.body == body:
        return "kept the good file"
    return "kept another whole file" if outcome.is_media else "kept as unknown data"


def play(
    number: int, server: RawServer, originals: dict[str, list[bytes]]
) -> tuple[str, str, str | None]:
    """Play one hostile answer and then the good one; return kind, result and complaint."""
    rng = random.Random(SEED + number)
    name = FORMATS[number // len(KINDS) % len(FORMATS)]
    bodies = originals[name]
    body = rng.choice(bodies)
    others = [one for one in bodies if one != body]
    case = KINDS[number % len(KINDS)](rng, body, others)
    path, engine = f"/{number}", make_engine()
    outcome = take(engine, server.script(path, case.answers))
    complaint = judge(case, outcome, body)
    healed = take(engine, server.script(f"{path}/good", [good(body)]))
    server.forget(path)
    server.forget(f"{path}/good")
    if not isinstance(healed, Kept) or healed.body != body:
        complaint = complaint or f"the good file did not come afterwards: {healed!r:.200}"
    where = f"answer {number} ({case.kind}, {name}, {len(body)} bytes)"
    result = name_of(outcome, body)
    return case.kind, result, None if complaint is None else f"{where}: {complaint}"


@pytest.mark.timeout(600)
def test_no_hostile_answer_is_kept_as_the_file_and_the_good_one_comes_afterwards(
    server: RawServer,
    forbidden: RawServer,
    originals: dict[str, list[bytes]],
    record_property: Callable[[str, object], None],
) -> None:
    """What is kept is the good file, or a whole one that the server sent as what it is."""
    with ThreadPoolExecutor(THREADS) as pool:
        played = list(pool.map(lambda number: play(number, server, originals), range(ANSWERS)))

    counts = Counter((kind, result) for kind, result, _ in played)
    figures = [f"{kind}: {result} {many}" for (kind, result), many in sorted(counts.items())]
    record_property("hostile answers", f"{len(played)} in {len(KINDS)} kinds")
    for line in figures:
        record_property("  hostile", line)
    complaints = [complaint for _, _, complaint in played if complaint]
    assert [] == complaints[:20], f"{len(complaints)} in all"
    assert 0 == forbidden.connections


@pytest.mark.parametrize("place", PRIVATE)
def test_link_into_a_private_network_is_refused_before_anything_is_sent(
    server: RawServer, forbidden: RawServer, place: str
) -> None:
    """However its address is written, nobody connects to it."""
    outcome = take(make_engine(), f"http://{place.format(port=server.port)}/secret")

    assert isinstance(outcome, MediaError)
    assert 0 == forbidden.connections


@pytest.mark.parametrize("url", FORBIDDEN)
def test_link_that_is_no_web_address_is_refused(server: RawServer, url: str) -> None:
    """Other schemes, user names and broken addresses are errors of that file alone."""
    before = server.connections

    outcome = take(make_engine(), url)

    assert isinstance(outcome, MediaError)
    assert before == server.connections
