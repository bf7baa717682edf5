"""Around each run, and after verify and repair: pings, alarms, and the file of metrics.

The same for a one-shot command and for the daemon, which also looks in between. What tells is
loaded where the config names somebody: a poll with no news takes longer to load than to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from archiver.actions.archive import utc_now
from archiver.actions.run import RunSummary
from archiver.config import Config
from archiver.errors import ArchiverError, Interrupted
from archiver.index import opened_index

if TYPE_CHECKING:
    from archiver.actions.troubles import Trouble


@contextmanager
def told(config: Config) -> Iterator[Callable[[RunSummary], None]]:
    """Ping the start and the end of a run, and tell afterwards what is wrong.

    Gives what is to be called with the summary of the run; a run that raises has failed.
    """
    if not config.alerts.name_somebody:
        yield lambda _summary: None
        return
    from archiver.wiring.watching import open_watch

    watch, summaries = open_watch(config), list[RunSummary]()
    watch.started()
    try:
        yield summaries.append
    except Interrupted:
        raise  # whoever stopped it does not want to wait
    except ArchiverError as error:
        watch.ended(error.exit_code, str(error))
        tell_all(config)
        raise
    for summary in summaries:
        watch.ended(summary.exit_code, summary.line)
    tell_all(config)


def tell_all(config: Config) -> list[Trouble]:
    """Tell each trouble once, and its end; returns what is wrong now. Raises nothing of ours."""
    from archiver.actions.troubles import Trouble, TroubleKind, troubles, worth_telling
    from archiver.wiring.watched import watched
    from archiver.wiring.watching import open_watch

    now, facts, watch = utc_now(), watched(config), open_watch(config)
    try:
        with opened_index(config.archive.state_dir) as index:
            found = troubles(index, facts, now)
            if config.alerts.textfile is not None:
                from archiver.actions.metrics import make_metrics

                watch.write_textfile(make_metrics(index, facts, now))
    except ArchiverError as error:
        found = [Trouble(kind=TroubleKind.RUN, subject="", message=str(error))]
        watch.report(found, now, is_complete=False)
    else:
        watch.report(worth_telling(found), now)
    return found
