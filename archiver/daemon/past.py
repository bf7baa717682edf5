"""When everything was last tried, as the index remembers it: the schedule survives restarts."""

from __future__ import annotations

from datetime import UTC, datetime

from archiver.actions.status import last_tried_at
from archiver.config import Config
from archiver.daemon.timetable import DRILL, VERIFY, Past
from archiver.errors import ArchiveMissing, ArchiverError, IndexUnavailable
from archiver.index import Index, jobs, ledger, opened_index
from archiver.wiring.accounts import refuse_other_provider

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING = Past(accounts={}, sweep_at=None, verify_at=None, drill_at=None)


def refuse_contradictions(config: Config) -> None:
    """Raise ConfigInvalid where an account is another provider's by the index."""
    try:
        with opened_index(config.archive.state_dir) as index:
            for name, options in config.accounts.items():
                refuse_other_provider(index, name, options.provider)
    except (ArchiveMissing, IndexUnavailable):
        return  # the first pass meets the same error, and tells it


def load_past(config: Config) -> Past:
    """Load it; where there is no index that can be read, nothing was ever tried."""
    try:
        with opened_index(config.archive.state_dir) as index:
            return _load(config, index)
    except ArchiverError:
        return NOTHING  # the first pass meets the same error, and tells it


def _load(config: Config, index: Index) -> Past:
    records = [
        ledger.load_account(index, name, options.provider)
        for name, options in config.accounts.items()
    ]
    tried = {record.account: last_tried_at(index, record) for record in records}
    sweeps = [record.last_sweep_at for record in records if record.last_sweep_at is not None]
    return Past(
        accounts={name: moment for name, moment in tried.items() if moment is not None},
        sweep_at=min(sweeps, default=None) if len(sweeps) == len(records) else None,
        verify_at=_begun_at(config, index, VERIFY),
        drill_at=_begun_at(config, index, DRILL),
    )


def _begun_at(config: Config, index: Index, job: str) -> datetime | None:
    """Tell when a job was last tried; one that never was counts from the start of the archive.

    One that was cut, by the end of the machine or of the daemon, is due again.
    """
    record = jobs.load_job(index, job)
    if record.tried_at is None:
        return ledger.first_run_at(index)
    return LONG_AGO if record.was_cut else record.tried_at
