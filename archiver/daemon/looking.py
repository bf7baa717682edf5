"""What the daemon shows of itself: alarms, `/healthz`, `/readyz`, `/metrics`, the status line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from archiver.actions.health import judge_health
from archiver.actions.metrics import make_metrics
from archiver.daemon.endpoint import Answer, Routes
from archiver.daemon.life import Life
from archiver.errors import ArchiverError
from archiver.index import jobs, opened_index
from archiver.index.jobs import RELOAD
from archiver.log import get_logger
from archiver.units import format_duration
from archiver.wiring.telling import tell_all
from archiver.wiring.watched import watched

VERSION_4 = CONTENT_TYPE_PLAIN_0_0_4


class Looking:
    """Looks at the index now and then, and whenever it is asked over HTTP.

    `refused` says why the newest config was not taken; `next_runs` when each job is due.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self.refused: str | None = None
        self.next_runs: Mapping[str, datetime] = {}
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._config_is_taken = Gauge(
            "archiver_config_last_reload_successful",
            "1 while the daemon works with the newest config, 0 when that was refused",
            registry=self._registry,
        )

    def note_config(self, refusal: str | None) -> None:
        """Remember, also in the index, whether the newest config was taken: alarms ask there."""
        self.refused, now = refusal, datetime.now(UTC)
        try:
            with opened_index(self._life.config.archive.state_dir) as index:
                jobs.remember_try(index, RELOAD, now)
                jobs.remember_end(index, RELOAD, now, refusal)
        except ArchiverError as error:
            get_logger().debug("config.unremembered", error=str(error))

    def __call__(self, _names: frozenset[str]) -> None:
        """Raise and end alarms, write the textfile, and say in one line how things are."""
        found = tell_all(self._life.config)
        if not self._life.is_over:
            self._life.notifier.status(self._status_line([trouble.message for trouble in found]))

    @property
    def routes(self) -> Routes:
        """What is answered over HTTP."""
        return {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}

    def _status_line(self, troubles: list[str]) -> str:
        if self.refused is not None:
            return "the newest config is refused, the one before is in use; see the log"
        if troubles:
            more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
            return f"{troubles[0]}{more}"
        return f"all is well; next run {self._next_run()}"

    def _next_run(self) -> str:
        moments = [moment for name, moment in self.next_runs.items() if not name.startswith("(")]
        if not moments:
            return "is not planned"
        seconds = min(moments) - datetime.now(UTC)
        return f"in {format_duration(seconds)}" if seconds.total_seconds() >= 1 else "now"

    def _healthz(self) -> Answer:
        config = self._life.config
        try:
            with opened_index(config.archive.state_dir) as index:
                health = judge_health(index, watched(config), datetime.now(UTC))
        except ArchiverError as error:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        if health.is_well:
            return _plain(HTTPStatus.OK, "ok")
        return _plain(HTTPStatus.SERVICE_UNAVAILABLE, *health.reasons)

    def _readyz(self) -> Answer:
        if self._life.is_over:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "stopping")
        return _plain(HTTPStatus.OK, "ready")

    def _metrics(self) -> Answer:
        config = self._life.config
        self._config_is_taken.set(self.refused is None)
        own = generate_latest(self._registry)
        try:
            with opened_index(config.archive.state_dir) as index:
                found = make_metrics(index, watched(config), datetime.now(UTC))
        except ArchiverError:
            found = b""  # no index yet, or none that can be read: /healthz says which
        return Answer(HTTPStatus.OK, found + own, VERSION_4)


def _plain(status: HTTPStatus, *lines: str) -> Answer:
    return Answer(status, "".join(f"{line}\n" for line in lines).encode())
