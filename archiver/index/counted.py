"""The counts that are kept: which rows are counted, and the SQL that keeps them.

Triggers keep them, whoever writes and however. Only who adds thousands of generations at a time
(`gathered`) lets them rest, and counts what is new once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows of a table that are counted: under which subject and state, and which of them.

    `{row}` stands for the row before or after. A change of another column counts nothing.
    `number` is the column with the row number of their generation.
    """

    table: str
    number: str
    subject: str
    state: str
    size: str
    changes: tuple[str, ...]
    condition: str = "1"

    @property
    def triggers(self) -> str:
        """The SQL of its triggers; a change is one less of what was and one more of what is."""
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in self.changes)
        update = f"UPDATE OF {', '.join(self.changes)}"
        return "".join(
            (
                self._trigger("come", "INSERT", "1", self._more),
                self._trigger("gone", "DELETE", "1", self._fewer),
                self._trigger("were", update, f"({changed})", self._fewer),
                self._trigger("are", update, f"({changed})", self._more),
            )
        )

    @property
    def coming(self) -> str:
        """The name of the trigger that counts a row which is added."""
        return f"{self.table}_come"

    @property
    def added_since(self) -> str:
        """The SQL that counts what came of all generations after a number (`?`).

        The plus keeps SQLite from grouping by an index, which it would read from end to end.
        """
        subject, state, size = (
            part.format(row=self.table) for part in (self.subject, self.state, self.size)
        )
        return (
            f"INSERT INTO counts SELECT '{self.table}', +{subject} AS subject, +{state} AS state,"
            f" COUNT(*), SUM({size}) FROM {self.table}"
            f" WHERE {self.number} > ? AND {self.condition.format(row=self.table)}"
            " GROUP BY 2, 3 ON CONFLICT (what, subject, state) DO UPDATE SET"
            " many = many + excluded.many, size_bytes = size_bytes + excluded.size_bytes"
        )

    def _trigger(self, name: str, event: str, condition: str, count: tuple[str, str]) -> str:
        row, statement = count
        return (
            f"CREATE TRIGGER {self.table}_{name} AFTER {event} ON {self.table}"
            f" WHEN {condition} AND {self.condition.format(row=row)} BEGIN {statement}; END;\n"
        )

    @property
    def _more(self) -> tuple[str, str]:
        subject, state, size = (
            part.format(row="NEW") for part in (self.subject, self.state, self.size)
        )
        return "NEW", (
            f"INSERT INTO counts VALUES ('{self.table}', {subject}, {state}, 1, {size})"
            " ON CONFLICT (what, subject, state) DO UPDATE SET"
            " many = many + 1, size_bytes = size_bytes + excluded.size_bytes"
        )

    @property
    def _fewer(self) -> tuple[str, str]:
        subject, state, size = (
            part.format(row="OLD") for part in (self.subject, self.state, self.size)
        )
        return "OLD", (
            f"UPDATE counts SET many = many - 1, size_bytes = size_bytes - {size}"
            f" WHERE what = '{self.table}' AND subject = {subject} AND state = {state}"
        )


COUNTED = (
    Counted("generations", "number", "{row}.account", "{row}.state", "0", ("account", "state")),
    Counted(
        "assets",
        "generation",
        "(SELECT account FROM generations WHERE number = {row}.generation)",
        "'archived'",
        "COALESCE({row}.size_bytes, 0)",
        ("state", "size_bytes"),
        "{row}.state = 'archived'",
    ),
    Counted(
        "copies",
        "generation",
        "{row}.destination",
        "''",
        "{row}.size_bytes",
        ("destination", "size_bytes"),
    ),
)
