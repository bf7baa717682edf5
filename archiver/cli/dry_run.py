"""`archiver run --dry-run`: lists for real, into a copy of the index that is thrown away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from archiver.actions.archive import Archive, utc_now
from archiver.actions.links import LiveLinks
from archiver.actions.walk import WalkOptions, walk
from archiver.cli.interrupt import stopping
from archiver.cli.output import print_json, print_table, relative
from archiver.config import Config
from archiver.errors import ArchiverError
from archiver.index import Index, ledger, open_temporary_index
from archiver.index.database import copy_into, index_path
from archiver.wiring import open_accounts


def dry_run(
    config: Config,
    names: tuple[str, ...],
    walks: WalkOptions,
    as_json: bool,
) -> int:
    """Show what a run would capture; returns the exit code that its listing would have."""
    found: dict[str, dict[str, object]] = {}
    exit_code = 0
    with _copied_index(config) as index, open_accounts(config, index, names, stopping) as accounts:
        archive = Archive(
            index=index,
            destinations={},
            names=frozenset(),
            required=frozenset(),
            layout=config.archive.layout,
            roles=frozenset(config.transfer.roles),
        )
        errors: dict[str, ArchiverError] = dict(accounts.unusable)
        for name, account in accounts.usable.items():
            try:
                report = walk(archive, account, walks, LiveLinks())
            except ArchiverError as error:
                errors[name] = error
                continue
            waiting = ledger.unsecured(index, name)
            found[name] = {
                "listed": report.listed,
                "new": report.new,
                "to_capture": waiting.count,
                "first_deadline_at": waiting.first_deadline_at,
                "error": None,
            }
        for name, failure in errors.items():
            found[name] = {"listed": 0, "new": 0, "to_capture": 0, "error": str(failure)}
            exit_code = max(exit_code, failure.exit_code)
    _print(found, as_json)
    return exit_code


@contextmanager
def _copied_index(config: Config) -> Iterator[Index]:
    index = open_temporary_index()
    try:
        path = index_path(config.archive.state_dir)
        if path.exists():
            copy_into(path, index)
        yield index
    finally:
        index.close()


def _print(found: dict[str, dict[str, object]], as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, "accounts": found})
        return
    now = utc_now()
    rows = []
    for name, one in found.items():
        first = one.get("first_deadline_at")
        deadline = relative(first if isinstance(first, datetime) else None, now)
        result = str(one["error"] or "would be captured")
        rows.append(
            (name, str(one["listed"]), str(one["new"]), str(one["to_capture"]), deadline, result)
        )
    print_table(
        ("ACCOUNT", "LISTED", "NEW", "TO CAPTURE", "FIRST DEADLINE", "RESULT"),
        rows,
        right=("LISTED", "NEW", "TO CAPTURE"),
    )
