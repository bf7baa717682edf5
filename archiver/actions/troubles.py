"""Says what is wrong now, from the index alone (promise 9: never silent).

Alerts, `health`, `/healthz` and the metrics all ask here, so that they never disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from archiver.actions.running.summary import EXIT_LOSS
from archiver.errors import ArchiverError, CredentialsRejected
from archiver.index import Index, jobs, ledger, vitals
from archiver.index.jobs import JobRecord
from archiver.index.ledger import AccountRecord
from archiver.index.vitals import RunRecord
from archiver.units import format_duration

INTERRUPTED = (130, 143)


class TroubleKind(StrEnum):
    """What can be wrong, in the words of alerts and metrics."""

    CREDENTIALS = "credentials"
    AT_RISK = "at_risk"
    LOST = "lost"
    STALE = "stale"
    SHRUNK = "shrunk"
    DESTINATION = "destination"
    DAMAGED = "damaged"
    RUN = "run"
    CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong: with what, in one sentence.

    `level` grows when it gets worse in a way that is worth telling again, as with what is lost.
    """

    kind: TroubleKind
    subject: str
    message: str
    level: int = 0

    @property
    def key(self) -> str:
        """What makes it the same trouble from one look to the next."""
        return f"{self.kind}:{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the config says of how things should be.

    `accounts` maps each to its provider and its poll interval. Something unsecured that is as
    close to its deadline as `at_risk` is about to be lost.
    """

    accounts: Mapping[str, tuple[str, timedelta]]
    destinations: tuple[str, ...]
    at_risk: timedelta
    verify_every: timedelta
    verify_cycle: timedelta


def troubles(index: Index, watched: Watched, now: datetime) -> list[Trouble]:
    """Name all that is wrong now, a sentence each: what, which, since when, and what to do."""
    runs = vitals.runs(index)
    is_under_way = any(run.is_under_way(now) for run in runs[:1])
    found: list[Trouble | None] = [_of_run(runs, now), *map(_of_job, jobs.load_jobs(index))]
    for name, (provider, every) in watched.accounts.items():
        record = ledger.load_account(index, name, provider)
        found += [
            _credentials(record),
            _failed(record),
            _stale(record, every, now, is_under_way),
            _shrunk(record),
            _at_risk(index, record, watched.at_risk, now),
            _lost(index, name),
        ]
    for name in watched.destinations:
        found += [_left_out(name, runs), _damaged(index, name)]
    return [trouble for trouble in found if trouble is not None]


def worth_telling(found: Sequence[Trouble]) -> list[Trouble]:
    """Leave out what only repeats another trouble: an account whose key is refused gets stale."""
    refused = {one.subject for one in found if one.kind is TroubleKind.CREDENTIALS}
    return [one for one in found if one.kind is not TroubleKind.STALE or one.subject not in refused]


def _of_run(runs: Sequence[RunRecord], now: datetime) -> Trouble | None:
    """Judge the last run that says something: not one under way, nor one that was told to stop."""
    for number, run in enumerate(runs):
        if run.tried_destinations:
            return None  # it came to its end, or `_left_out` tells why not
        started = f"the run of {_moment(run.started_at)}"
        if run.exit_code is None and number == 0 and not run.is_under_way(now):
            told = f"{started} did not come to its end: it was killed, or the machine went down"
            return _run_trouble("run", f"{told}; the next one goes on from there: start it")
        if run.exit_code is not None and run.exit_code not in INTERRUPTED:
            return _run_trouble("run", f"{started} broke off: {run.error}")
    return None


def _of_job(job: JobRecord) -> Trouble | None:
    if job.error is None:
        return None
    if job.name == jobs.RELOAD:
        first = job.error.partition("\n")[0]
        message = f"the daemon refused its new config and goes on with the old one: {first}"
        return Trouble(
            kind=TroubleKind.CONFIG,
            subject="",
            message=f"{message}: `archiver config validate` names each mistake; then reload it",
        )
    since = f"; it last went well at {_moment(job.succeeded_at)}" if job.succeeded_at else ""
    command = {"verify": "archiver verify", "drill": "archiver verify --drill"}.get(job.name)
    hint = f": `{command}` says more" if command else ""
    return _run_trouble(job.name, f"the last {job.name} failed ({job.error}){since}{hint}")


def _run_trouble(subject: str, message: str) -> Trouble:
    return Trouble(kind=TroubleKind.RUN, subject=subject, message=message)


def _credentials(record: AccountRecord) -> Trouble | None:
    if record.last_exit_code != CredentialsRejected.exit_code:
        return None
    return Trouble(
        kind=TroubleKind.CREDENTIALS,
        subject=record.account,
        message=f"{record.account} cannot log in at {record.provider} ({record.last_error}); "
        f"{_last_success(record)}: see to its api_key, then "
        f"`archiver run --account {record.account}`",
    )


def _failed(record: AccountRecord) -> Trouble | None:
    """Tell of a bug that only one account's answers set off."""
    if record.last_exit_code != ArchiverError.exit_code:
        return None
    message = (
        f"the last run over {record.account} ended with an error ({record.last_error}); "
        f"{_last_success(record)}: please report it"
    )
    return _run_trouble(record.account, message)


