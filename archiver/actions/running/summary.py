"""What a run did, in numbers and in lines for a person, and the exit code it comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archiver.actions.forecast import Forecast
from archiver.units import format_size

MAX_SHOWN_PROBLEMS = 50
FEW_FAILED = 2
EXIT_WELL, EXIT_FAILED, EXIT_INCOMPLETE, EXIT_LOSS, EXIT_CREDENTIALS = 0, 1, 3, 4, 12
_WORST_FIRST = (EXIT_LOSS, EXIT_CREDENTIALS, EXIT_FAILED, EXIT_INCOMPLETE, EXIT_WELL)


def worst(codes: Iterable[int]) -> int:
    """Choose the exit code that tells most: loss, a dead key, a bug, what is tried again.

    Any other code was not foreseen here, and says more than those.
    """
    return min(
        codes,
        key=lambda code: _WORST_FIRST.index(code) if code in _WORST_FIRST else -1,
        default=EXIT_WELL,
    )


@dataclass(slots=True)
class AccountSummary:
    """What a run did for one account; `is_cut` when it was told to end before it was through.

    Of the `failed` generations so many are `unplaced`: no destination took their files.
    """

    provider: str
    listed: int = 0
    new: int = 0
    is_sweep: bool = False
    provider_total: int | None = None
    archived: int = 0
    failed: int = 0
    unplaced: int = 0
    lost: int = 0
    files: int = 0
    size_bytes: int = 0
    in_progress: int = 0
    still_due: int = 0
    bad_rows: int = 0
    shrunk_from: int | None = None
    is_cut: bool = False
    error: str | None = None
    error_code: int = EXIT_WELL
    exit_code: int = EXIT_WELL

    def add_code(self, exit_code: int) -> None:
        """Count one more reason not to exit well."""
        self.exit_code = worst((self.exit_code, exit_code))

    def add_error_code(self, exit_code: int) -> None:
        """Count what stopped the account: a loss must not hide that its key was refused."""
        self.error_code = worst((self.error_code, exit_code))
        self.add_code(exit_code)

    @property
    def is_well(self) -> bool:
        """Whether the account is up to date, as far as that is in our hands.

        What is lost stays so, however often it is asked for. A few files that fail again and again
        at their provider are tried until their deadline, and an alarm is raised before that.
        """
        if self.error is not None or self.bad_rows or self.unplaced or self.shrunk_from:
            return False
        is_stuck = self.failed > FEW_FAILED and not self.archived
        return not is_stuck and self.exit_code in (EXIT_WELL, EXIT_LOSS, EXIT_INCOMPLETE)


@dataclass(slots=True)
class RunSummary:
    """What a run did; `problems` are lines for a person, the first ones of many."""

    run_id: str
    started_at: datetime
    ended_at: datetime | None = None
    accounts: dict[str, AccountSummary] = field(default_factory=dict)
    destinations_failed: dict[str, str] = field(default_factory=dict)
    rebuilt: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    media_requests: int = 0
    forecasts: list[Forecast] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The worst of all accounts; a destination that was left out is incomplete."""
        codes = [account.exit_code for account in self.accounts.values()]
        return worst([*codes, EXIT_INCOMPLETE] if self.destinations_failed else codes)

    @property
    def line(self) -> str:
        """The run in one line, for a ping or a status line."""
        told = ("listed", "new", "archived", "failed", "lost")
        numbers = ", ".join(f"{self.total(name)} {name}" for name in told)
        files = self.total("files")
        fetched = f"{files} file{'' if files == 1 else 's'}"
        return f"{numbers}; {fetched}, {format_size(self.total('size_bytes'))}"

    def total(self, name: str) -> int:
        """Add one number up over all accounts."""
        return sum(int(getattr(account, name)) for account in self.accounts.values())

    def add_problem(self, line: str) -> None:
        """Note one more line, while there are not too many."""
        if len(self.problems) < MAX_SHOWN_PROBLEMS:
            self.problems.append(line)
