"""sqlite_utils as the index uses it."""

from __future__ import annotations

from sqlite_utils import Database


class UpsertingDatabase(Database):
    """sqlite_utils without its probe for upserts, which SQLite has known since 3.24 (2018).

    The probe takes any error of the moment (a full disk, a lock) for an old SQLite, and the
    older way that is used then drops rows without a word.
    """

    @property
    def supports_on_conflict(self) -> bool:
        """Always so."""
        return True
