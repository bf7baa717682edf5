"""Opens what `ingest`, `generate` and `wait` work with: accounts, and a desk to capture at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from archiver.actions.archive import Account
from archiver.actions.capturing.commit import CaptureReport
from archiver.actions.pushing.desk import Desk
from archiver.cli.filters import check_configured
from archiver.cli.interrupt import stopping
from archiver.cli.pushing.placed import paths_of
from archiver.cli.settings import Settings
from archiver.cli.watching import LogObserver
from archiver.config import Config
from archiver.errors import Interrupted
from archiver.index import queries
from archiver.index.rows import Known
from archiver.wiring.accounts import Accounts, open_accounts
from archiver.wiring.archive import open_archive
from archiver.wiring.pushing import open_desk, places


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was opened, and the config that it came from."""

    config: Config
    accounts: Accounts
    desk: Desk

    @property
    def concurrency(self) -> int:
        """How many may be captured at a time."""
        return self.config.transfer.concurrency

    def account(self, name: str) -> Account:
        """Give one account; raises what is wrong with it when it cannot be asked."""
        if name in self.accounts.unusable:
            raise self.accounts.unusable[name].error
        return self.accounts.usable[name]

    def paths(self, known: Known | None) -> dict[str, list[str]]:
        """Say where the files of a generation lie at each destination, the sidecar last."""
        if known is None:
            return {}
        copies = queries.copies(self.desk.archive.index, known.number)
        return paths_of(copies, places(self.config))


@contextmanager
def opened(
    settings: Settings,
    names: Sequence[str],
    on_captured: Callable[[CaptureReport], None] = lambda _report: None,
) -> Iterator[Opened]:
    """Open these accounts, all of them where none is named; a new index is made if need be."""
    config = settings.load()
    check_configured(names, config.accounts)
    settings.configure_logs()
    log = LogObserver()

    def captured(report: CaptureReport) -> None:
        log.captured(report)
        on_captured(report)

    with (
        open_archive(config, create_index=True) as archive,
        open_accounts(config, archive.index, names, stopping) as accounts,
        open_desk(config, archive, accounts.usable, stopping, captured) as desk,
    ):
        yield Opened(config=config, accounts=accounts, desk=desk)


def pause(seconds: float) -> None:
    """Wait, unless the program is asked to stop."""
    if stopping.wait(seconds):
        raise Interrupted("stopped while waiting")
