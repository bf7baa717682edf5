"""Everything that Prometheus is told, as text: for `/metrics` and for node_exporter (promise 9).

All of it comes from the index, so the numbers are the same whichever process is asked, and the
counters go on growing over restarts. Labels are provider, account and destination, and small
closed sets: a state, a reason (`ArchiverError.label`, or the fault of a copy), a kind of trouble.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from archiver import __version__
from archiver.actions.status import failed_destinations
from archiver.actions.troubles import TroubleKind, Watched, troubles
from archiver.index import Index, counters, ledger, vitals
from archiver.index.ledger import AccountRecord, Unsecured
from archiver.index.standing import Standing, standing
from archiver.index.vitals import RunRecord
from archiver.model import State

_ACCOUNT = ("provider", "account")
Samples = Iterable[tuple[tuple[str, ...], float | None]]
"""Values by their labels; None stands for one that there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _AccountFacts:
    every_seconds: float
    record: AccountRecord
    states: Mapping[State, int]
    pending: int
    at_risk: Unsecured
    first_deadline_at: datetime | None

    @property
    def labels(self) -> tuple[str, str]:
        return self.record.provider, self.record.account


def make_metrics(index: Index, watched: Watched, now: datetime) -> bytes:
    """Write all metrics in Prometheus' text format 0.0.4."""
    registry = CollectorRegistry()
    registry.register(_Everything(index, watched, now))
    return generate_latest(registry)


class _Everything(Collector):
    """What the library asks for the families when it writes them."""

    def __init__(self, index: Index, watched: Watched, now: datetime) -> None:
        self._index = index
        self._watched = watched
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: this registry has no other collector to clash with."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the index, a part at a time."""
        index, watched, now = self._index, self._watched, self._now
        accounts = [_facts(index, watched, name, now) for name in watched.accounts]
        counted = counters.load(index)
        yield from _of_accounts(accounts)
        yield from _counters_of_accounts(accounts, counted)
        yield from _of_pushed(watched, counted)
        yield from _of_destinations(index, watched)
        yield from _of_verify(watched, counted)
        yield from _of_runs(vitals.runs(index, 1), vitals.concluded_run(index), now)
        yield from _of_all(index, watched, now)


def _facts(index: Index, watched: Watched, name: str, now: datetime) -> _AccountFacts:
    provider, every = watched.accounts[name]
    return _AccountFacts(
        every_seconds=every.total_seconds(),
        record=ledger.load_account(index, name, provider),
        states=ledger.count_by_state(index, name),
        pending=vitals.count_missing(index, name),
        at_risk=vitals.at_risk(index, name, now, watched.at_risk),
        first_deadline_at=vitals.first_deadline(index, name),
    )


