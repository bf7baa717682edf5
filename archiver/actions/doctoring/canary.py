"""Proves the whole way once: a picture is made, archived, and restored from each destination.

Unlike the rest of `doctor` this writes: it costs credit at the provider, and what it makes stays
in the archive like anything else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from archiver.actions.archive import Account
from archiver.actions.doctoring.finding import About, Finding, Findings
from archiver.actions.drill import drill_one
from archiver.actions.generate import generate, maker_of
from archiver.actions.pushing.desk import Desk
from archiver.actions.pushing.ending import reason_of
from archiver.actions.pushing.following import Followed, FollowOptions, follow
from archiver.errors import ArchiverError, MakingUncertain
from archiver.index import queries
from archiver.index.queries import Copy
from archiver.index.rows import Known
from archiver.model import State, Status
from archiver.providers.making import Wish

PROMPT = "A canary on a perch in a bright room: the trial picture of an archive."
_FIX_ASK = "see whether the account has credit, and what the provider's own pages say of its state"
_FIX_UNCERTAIN = "look at the provider before asking again; `archiver run` finds what was made"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """What the proof is made with: whose account, at which desk, and how long it may take."""

    account: Account
    desk: Desk
    options: FollowOptions
    concurrency: int
    stopping: threading.Event


def examine_canary(about: About, canary: Canary) -> Findings:
    """Go the whole way; it ends at the first step that does not work."""
    began_at = time.monotonic()
    model = maker_of(canary.account).cheapest
    try:
        canary.desk.make_ready()
        known = generate(canary.desk.archive, canary.account, Wish(model=model, prompt=PROMPT))
    except ArchiverError as error:
        is_uncertain = isinstance(error, MakingUncertain)
        yield about.failure("asked", error, _FIX_UNCERTAIN if is_uncertain else _FIX_ASK)
        return
    told = f"{model} was asked for one picture, which costs credit; its id is {known.generation.id}"
    yield about.ok("asked", told)
    [one] = follow(canary.desk, [Followed(id=known.generation.id, known=known)], canary.options)
    trouble = _trouble(about, one)
    if trouble is not None or one.known is None:
        yield from [trouble] if trouble else ()
        return
    yield about.ok("made", f"it took {time.monotonic() - began_at:.0f} seconds{_cost(one.known)}")
    yield from _examine_copies(about, canary, one.known)


def _trouble(about: About, one: Followed) -> Finding | None:
    """Say what kept it from being archived, if something did."""
    known = one.known
    follow_it = f"`archiver wait {one.id}` follows it"
    if one.error is not None:
        return about.failure("made", one.error, follow_it)
    if known is None or known.state is State.IN_PROGRESS:
        return about.problem("made", "it is not finished, and time is up", follow_it)
    if known.generation.status is Status.FAILED:
        return about.problem("made", reason_of(known) or "it failed", _FIX_ASK)
    if known.state is not State.ARCHIVED:
        fix = f"`archiver show {one.id}` tells more; `archiver run` tries it again"
        return about.problem("archived", reason_of(known) or known.state.value, fix)
    return None


def _cost(known: Known) -> str:
    cost = known.generation.cost
    return "" if cost is None else f", and {cost.amount} {cost.unit}"


def _examine_copies(about: About, canary: Canary, known: Known) -> Findings:
    """Look for it at every destination, and restore it from each alone."""
    copies = queries.copies(canary.desk.archive.index, known.number)
    sidecars = {copy.receipt.destination: copy for copy in copies if copy.is_sidecar}
    for name in sorted(canary.desk.archive.names):
        if name in sidecars:
            yield _examine_copy(about, canary, sidecars[name], copies)
        else:
            fix = "`archiver run` brings it there; `archiver doctor` says what is wrong with it"
            yield about.problem("archived", f"{name} does not hold it", fix)


def _examine_copy(about: About, canary: Canary, sidecar: Copy, copies: Sequence[Copy]) -> Finding:
    name = sidecar.receipt.destination
    files = sum(not one.is_sidecar and one.receipt.destination == name for one in copies)
    report = drill_one(
        canary.desk.archive, name, sidecar.receipt.key, canary.concurrency, canary.stopping
    )
    if not report.is_clean:
        fix = "`archiver verify` finds what is wrong, and `archiver repair` heals it"
        return about.problem("restored", "; ".join(report.problems), fix)
    if report.frozen:
        fix = "let its storage_class be one that can be read at once, or thaw it when it is needed"
        return about.warning("restored", f"{name} keeps it in an archive tier", fix)
    return about.ok("restored", f"from {name}: {files} files, each byte what was archived")
