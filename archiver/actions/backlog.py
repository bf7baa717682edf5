"""Counts generations that are not secured: how many, with how many files, how large, the first."""

from __future__ import annotations

from dataclasses import dataclass

from archiver.index import Index, ledger
from archiver.index.ledger import Waiting


@dataclass(slots=True)
class Backlog:
    """A running count; whoever adds does so in the order of the deadlines."""

    generations: int = 0
    files: int = 0
    stated_files: int = 0
    stated_bytes: int = 0
    first: Waiting | None = None

    def add(self, one: Waiting) -> None:
        """Count one generation; one whose files are not listed yet has a file at least."""
        self.generations += 1
        self.files += max(1, one.files)
        self.stated_files += one.stated_files
        self.stated_bytes += one.stated_bytes
        self.first = self.first or one

    def estimate_bytes(self, index: Index, account: str) -> int:
        """Add up what the provider states; a file that it says nothing of is an average one."""
        files, size_bytes = ledger.stored_bytes(index, account)
        unstated = self.files - self.stated_files
        return self.stated_bytes + (unstated * size_bytes // files if files else 0)