_ACCOUNT_GAUGES: tuple[tuple[str, str, Callable[[_AccountFacts], float | None]], ...] = (
    (
        "last_success_timestamp_seconds",
        "When a run last went well for the account; 0 if none ever did.",
        lambda one: _seconds(one.record.last_success_at) or 0,
    ),
    (
        "oldest_unarchived_deadline_timestamp_seconds",
        "The earliest deadline of what is listed and not archived; absent if there is none.",
        lambda one: _seconds(one.first_deadline_at),
    ),
    (
        "assets_pending",
        "Assets that are listed and still have to be fetched.",
        lambda one: one.pending,
    ),
    (
        "generations_at_risk",
        "Generations that are not archived and past the alert line of alerts.at_risk.",
        lambda one: one.at_risk.count,
    ),
    (
        "generations_too_late",
        "Generations that will be lost at the pace of the last runs.",
        lambda one: one.record.too_late,
    ),
    (
        "provider_generations",
        "Generations by the provider's own count; absent if it gives none.",
        lambda one: one.record.provider_total,
    ),
    (
        "listing_shrunk",
        "1 while the account lists less than half of what it used to.",
        lambda one: one.record.shrunk_from is not None,
    ),
    (
        "last_sweep_timestamp_seconds",
        "When the account's whole history was last walked; 0 if it never was.",
        lambda one: _seconds(one.record.last_sweep_at) or 0,
    ),
    (
        "account_exit_code",
        "Exit code of the account's part in its last run (12: its key was refused).",
        lambda one: one.record.last_exit_code,
    ),
    (
        "schedule_interval_seconds",
        "The longest time between two runs over the account, by the config.",
        lambda one: one.every_seconds,
    ),
)
_ACCOUNT_COUNTERS = (
    ("assets_archived", "Assets that were fetched and stored.", counters.ARCHIVED),
    ("bytes_downloaded", "Bytes of the assets that were fetched.", counters.DOWNLOADED),
    ("assets_lost", "Assets that were proven gone before they could be saved.", counters.LOST),
)
_REASON_COUNTERS = (
    ("assets_failed", "Tries to archive an asset that failed, by reason.", counters.FAILED),
    (
        "account_errors",
        "Errors that kept a run from an account, or from going on with it, by reason.",
        counters.ACCOUNT_ERRORS,
    ),
)
_PUSH_COUNTERS = (
    ("webhooks", "Webhooks that came, by what became of them.", counters.WEBHOOKS),
    ("hints", "Hints that came to an end, by how.", counters.HINTS),
)
_DESTINATION_GAUGES: tuple[tuple[str, str, Callable[[Standing], float | None]], ...] = (
    ("copies", "Files that the destination holds, sidecars included.", lambda one: one.copies),
    ("bytes", "Bytes that the destination holds.", lambda one: one.size_bytes),
    (
        "copies_at_fault",
        "Copies that were found damaged or missing and are not healed yet.",
        lambda one: one.at_fault - one.too_new,
    ),
    ("strays", "Files at the destination that are not the archive's.", lambda one: one.strays),
    (
        "proven_since_timestamp_seconds",
        "Each copy was read back, or written and checked, since then; absent without copies.",
        lambda one: _seconds(one.proven_since),
    ),
    (
        "verified_timestamp_seconds",
        "When a verify last read all that was due; absent if none ever did.",
        lambda one: _seconds(one.verified_at),
    ),
    (
        "drilled_timestamp_seconds",
        "When a restore drill last went well; absent if none ever did.",
        lambda one: _seconds(one.drilled_at),
    ),
)


def _of_accounts(accounts: list[_AccountFacts]) -> Iterator[Metric]:
    for name, told, value in _ACCOUNT_GAUGES:
        yield _gauge(name, told, _ACCOUNT, [(one.labels, value(one)) for one in accounts])
    yield _gauge(
        "generations",
        "Generations that were ever listed, by state.",
        (*_ACCOUNT, "state"),
        [
            ((*one.labels, state.value), many)
            for one in accounts
            for state, many in one.states.items()
        ],
    )


def _counters_of_accounts(
    accounts: list[_AccountFacts], counted: Mapping[counters.Counter, int]
) -> Iterator[Metric]:
    for name, told, counter in _ACCOUNT_COUNTERS:
        values = [
            (one.labels, counted.get(counters.Counter(counter, one.record.account), 0))
            for one in accounts
        ]
        yield _counter(name, told, _ACCOUNT, values)
    for name, told, counter in _REASON_COUNTERS:
        reasons = [
            ((*one.labels, reason), many)
            for one in accounts
            for reason, many in _by_reason(counted, counter, one.record.account)
        ]
        yield _counter(name, told, (*_ACCOUNT, "reason"), reasons)
    requests = counted.get(counters.Counter(counters.MEDIA_REQUESTS, ""), 0)
    yield _counter("media_requests", "Requests to media hosts.", (), [((), requests)])