def _stale(
    record: AccountRecord, every: timedelta, now: datetime, is_under_way: bool
) -> Trouble | None:
    """Tell of an account without a success in two intervals.

    A run that goes on for longer than that is fine, if the account went well before. One that
    was never tried to the end is none of ours: of a run that never ends `_of_run` tells. A success
    that is yet to come proves nothing: the clock was ahead then, and would silence the alarm.
    """
    since = record.last_success_at or record.first_tried_at
    went_well = record.last_error is None and record.last_exit_code in (0, EXIT_LOSS)
    if since is None or abs(now - since) <= every * 2 or (is_under_way and went_well):
        return None
    if since > now:
        why = "the clock of this machine was ahead then, so nobody knows: `archiver run`"
    elif record.last_error is not None:
        why = f"{record.last_error}; `archiver status` says more"
    elif not went_well:
        why = "something in it fails again and again: `archiver status` says what"
    else:
        why = "nothing asked it: see that the daemon, the timer or the cron job runs"
    return Trouble(
        kind=TroubleKind.STALE,
        subject=record.account,
        message=f"{record.account} should be archived every {format_duration(every)}, and "
        f"{_last_success(record)}: {why}",
    )


def _shrunk(record: AccountRecord) -> Trouble | None:
    if record.shrunk_from is None:
        return None
    return Trouble(
        kind=TroubleKind.SHRUNK,
        subject=record.account,
        message=f"{record.account} lists less than half of the {record.shrunk_from} generations "
        f"that {record.provider} used to list; nothing is deleted here. If that is right: "
        f"`archiver run --account {record.account} --accept-shrunk`",
    )


def _at_risk(
    index: Index, record: AccountRecord, margin: timedelta, now: datetime
) -> Trouble | None:
    """Tell what is about to be lost: it is close, or the last runs were too slow for it."""
    near = vitals.at_risk(index, record.account, now, margin)
    if near.first_deadline_at is not None:
        many, from_at = near.count, near.first_deadline_at
        why = "`archiver status` says what stands in the way"
    elif record.too_late_from is not None and record.too_late_from > now:
        many, from_at = record.too_late, record.too_late_from
        why = "at the pace of the last runs it comes too late: run longer or more often"
    else:
        return None
    what = f"{many} generation{'' if many == 1 else 's'} of {record.account}"
    return Trouble(
        kind=TroubleKind.AT_RISK,
        subject=record.account,
        message=f"{what} will be lost from {_moment(from_at)} on, if not archived before: {why}",
    )


def _lost(index: Index, account: str) -> Trouble | None:
    many = vitals.count_lost(index, account)
    if not many:
        return None
    what = f"{many} asset{'' if many == 1 else 's'} of {account}"
    return Trouble(
        kind=TroubleKind.LOST,
        subject=account,
        message=f"{what} could not be saved in time, in all; the prompts are kept: "
        f"`archiver ls --status lost --account {account}` names them",
        level=many,
    )


def _left_out(name: str, runs: Sequence[RunRecord]) -> Trouble | None:
    """Tell of a destination that the last run had to leave out, and since which run."""
    telling = [run for run in runs if run.tried_destinations]
    out = list(takewhile(lambda run: name in run.destinations_failed, telling))
    if not out:
        return None
    reason = out[0].destinations_failed[name].removeprefix(f"{name}: ")
    return Trouble(
        kind=TroubleKind.DESTINATION,
        subject=name,
        message=f"{name} is left out since the run of {_moment(out[-1].started_at)} ({reason}): "
        "once it works, the next run brings what it lacks",
    )


def _damaged(index: Index, destination: str) -> Trouble | None:
    many = vitals.count_damaged(index, destination)
    if not many:
        return None
    is_one = many == 1
    what = f"{many} {'copy' if is_one else 'copies'} at {destination} {'is' if is_one else 'are'}"
    return Trouble(
        kind=TroubleKind.DAMAGED,
        subject=destination,
        message=f"{what} damaged or missing: `archiver repair` heals what can be healed",
    )


def _last_success(record: AccountRecord) -> str:
    if record.last_success_at is None:
        return "it never went well"
    return f"it last went well at {_moment(record.last_success_at)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
