"""The schema of the index, as numbered steps. A step that was released is never edited.

Times are text in UTC with microseconds, so that they sort and compare as text. `number` is the
row number of a generation and joins the tables; (account, id) is its identity. A generation is
due when `next_try_at` is set and past, whatever its state; it `is_secured` when no file is left
to be fetched from the provider. A copy was last read back, and found
right, at `proven_at`; `fault` is what was wrong when it was looked at since. `strays` are files
at a destination that no copy accounts for. `jobs` remember when verify and drill were last tried;
`hints` name generations that are to be asked for now, and `hint_events` what was already heard;
`counters` only ever grow, for metrics. `counts` are kept by triggers, whoever writes and however:
an account's generations by state, its archived files, a destination's copies (`counted`). What is
searched, and how, stands in `fulltext`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from archiver.index import fulltext
from archiver.index.counted import COUNTED

if TYPE_CHECKING:
    from sqlite_utils import Database


class Step(Protocol):
    """One change of the schema: a function that is known by its name for ever."""

    __name__: str

    def __call__(self, db: Database, /) -> None:
        """Make the change; the caller has begun a transaction."""


_FIRST_SCHEMA = """
CREATE TABLE generations (
    number INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    provider TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    model TEXT,
    prompt TEXT,
    negative_prompt TEXT,
    name TEXT,
    created_at TEXT,
    completed_at TEXT,
    expires_at TEXT,
    deadline_at TEXT,
    link_expires_at TEXT,
    stem TEXT NOT NULL,
    stem_folded TEXT NOT NULL UNIQUE,
    details TEXT NOT NULL,
    fingerprint TEXT,
    listed_at TEXT,
    archived_at TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    misses INTEGER NOT NULL DEFAULT 0,
    is_secured INTEGER NOT NULL DEFAULT 0,
    next_try_at TEXT,
    ask_at TEXT,
    may_be_committed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, id),
    CHECK (state NOT IN ('pending', 'failed') OR next_try_at IS NOT NULL)
);
CREATE INDEX generations_due
    ON generations (
        is_secured, COALESCE(deadline_at, '9999'), COALESCE(link_expires_at, '9999'),
        created_at, number
    )
    WHERE next_try_at IS NOT NULL;
CREATE INDEX generations_unsecured ON generations (account, COALESCE(deadline_at, '9999'), number)
    WHERE state IN ('pending', 'failed');
CREATE INDEX generations_by_deadline ON generations (account, deadline_at)
    WHERE deadline_at IS NOT NULL;
CREATE INDEX generations_aside ON generations (account, state)
    WHERE state = 'in_progress' OR state = 'lost';
CREATE INDEX generations_by_time ON generations (COALESCE(created_at, ''), number);
CREATE INDEX generations_moments ON generations (number, COALESCE(created_at, ''));

CREATE TABLE assets (
    generation INTEGER NOT NULL REFERENCES generations (number),
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    role TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    source_url TEXT,
    link_is_whole INTEGER NOT NULL DEFAULT 0,
    with_credentials INTEGER NOT NULL DEFAULT 0,
    stated_size_bytes INTEGER,
    original_name TEXT,
    path TEXT,
    path_folded TEXT UNIQUE,
    media_type TEXT,
    size_bytes INTEGER,
    sha256 TEXT,
    source_etag TEXT,
    fetched_at TEXT,
    reason TEXT,
    http_status INTEGER,
    failed_at TEXT,
    PRIMARY KEY (generation, key)
) WITHOUT ROWID;
CREATE INDEX assets_excluded ON assets (role) WHERE state = 'excluded';

CREATE TABLE copies (
    generation INTEGER NOT NULL REFERENCES generations (number),
    key TEXT NOT NULL,
    destination TEXT NOT NULL,
    path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    stored_at TEXT NOT NULL,
    verified TEXT NOT NULL,
    etag TEXT,
    version_id TEXT,
    proven_at TEXT,
    fault TEXT,
    PRIMARY KEY (generation, key, destination)
) WITHOUT ROWID;
CREATE INDEX copies_by_proof
    ON copies (destination, COALESCE(proven_at, stored_at), size_bytes);
CREATE INDEX copies_at_fault ON copies (destination) WHERE fault IS NOT NULL;

CREATE TABLE strays (
    destination TEXT NOT NULL,
    path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    found_at TEXT NOT NULL,
    PRIMARY KEY (destination, path)
) WITHOUT ROWID;

CREATE TABLE accounts (
    account TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    walk_is_complete INTEGER NOT NULL DEFAULT 0,
    last_walk_at TEXT,
    last_sweep_at TEXT,
    last_success_at TEXT,
    last_error TEXT,
    last_exit_code INTEGER NOT NULL DEFAULT 0,
    first_tried_at TEXT,
    shrunk_from INTEGER,
    too_late INTEGER NOT NULL DEFAULT 0,
    too_late_from TEXT,
    provider_total INTEGER,
    usual_total INTEGER NOT NULL DEFAULT 0,
    retention_seconds REAL,
    unreadable INTEGER NOT NULL DEFAULT 0,
    unlisted INTEGER NOT NULL DEFAULT 0,
    walk_gaps TEXT NOT NULL DEFAULT '[]',
    paused_until REAL NOT NULL DEFAULT 0,
    requests_spent TEXT NOT NULL DEFAULT '[]'
);

CREATE TABLE destinations (
    name TEXT PRIMARY KEY,
    archive_id TEXT NOT NULL,
    first_seen_at TEXT NOT NULL,
    cleaned_at TEXT,
    verified_at TEXT,
    drilled_at TEXT,
    drill_cursor TEXT
);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    alive_at TEXT NOT NULL,
    ended_at TEXT,
    exit_code INTEGER,
    summary TEXT
);
CREATE INDEX runs_by_time ON runs (started_at);

CREATE TABLE jobs (
    name TEXT PRIMARY KEY,
    tried_at TEXT NOT NULL,
    ended_at TEXT,
    succeeded_at TEXT,
    error TEXT
);

CREATE TABLE hints (
    account TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at TEXT NOT NULL,
    PRIMARY KEY (account, generation_id)
) WITHOUT ROWID;
CREATE INDEX hints_by_time ON hints (received_at);

CREATE TABLE hint_events (
    account TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    event TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (account, generation_id, event)
) WITHOUT ROWID;
CREATE INDEX hint_events_by_time ON hint_events (seen_at);

CREATE TABLE counters (
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    value INTEGER NOT NULL,
    PRIMARY KEY (name, subject, reason)
) WITHOUT ROWID;

CREATE TABLE counts (
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    many INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (what, subject, state)
) WITHOUT ROWID;
"""


def m001_first_schema(db: Database) -> None:
    """Create generations with their assets and copies, accounts, destinations and runs."""
    db.executescript(_FIRST_SCHEMA)
    for counted in COUNTED:
        db.executescript(counted.triggers)
    db.executescript(fulltext.SCHEMA)


STEPS: tuple[Step, ...] = (m001_first_schema,)