def _of_pushed(watched: Watched, counted: Mapping[counters.Counter, int]) -> Iterator[Metric]:
    """Tell of what came unasked; a webhook of nobody in the config has empty labels."""
    providers = {name: provider for name, (provider, _) in watched.accounts.items()} | {"": ""}
    for name, told, counter in _PUSH_COUNTERS:
        values = [
            ((provider, account, outcome), many)
            for account, provider in providers.items()
            for outcome, many in _by_reason(counted, counter, account)
        ]
        yield _counter(name, told, (*_ACCOUNT, "outcome"), values)


def _of_destinations(index: Index, watched: Watched) -> Iterator[Metric]:
    left_out = failed_destinations(index)
    standings = [standing(index, name) for name in watched.destinations]
    for name, told, value in _DESTINATION_GAUGES:
        values = [((one.destination,), value(one)) for one in standings]
        yield _gauge(f"destination_{name}", told, ("destination",), values)
    yield _gauge(
        "destination_up",
        "0 when the last run had to leave the destination out.",
        ("destination",),
        [((name,), name not in left_out) for name in watched.destinations],
    )


def _of_verify(watched: Watched, counted: Mapping[counters.Counter, int]) -> Iterator[Metric]:
    yield _counter(
        "verify_failures",
        "Copies that verify found wrong, each once, by what is wrong with them.",
        ("destination", "reason"),
        [
            ((name, reason), many)
            for name in watched.destinations
            for reason, many in _by_reason(counted, counters.VERIFY_FAILURES, name)
        ],
    )
    yield _single(
        "verify_interval_seconds",
        "Time between two verifies, by the config.",
        watched.verify_every.total_seconds(),
    )
    yield _single(
        "verify_cycle_seconds",
        "The time in which each copy is read back, by the config.",
        watched.verify_cycle.total_seconds(),
    )


def _of_runs(last: list[RunRecord], concluded: RunRecord | None, now: datetime) -> Iterator[Metric]:
    """Tell of the last run that was over, and whether one is under way."""
    is_under_way = any(run.is_under_way(now) for run in last)
    yield _single("run_under_way", "1 while a run goes on.", is_under_way)
    started_at = concluded.started_at if concluded else None
    ended_at = concluded.ended_at if concluded else None
    yield _single(
        "last_run_start_timestamp_seconds",
        "When the last run began that is over; absent if there is none.",
        _seconds(started_at),
    )
    yield _single(
        "last_run_end_timestamp_seconds",
        "When that run ended; absent if an error broke it off.",
        _seconds(ended_at),
    )
    yield _single(
        "last_run_duration_seconds",
        "How long that run took; absent if an error broke it off.",
        (ended_at - started_at).total_seconds() if ended_at and started_at else None,
    )
    yield _single(
        "last_run_exit_code",
        "Exit code of that run, over all its accounts.",
        concluded.exit_code if concluded else None,
    )


def _of_all(index: Index, watched: Watched, now: datetime) -> Iterator[Metric]:
    open_now = Counter(one.kind for one in troubles(index, watched, now))
    yield _gauge(
        "troubles",
        "What is wrong now and would be told in an alert, by kind.",
        ("kind",),
        [((kind.value,), open_now[kind]) for kind in TroubleKind],
    )
    yield _single(
        "at_risk_seconds",
        "What is this close to its deadline is at risk, by the config.",
        watched.at_risk.total_seconds(),
    )
    yield _single("index_bytes", "Size of the index.", vitals.size_bytes(index))
    told = "The version that wrote these metrics."
    yield _gauge("build_info", told, ("version",), [((__version__,), 1)])


def _by_reason(
    counted: Mapping[counters.Counter, int], name: str, subject: str
) -> list[tuple[str, int]]:
    return sorted(
        (counter.reason, many)
        for counter, many in counted.items()
        if (counter.name, counter.subject) == (name, subject)
    )


def _single(name: str, told: str, value: float | None) -> Metric:
    return _gauge(name, told, (), [((), value)])


def _gauge(name: str, told: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"archiver_{name}", told, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, float(value))
    return family


def _counter(name: str, told: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = CounterMetricFamily(f"archiver_{name}", told, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, float(value))
    return family


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
