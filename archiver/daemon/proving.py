"""The work of the other lane: verify and the restore drill, beside the passes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from archiver.actions.drill import SAMPLE, drill
from archiver.actions.verify import VerifyOptions, verify
from archiver.config import Config
from archiver.daemon.life import Life
from archiver.daemon.timetable import DRILL, VERIFY
from archiver.errors import ArchiverError, Interrupted, LockHeld
from archiver.log import get_logger
from archiver.wiring.archive import VERIFY_LOCK, open_archive, run_lock


class Proving:
    """Proves what is stored. `then` is called after each piece of work."""

    def __init__(self, life: Life, then: Callable[[], None]) -> None:
        self._life = life
        self._then = then

    def __call__(self, names: frozenset[str]) -> None:
        """Verify, make a drill, or both; each ends at once when the daemon does."""
        for name, work in ((VERIFY, _verify), (DRILL, _drill)):
            if name in names and not self._life.is_over:
                self._do(name, work)
                self._then()

    def _do(self, name: str, work: Callable[[Config, threading.Event], None]) -> None:
        config, log = self._life.config, get_logger()
        try:
            with run_lock(config.archive.state_dir, wait=False, name=VERIFY_LOCK):
                work(config, self._life.draining)
        except LockHeld:
            log.info("job.skipped", job=name, reason="another verify is at work")
        except Interrupted:
            log.info("job.abandoned", job=name)
        except ArchiverError as error:
            log.error("job.failed", job=name, error=str(error))


def _verify(config: Config, stopping: threading.Event) -> None:
    options = VerifyOptions(
        every=config.schedule.verify_every,
        cycle=config.schedule.verify_cycle,
        concurrency=_few(config),
    )
    with open_archive(config) as archive:
        report = verify(archive, tuple(config.destinations), options, stopping)
    tell = get_logger().info if report.is_clean else get_logger().error
    tell(
        "verify.finished",
        listed=report.listed,
        due=report.due,
        read=report.read,
        read_bytes=report.read_bytes,
        overdue=report.overdue,
        foreign=report.foreign,
        faults={fault.value: many for fault, many in report.faults.items()},
        unusable=report.unusable,
    )


def _drill(config: Config, stopping: threading.Event) -> None:
    with open_archive(config) as archive:
        reports = drill(archive, tuple(config.destinations), SAMPLE, _few(config), stopping)
    for report in reports:
        tell = get_logger().info if report.is_clean else get_logger().error
        tell(
            "drill.finished",
            destination=report.destination,
            generations=report.generations,
            files=report.files,
            bytes=report.size_bytes,
            failed=report.failed,
            problems=report.problems,
        )


def _few(config: Config) -> int:
    """Read a few copies at a time only: passes go on meanwhile."""
    return max(1, config.transfer.concurrency // 4)
