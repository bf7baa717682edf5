"""The kept counts are what counting would say, whatever was written."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.index import (
    Index,
    adopted,
    captured,
    ledger,
    listed,
    open_temporary_index,
    queries,
    standing,
)
from archiver.index.adopted import Adoptable
from archiver.model import Digest, Role, State, Status
from tests.index.making import (
    MASK,
    NOW,
    OUTPUT,
    SECOND,
    add,
    make,
    make_captured,
    make_listed,
    make_media,
    make_missing,
    record,
)

IDS = ("g1", "g2", "g3")
ACCOUNTS = ("studio", "farm")
COUNTED = """
    SELECT 'generations' AS what, account AS subject, state, COUNT(*) AS many, 0 AS size_bytes
    FROM generations GROUP BY account, state
    UNION ALL SELECT 'assets', account, 'archived', COUNT(*), SUM(size_bytes) FROM assets
    JOIN generations ON number = generation WHERE assets.state = 'archived' GROUP BY account
    UNION ALL SELECT 'copies', destination, '', COUNT(*), SUM(size_bytes) FROM copies
    GROUP BY destination
    ORDER BY what, subject, state
"""
KEPT = "SELECT * FROM counts WHERE many <> 0 ORDER BY what, subject, state"

Step = tuple[str, str, str, bool]
STEPS = st.tuples(
    st.sampled_from(
        ["list", "rule out", "begin", "capture", "fail", "lose", "adopt", "adopt all", "want"]
    ),
    st.sampled_from(IDS),
    st.sampled_from(ACCOUNTS),
    st.booleans(),
)


def take(index: Index, step: Step) -> None:
    """Do one step of a history; `other` makes it differ from a repeat of itself."""
    verb, generation_id, account, other = step
    files = (OUTPUT, SECOND, MASK) if other else (OUTPUT,)
    one = make(generation_id, account=account, assets=files, prompt=f"a cat {other}")
    if verb == "list":
        record(index, one)
    elif verb == "begin":
        record(index, make(generation_id, account=account, status=Status.IN_PROGRESS, assets=()))
    elif verb == "rule out":
        record(index, make_listed(one, excluded_because="too old"))
    elif verb == "want":
        listed.want_roles(index, frozenset({Role.OUTPUT, Role.MASK}), NOW)
    elif verb == "adopt":
        adopted.adopt(index, _sidecar(generation_id, account, other=other))
    elif verb == "adopt all":
        many = [_sidecar(one, account, other=other) for one in (*IDS, generation_id)]
        adopted.adopt_all(index, [*many, _sidecar(generation_id, account, other=not other)])
    else:
        _end(index, verb, generation_id, account, other=other)


@cache
def _sidecar(generation_id: str, account: str, *, other: bool) -> Adoptable:
    with closing(open_temporary_index()) as elsewhere:
        one = add(elsewhere, make(generation_id, account=account, assets=(OUTPUT, SECOND)))
    media = [make_media(one, asset) for asset in ((OUTPUT, SECOND) if other else (OUTPUT,))]
    outcome = make_captured(one, media, "vault" if other else "disk")
    return adopted.make_adoptable(one.generation, one.stem, outcome)


def _end(index: Index, verb: str, generation_id: str, account: str, *, other: bool) -> None:
    for one in queries.by_id(index, generation_id, account):
        if one.state not in (State.PENDING, State.FAILED):
            continue
        keys = [known.asset.key for known in one.assets]
        outcome = make_captured(one, state=State.FAILED, next_try_at=NOW)
        if verb == "capture":
            digest = Digest(size_bytes=6 + other, sha256="0" * 64)
            media = [make_media(one, digest=digest)] if OUTPUT.key in keys else []
            outcome = make_captured(one, media, *(("disk", "vault") if other else ("disk",)))
            receipts = [(key, replace(held, digest=digest)) for key, held in outcome.receipts]
            outcome = replace(outcome, receipts=tuple(receipts))
        elif verb == "lose":
            missing = (make_missing(state=State.LOST),) if OUTPUT.key in keys else ()
            outcome = make_captured(one, state=State.LOST, missing=missing)
        captured.record_all(index, [(one.number, outcome)], NOW)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_the_kept_counts_are_those_of_the_rows_after_any_history(steps: list[Step]) -> None:
    """Listed, captured, lost, adopted from sidecars and wanted again: no path forgets to count.

    And whatever is searched is that of the rows as well.
    """
    with closing(open_temporary_index()) as index:
        for step in steps:
            take(index, step)
            assert index.rows(COUNTED) == index.rows(KEPT)
        with index.transaction() as db:  # raises when a word is lacking, or too many are there
            db.execute("INSERT INTO generations_fts (generations_fts) VALUES ('integrity-check')")


def test_what_a_transaction_takes_back_is_not_counted(index: Index) -> None:
    """The counts are part of the transaction of their rows."""
    record(index, make("g1"))
    before = index.rows(KEPT)

    try:
        with index.transaction():
            record(index, make("g2"))
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass

    assert before == index.rows(KEPT)
    assert 1 == ledger.count_known(index, "studio")


def test_rows_that_are_removed_are_counted_no_more(index: Index) -> None:
    """Nothing of ours removes any; who mends an index by hand must not be told wrong numbers."""
    one = add(index)
    captured.record(index, one.number, make_captured(one, [make_media(one)], "disk"), NOW)
    assert (1, 4) == ledger.stored_bytes(index, "studio")
    assert 2 == standing.standing(index, "disk").copies

    with index.transaction() as db:
        for table in ("copies", "assets", "generations"):
            db.table(table).delete_where()

    assert (0, 0) == ledger.stored_bytes(index, "studio")
    assert 0 == standing.standing(index, "disk").copies
    assert 0 == ledger.count_known(index, "studio")


def test_a_file_that_is_captured_again_counts_with_its_new_size(index: Index) -> None:
    """As when its first copy was damaged and the provider still had it."""
    one = add(index)
    captured.record(index, one.number, make_captured(one, [make_media(one)], "disk"), NOW)
    with index.transaction() as db:
        db.execute("UPDATE assets SET size_bytes = 9")
        db.execute("UPDATE copies SET size_bytes = 9 WHERE key <> ''")

    assert (1, 9) == ledger.stored_bytes(index, "studio")
    assert 4 + 9 == standing.standing(index, "disk").size_bytes
