"""The restore drill: gives a sample back as a stranger would, and compares every byte.

From each destination alone, with nothing but its sidecars: each is read into an index of its
own, the files are restored into a temporary folder, hashed there, and compared with the sidecar
and with our index. The sample rotates by name through all sidecars that the destination should
hold, so that in time everything was restored once; a stranger's file is never one of them. One
generation lies in the temporary folder at a time; what a drill that was killed has left there is
removed by the next one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from archiver.actions.adopting import ReadSidecar, read_sidecar, take_over
from archiver.actions.archive import Archive
from archiver.actions.restore import RestoreOptions, restore
from archiver.actions.verify import open_source
from archiver.actions.verifying.reading import Source
from archiver.errors import CopyDamaged, CopyFrozen, CopyMissing, DestinationError
from archiver.index import jobs, open_temporary_index, queries, standing
from archiver.index.queries import Filters
from archiver.model import Digest
from archiver.storage.local import destination as local

JOB = "drill"
"""Its name among the jobs of the index."""
SAMPLE = 25
MAX_SHOWN_PROBLEMS = 50


@dataclass(slots=True)
class DrillReport:
    """What could be restored from one destination. `frozen` generations lie in an archive tier."""

    destination: str
    generations: int = 0
    files: int = 0
    size_bytes: int = 0
    frozen: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether all of the sample that could be read was restored."""
        return not self.failed

    def add_problem(self, line: str) -> None:
        """Note what could not be restored; the first lines of many are kept."""
        self.failed += 1
        if len(self.problems) < MAX_SHOWN_PROBLEMS:
            self.problems.append(line)


def drill(
    archive: Archive,
    names: Collection[str],
    sample: int,
    concurrency: int,
    stopping: threading.Event,
    on_progress: Callable[[DrillReport], None] = lambda _: None,
) -> list[DrillReport]:
    """Restore the next sample from each destination, and record when that proved to work."""
    reports = []
    jobs.remember_try(archive.index, JOB, archive.clock())
    with jobs.breaking_off_noted(archive.index, JOB, archive.clock):
        for name in sorted(names):
            report = DrillReport(name)
            try:
                source = open_source(archive, name, stopping)
                if source is None:
                    continue
                _drill_one(archive, source, sample, concurrency, report, on_progress)
            except DestinationError as error:
                report.add_problem(str(error))
            reports.append(report)
    problems = [line for report in reports for line in report.problems]
    jobs.remember_end(archive.index, JOB, archive.clock(), next(iter(problems), None))
    return reports


def drill_one(
    archive: Archive, name: str, key: str, concurrency: int, stopping: threading.Event
) -> DrillReport:
    """Restore the one generation of this sidecar from one destination; nothing is recorded."""
    report = DrillReport(name)
    try:
        source = open_source(archive, name, stopping)
        if source is None:
            report.add_problem(f"{name} holds no archive that is known here")
        else:
            _restore_one(archive, source, key, concurrency, report)
    except DestinationError as error:
        report.add_problem(str(error))
    return report


def _drill_one(
    archive: Archive,
    source: Source,
    sample: int,
    concurrency: int,
    report: DrillReport,
    on_progress: Callable[[DrillReport], None],
) -> None:
    """Restore the sample of one destination; a failed one is not restored again until its turn."""
    began_at = archive.clock()
    _remove_leftovers(_folder_prefix(source))
    chosen = standing.next_sidecars(archive.index, report.destination, sample)
    for key in chosen:
        source.refuse_if_stopped()
        _restore_one(archive, source, key, concurrency, report)
        on_progress(report)
    proven_at = began_at if report.is_clean and report.generations else None
    if chosen:
        standing.remember_drill(archive.index, report.destination, chosen[-1], proven_at)


def _restore_one(
    archive: Archive, source: Source, key: str, concurrency: int, report: DrillReport
) -> None:
    """Restore one generation into a folder of its own, which is gone afterwards."""
    try:
        read = read_sidecar(source.destination, key)
        with tempfile.TemporaryDirectory(prefix=_folder_prefix(source)) as folder:
            _refuse_if_too_large(read, Path(folder))
            problems = _restore_into(Path(folder), source, read, concurrency)
            if not problems:
                found = _compare(archive, Path(folder), read)
                problems = [f"{report.destination}: {line}" for line in found]
    except CopyFrozen:
        report.frozen += 1
        return
    except (CopyDamaged, CopyMissing, ValueError, OSError) as error:
        report.add_problem(f"{report.destination}: {key}: {error}")
        return
    if problems and _is_frozen(source, read):
        report.frozen += 1
        return
    for line in problems:
        report.add_problem(line)
    report.generations += not problems
    report.files += 0 if problems else len(read.content.media)
    report.size_bytes += 0 if problems else _size(read)


def _folder_prefix(source: Source) -> str:
    """The archive's own name for temporary folders: only one drill of it goes on at a time."""
    return f"archiver-drill-{source.identity}-"


def _remove_leftovers(prefix: str) -> None:
    """Remove what dead drills left; another user's folder that looks alike is left alone."""
    for entry in list(os.scandir(tempfile.gettempdir())):
        is_ours = entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False)
        if is_ours and entry.stat(follow_symlinks=False).st_uid == os.getuid():
            shutil.rmtree(entry.path)


def _size(read: ReadSidecar) -> int:
    return sum(media.digest.size_bytes for media in read.content.media)


def _refuse_if_too_large(read: ReadSidecar, folder: Path) -> None:
    needed, free = _size(read), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{needed} bytes do not fit into {folder.parent} ({free} bytes are free); "
            "let $TMPDIR name a larger place"
        )


def _restore_into(folder: Path, source: Source, read: ReadSidecar, concurrency: int) -> list[str]:
    """Restore as a stranger: from this sidecar and this destination alone."""
    generation, destination = read.content.generation, source.destination
    with closing(open_temporary_index()) as index:
        take_over(index, destination.name, read, read.content.archived_at)
        target = local.open_destination("drill", local.Options(type="local", path=folder))
        target.prepare()
        report = restore(
            index,
            {destination.name: destination},
            target,
            folder,
            Filters(ids=(generation.id,)),
            RestoreOptions(with_sidecars=True, concurrency=concurrency),
        )
    return report.problems


def _compare(archive: Archive, folder: Path, read: ReadSidecar) -> list[str]:
    """Hash what was restored; it must be what the sidecar says, and what our index says."""
    generation = read.content.generation
    expected = {media.path: media.digest for media in read.content.media} | {read.key: read.digest}
    known = queries.by_id(archive.index, generation.id, generation.account)
    indexed = (asset.media for one in known for asset in one.assets if asset.media is not None)
    return [
        *(
            f"{path}: what was restored is not what the sidecar names"
            for path, digest in expected.items()
            if _digest_of(folder / path) != digest
        ),
        *(
            f"{media.path}: the sidecar names another file than the index"
            for media in indexed
            if expected.get(media.path, media.digest) != media.digest
        ),
    ]


def _digest_of(path: Path) -> Digest:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Digest(size_bytes=path.stat().st_size, sha256=sha256)


def _is_frozen(source: Source, read: ReadSidecar) -> bool:
    """Tell whether nothing but an archive tier stands in the way."""
    for media in read.content.media:
        try:
            with source.destination.read(media.path):
                pass
        except CopyFrozen:
            return True
        except DestinationError:
            return False
    return False
