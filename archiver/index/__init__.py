"""The index: a local SQLite database of everything listed, kept, missing and lost.

It is a cache with search: the sidecars alone are enough to rebuild it (promise 2). `database`
opens it, `listed` and `captured` write, `queries` and `ledger` read; `rows` maps between tables
and the words of `archiver.model`.
"""

from archiver.index.database import (
    Index,
    index_as_it_is,
    index_errors,
    index_path,
    open_index,
    open_temporary_index,
    opened_index,
)

__all__ = [
    "Index",
    "index_as_it_is",
    "index_errors",
    "index_path",
    "open_index",
    "open_temporary_index",
    "opened_index",
]
