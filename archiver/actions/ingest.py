"""Takes what a service answered or sent to somebody, and tracks that generation from then on.

A body is recognised by its shape, or its account is told. It is in the index before anything is
fetched; one that is but a hint is asked for by id. One body's trouble stops no other (promise 6).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

from archiver.actions.archive import Account, Unusable
from archiver.actions.listing.links import LiveLinks
from archiver.actions.parallel import open_pool
from archiver.actions.pushing.bodies import Body
from archiver.actions.pushing.desk import Desk, rests
from archiver.actions.pushing.outages import Outages
from archiver.actions.pushing.take import take
from archiver.actions.running.summary import EXIT_FAILED, EXIT_INCOMPLETE, EXIT_LOSS, EXIT_WELL
from archiver.errors import ArchiverError, GenerationNotFound, Interrupted, ProviderError
from archiver.index import queries
from archiver.index.rows import Known
from archiver.model import Generation, State, Status
from archiver.providers.base import Told
from archiver.providers.fields import Row, RowInvalid
from archiver.providers.recognising import recognise

LOOK_SECONDS = 0.3
AHEAD = 2
"""So many bodies a thread are read before the first of them is through."""
_TO_ASK = (State.IN_PROGRESS, State.LOST)
"""What a hint is asked for even though it is known; a capture asks for the others itself."""
_LEFT = "left for the daemon; a run finds it by listing"
_BUSY = "another run is at work and has not come to it; it goes on"


@dataclass(slots=True, kw_only=True)
class Ingested:
    """What became of one body; `known` is how its generation stands, where it got that far."""

    line: int
    account: str | None = None
    provider: str | None = None
    id: str | None = None
    known: Known | None = None
    is_new: bool = False
    error: str | None = None
    exit_code: int = EXIT_WELL


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """How bodies are taken: for which account, whether captured now, and by how many threads.

    `give_up_at` is on the clock of `time.monotonic`: so long another run is waited for.
    """

    account: str | None
    is_now: bool
    concurrency: int
    give_up_at: float
    pause: Callable[[float], None]


class Ingest:
    """Takes bodies, several at a time. `unusable` accounts cannot be opened; `outages` is fed."""

    def __init__(
        self,
        desk: Desk,
        unusable: Mapping[str, Unusable],
        outages: Outages,
        options: IngestOptions,
    ) -> None:
        self._desk = desk
        self._unusable = unusable
        self._outages = outages
        self._options = options
        self._taking = threading.Lock()

    def take_all(self, bodies: Iterable[Body]) -> Generator[Ingested, None, None]:
        """Take each body, and say what became of it, in their order and as soon as it is known."""
        room = threading.Semaphore(self._options.concurrency * AHEAD)
        coming: SimpleQueue[Future[Ingested] | BaseException | None] = SimpleQueue()
        with open_pool(self._options.concurrency, "ingest") as pool:
            feeder = threading.Thread(
                target=self._feed, args=(bodies, pool, room, coming), name="feed", daemon=True
            )
            feeder.start()
            try:
                while (one := coming.get()) is not None:
                    if isinstance(one, BaseException):
                        raise one
                    yield one.result()
                    room.release()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _feed(
        self,
        bodies: Iterable[Body],
        pool: ThreadPoolExecutor,
        room: threading.Semaphore,
        coming: SimpleQueue[Future[Ingested] | BaseException | None],
    ) -> None:
        """Read on while there is room; whoever pipes bodies in may take hours for the next one."""
        try:
            for body in bodies:
                room.acquire()
                coming.put(pool.submit(self._take, body))
        except Exception as error:
            coming.put(error)
        coming.put(None)

    def _take(self, body: Body) -> Ingested:
        done = Ingested(line=body.line)
        try:
            if body.record is None:
                raise RowInvalid(body.error or "is no body")
            self._go(body.record, done)
        except (sqlite3.Error, Interrupted):
            raise
        except RowInvalid as error:
            done.error, done.exit_code = str(error), EXIT_INCOMPLETE
        except ArchiverError as error:
            done.error, done.exit_code = str(error), error.exit_code
        except Exception as error:
            done.error, done.exit_code = f"internal error: {error!r}", EXIT_FAILED
        return done

    def _go(self, record: Row, done: Ingested) -> None:
        account = self._account_of(record)
        done.account, done.provider = account.name, account.provider.name
        told, links = account.provider.read(record), LiveLinks()
        done.id = told.id
        try:
            done.known, done.is_new = self._record(account, told, links)
            self._settle(account, done, links)
        except ProviderError as error:
            self._outages.note(account.name, error)
            if done.known is not None or isinstance(error, GenerationNotFound):
                raise
            self._desk.hint(account.name, told.id)
            done.error, done.exit_code = f"{error}; {_LEFT}", error.exit_code

    def _account_of(self, record: Row) -> Account:
        """Choose the account: the one that was told, else the only one of that provider."""
        providers = recognise(record)
        named = self._options.account
        if named is not None:
            account = self._open(named)
            if providers and account.provider.name not in providers:
                raise RowInvalid(
                    f"looks like {' or '.join(providers)}, and {named} is an account at "
                    f"{account.provider.name}"
                )
            return account
        if not providers:
            raise RowInvalid("is not recognised: say whose it is with --account")
        names = sorted(
            name for name, provider in self._providers().items() if provider in providers
        )
        if not names:
            raise RowInvalid(f"looks like {' or '.join(providers)}: there is no account there")
        if len(names) > 1:
            raise RowInvalid(f"may be of {' or '.join(names)}: say which with --account")
        return self._open(names[0])

    def _providers(self) -> dict[str, str]:
        opened = {name: one.provider.name for name, one in self._desk.accounts.items()}
        return opened | {name: one.provider for name, one in self._unusable.items()}

    def _open(self, name: str) -> Account:
        if name in self._unusable:
            raise self._unusable[name].error
        return self._desk.accounts[name]

    def _record(self, account: Account, told: Told, links: LiveLinks) -> tuple[Known, bool]:
        """Write down what is told, unless more than that is known; tells whether it is new."""
        known = self._find(account, told.id)
        generation = told.generation
        if generation is None and (known is None or known.state in _TO_ASK):
            self._outages.check(account.name)
            listed = None if known is None else known.listed_record
            generation = account.provider.detail(told.id, listed)
        with self._taking:
            known = self._find(account, told.id)
            if known is not None and (generation is None or _is_old(generation, known)):
                return known, False
            assert generation is not None, "what is not known was just asked for"
            return take(self._desk.archive, account, generation, links), known is None

    def _find(self, account: Account, generation_id: str) -> Known | None:
        found = queries.by_id(self._desk.archive.index, generation_id, account.name)
        return found[0] if found else None

    def _settle(self, account: Account, done: Ingested, links: LiveLinks) -> None:
        """Capture it now, if that is wanted, and say how it stands then."""
        assert done.known is not None, "it was just recorded"
        if self._options.is_now:
            done.known = known = self._capture(account, done.known, links)
            if known.state is State.IN_PROGRESS:
                self._desk.hint(account.name, known.generation.id)
            done.exit_code = _exit_code(known)
            if known.state in (State.PENDING, State.FAILED, State.LOST):
                done.error = known.reason or _BUSY

    def _capture(self, account: Account, known: Known, links: LiveLinks) -> Known:
        attempts = known.attempts
        while not rests(known):
            self._outages.check(account.name)
            known = self._desk.settle(known, links)
            is_tried = known.state is not State.PENDING and known.attempts > attempts
            if is_tried or time.monotonic() >= self._options.give_up_at:
                break
            if not rests(known):
                self._options.pause(LOOK_SECONDS)
        return known


def _is_old(generation: Generation, known: Known) -> bool:
    """Whether a body tells less than is known: it is kept, or it came to its end since."""
    has_ended = known.generation.status is not Status.IN_PROGRESS
    is_behind = has_ended and generation.status is Status.IN_PROGRESS
    return is_behind or (known.state is State.ARCHIVED and rests(known))


def _exit_code(known: Known) -> int:
    if known.state is State.LOST:
        return EXIT_LOSS
    return EXIT_WELL if rests(known) else EXIT_INCOMPLETE
