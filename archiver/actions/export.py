"""Makes a BagIt bag (RFC 8493) of what filters choose: media and sidecars in the archive's layout.

Every file is hashed on its way into the bag; a copy that is bad or missing is replaced by one
from another destination, and reported. What no destination can give is left out, and the bag's
own bag-info.txt says how much: whoever gets the bag sees that there is a gap (promise 6).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, fields
from io import BytesIO
from itertools import chain
from typing import IO, Protocol

from archiver import __version__
from archiver.actions.archive import Clock, utc_now
from archiver.actions.exporting import tags
from archiver.actions.restore import RestoreOptions, RestoreReport, Wanted, plan
from archiver.errors import ArchiverError, CopyDamaged, CopyMissing, DestinationError
from archiver.index import Index
from archiver.index.queries import Filters
from archiver.model import Digest
from archiver.storage.base import Destination
from archiver.units import format_size

MAX_SHOWN_PROBLEMS = 200


class Bag(Protocol):
    """Where an export goes: opened by a context manager that publishes it when all went well.

    Workers, `workers` at a time, ask `take_over` and put what is proven into `inbox`, under its
    `target_key`. `add` and `add_tag` are called by one thread, in the order of the manifest.
    """

    workers: int
    inbox: Destination

    def take_over(self, wanted: Wanted) -> bool:
        """Move a file that an interrupted export left, proven anew, into the inbox."""

    def add(self, wanted: Wanted) -> None:
        """Make a file that is in the inbox a part of the payload."""

    def add_tag(self, name: str, size_bytes: int, body: IO[bytes]) -> None:
        """Write one tag file."""


@dataclass(frozen=True, slots=True)
class _Brought:
    """How one file came to the bag, or why it could not."""

    wanted: Wanted
    is_there: bool
    was_left: bool = False
    bad_copies: tuple[str, ...] = ()


def count(
    index: Index, sources: Mapping[str, Destination], filters: Filters, prefer: str | None
) -> RestoreReport:
    """Count what an export would bring; nothing is read."""
    report = RestoreReport()
    for wanted in _plan(index, sources, filters, prefer, report):
        report.files += 1
        report.size_bytes += wanted.digest.size_bytes
    return report


def export(
    index: Index,
    sources: Mapping[str, Destination],
    filters: Filters,
    place: AbstractContextManager[Bag],
    *,
    prefer: str | None = None,
    known_problems: Iterable[str] = (),
    on_progress: Callable[[RestoreReport], None] = lambda _: None,
    clock: Clock = utc_now,
) -> RestoreReport:
    """Fill and seal one bag. `prefer` names the destination to read from first.

    `known_problems` stand in the report, and count as missing. Raises ArchiverError, and makes no
    bag, when nothing is chosen or nothing can be brought; DestinationUnavailable when the place
    itself cannot be written.
    """
    report = RestoreReport(problems=list(known_problems))
    wanted = _plan(index, sources, filters, prefer, report)
    first = next(wanted, None)
    if first is None:
        raise ArchiverError("\n".join(["there is nothing to export", *report.problems]))
    with closing(tags.Manifest()) as manifest, place as bag:
        _fill(bag, chain([first], wanted), sources, report, manifest, on_progress)
        if not manifest.files:
            raise CopyMissing("\n".join(["no file could be brought", *report.problems]))
        _seal(bag, manifest, _describe(manifest, filters, report, clock))
    return report


def _plan(
    index: Index,
    sources: Mapping[str, Destination],
    filters: Filters,
    prefer: str | None,
    report: RestoreReport,
) -> Iterator[Wanted]:
    options = RestoreOptions(with_sidecars=True, prefer=prefer)
    return plan(index, sources, filters, options, report)


def _fill(
    bag: Bag,
    wanted: Iterable[Wanted],
    sources: Mapping[str, Destination],
    report: RestoreReport,
    manifest: tags.Manifest,
    on_progress: Callable[[RestoreReport], None],
) -> None:
    """Bring the payload, some files at a time, in the order of the plan."""
    with closing(
        _in_order(bag.workers, lambda one: _bring(one, sources, bag), wanted)
    ) as all_brought:
        for brought in all_brought:
            if brought.is_there:
                bag.add(brought.wanted)
                manifest.add(brought.wanted.target_key, brought.wanted.digest)
            _count(brought, report)
            on_progress(report)


def _in_order(
    workers: int, bring: Callable[[Wanted], _Brought], wanted: Iterable[Wanted]
) -> Generator[_Brought, None, None]:
    """Work in threads and give the results in order; no more than `workers` wait to be taken."""
    running: deque[Future[_Brought]] = deque()
    with ThreadPoolExecutor(workers, "export") as pool:
        try:
            for one in wanted:
                if len(running) >= workers:
                    yield running.popleft().result()
                running.append(pool.submit(bring, one))
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _bring(wanted: Wanted, sources: Mapping[str, Destination], bag: Bag) -> _Brought:
    """Bring one file from the first copy that proves to be right."""
    if bag.take_over(wanted):
        return _Brought(wanted, is_there=True, was_left=True)
    bad: list[str] = []
    for name in wanted.copies:
        try:
            _copy(wanted, sources[name], bag.inbox)
        except CopyDamaged as error:
            bad.append(str(error))
            continue
        return _Brought(wanted, is_there=True, bad_copies=tuple(bad))
    return _Brought(wanted, is_there=False, bad_copies=tuple(bad))


def _copy(wanted: Wanted, source: Destination, inbox: Destination) -> None:
    """Copy one file; CopyDamaged speaks of the source, anything else of the bag's own disk.

    That a full disk must end the export, and not make each copy look bad, is why this is not
    `copying.copy_file`.
    """
    upload = inbox.begin(wanted.target_key, wanted.media_type)
    try:
        for chunk in _proven(wanted, source):
            upload.write(chunk)
        upload.commit(wanted.digest)
    finally:
        upload.abort()


def _proven(wanted: Wanted, source: Destination) -> Iterator[bytes]:
    """Read a copy; raises CopyDamaged when it cannot be read, at its end when it is not right."""
    sha256, size_bytes = hashlib.sha256(), 0
    try:
        with source.read(wanted.key) as chunks:
            for chunk in chunks:
                sha256.update(chunk)
                size_bytes += len(chunk)
                yield chunk
    except DestinationError as error:
        raise CopyDamaged(str(error)) from error
    if Digest(size_bytes=size_bytes, sha256=sha256.hexdigest()) != wanted.digest:
        raise CopyDamaged(f"{source.name}: {wanted.key} is not what was stored there")


def _count(brought: _Brought, report: RestoreReport) -> None:
    if not brought.is_there:
        report.failed += 1
        if len(report.problems) < MAX_SHOWN_PROBLEMS:
            report.problems.append(f"{brought.wanted.key}: {'; '.join(brought.bad_copies)}")
        return
    report.files += 1
    report.size_bytes += brought.wanted.digest.size_bytes
    report.present += brought.was_left
    if len(report.healed) < MAX_SHOWN_PROBLEMS:
        report.healed += brought.bad_copies


def _describe(
    manifest: tags.Manifest, filters: Filters, report: RestoreReport, clock: Clock
) -> bytes:
    """Write bag-info.txt. The identifier is the content's: equal payloads have equal ones.

    Of what is missing only the number is told: sidecars name the files, errors name machines.
    """
    missing = max(report.failed, len(report.problems))
    chosen = [(field.name, getattr(filters, field.name)) for field in fields(filters)]
    return tags.make_info(
        [
            ("Bag-Software-Agent", f"archiver {__version__}"),
            ("Bagging-Date", f"{clock():%Y-%m-%d}"),
            ("External-Identifier", f"sha256:{manifest.digest.sha256}"),
            ("External-Description", f"Media of {report.generations} generations, with sidecars"),
            ("Payload-Oxum", f"{manifest.payload_bytes}.{manifest.files}"),
            ("Bag-Size", format_size(manifest.payload_bytes)),
            *(("Archiver-Filter", _name_filter(*choice)) for choice in chosen if choice[1]),
            *([("Archiver-Missing", str(missing))] if missing else []),
        ]
    )


def _name_filter(name: str, value: object) -> str:
    return f"{name} {', '.join(map(str, value)) if isinstance(value, tuple) else value}"


def _seal(bag: Bag, manifest: tags.Manifest, info: bytes) -> None:
    """Write the tag files, the manifest of themselves last."""
    lines = b""
    for name, digest, body in (
        (tags.DECLARATION_NAME, tags.make_digest(tags.DECLARATION), BytesIO(tags.DECLARATION)),
        (tags.INFO_NAME, tags.make_digest(info), BytesIO(info)),
        (tags.MANIFEST_NAME, manifest.digest, manifest.rewind()),
    ):
        bag.add_tag(name, digest.size_bytes, body)
        lines += tags.make_line(name, digest.sha256)
    bag.add_tag(tags.TAG_MANIFEST_NAME, len(lines), BytesIO(lines))
