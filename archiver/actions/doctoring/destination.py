"""Tries out one destination, as docs/stores.md tells stores apart, and leaves it as it was."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from archiver.actions.doctoring.clock import Clocks
from archiver.actions.doctoring.finding import About, Finding, Findings, Verdict
from archiver.actions.doctoring.secret import examine_secrets
from archiver.actions.doctoring.space import examine_names, examine_space
from archiver.actions.marker import read_marker
from archiver.errors import ArchiverError, DestinationError
from archiver.secrets import SecretSource
from archiver.storage.base import Created, put, read_whole
from archiver.storage.trial import TRIAL_PREFIX, Surroundings, Trial, make_trial_key

TRIAL_BYTES = 4096
LONGEST_TRIAL = timedelta(hours=1)
_FIX = "make it work by hand as the user that runs archiver, then run doctor again"
_FIX_AWAY = (
    "mount the right disk or name the right bucket; to begin anew there, give the destination "
    "another name in the config"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One destination as the config has it, and what the index knows.

    `secrets` are what it needs to log in, by option.
    `archives` are the identities that were found at each destination when it was last seen.
    `waiting_bytes` are waiting to be stored.
    """

    name: str
    trial: Trial
    secrets: Mapping[str, SecretSource]
    archives: Mapping[str, str]
    waiting_bytes: int


def examine_destination(about: About, tried: Tried, clocks: Clocks) -> Findings:
    """Look at a destination, then put, read back and remove a file there."""
    findings = list(examine_secrets(about, tried.secrets))
    yield from findings
    if any(finding.verdict is Verdict.PROBLEM for finding in findings):
        return
    with closing(tried.trial) as trial:
        try:
            yield from _examine(about, tried, trial)
        except ArchiverError as error:
            yield about.failure("reachable", error, _FIX)
        finally:
            clocks.hear(about.subject, trial.clock_skew_seconds)


def _examine(about: About, tried: Tried, trial: Trial) -> Findings:
    around = trial.look_around()
    if not around.is_there:
        yield _not_there(about, tried, around)
        yield from _examine_room(about, around, tried.waiting_bytes)
        return
    yield from _examine_room(about, around, tried.waiting_bytes)
    if around.wants_lock and around.has_lock is False:
        yield _no_lock(about)
        return
    trial.prepare()
    yield about.ok("reachable", f"{around.place} can be reached and written")
    yield _marker(about, tried)
    yield from _examine_lock(about, around)
    yield from _try_out(about, trial)


def _not_there(about: About, tried: Tried, around: Surroundings) -> Finding:
    if tried.name in tried.archives:
        return about.problem(
            "marker",
            f"held an archive when it was last seen, and now {around.place} is not there",
            _FIX_AWAY,
        )
    if not around.can_be_made:
        return about.problem(
            "reachable",
            f"{around.place} does not exist, and cannot be made in {around.parent}",
            "make it for the user that runs archiver, or correct its path",
        )
    return about.ok("reachable", f"{around.place} does not exist yet: the first run makes it")


def _marker(about: About, tried: Tried) -> Finding:
    """Tell whether the archive that is there is the one that should be there."""
    remembered = tried.archives.get(tried.name)
    try:
        present = read_marker(tried.trial)
    except DestinationError as error:
        return about.failure("marker", error, _FIX_AWAY)
    twins = [name for name, one in tried.archives.items() if one == present and name != tried.name]
    if twins and present is not None:
        return about.problem(
            "marker",
            f"is the same place as {twins[0]}: two names for one copy are no two copies",
            "remove one of them from the config",
        )
    if remembered is None:
        return about.ok(
            "marker",
            "holds no archive yet: the first run begins one"
            if present is None
            else "holds an archive that the index does not know: the next run takes it over",
        )
    if present == remembered:
        return about.ok("marker", "holds this archive")
    return about.problem(
        "marker",
        "held an archive when it was last seen and holds none now"
        if present is None
        else "holds another archive than when it was last seen",
        _FIX_AWAY,
    )


def _examine_room(about: About, around: Surroundings, waiting_bytes: int) -> Findings:
    if around.free_bytes is not None and around.total_bytes is not None:
        yield from examine_space(about, around.free_bytes, around.total_bytes, waiting_bytes)
    if around.free_files is not None and around.total_files is not None:
        yield from examine_names(about, around.free_files, around.total_files)


def _no_lock(about: About) -> Finding:
    return about.problem(
        "object lock",
        "the config asks for object_lock, but the bucket was made without",
        "make a bucket with object lock, or leave object_lock out",
    )


def _examine_lock(about: About, around: Surroundings) -> Findings:
    if around.wants_lock:
        yield about.ok("object lock", "an upload that asks for it may begin")
    elif around.locks_all:
        yield about.ok(
            "object lock",
            "the bucket locks every file by itself: the files that are tried here stay as well",
        )


def _try_out(about: About, trial: Trial) -> Findings:
    """Put, read back, and see what the place refuses; then remove it all."""
    _remove_leftovers(trial)
    written, new, damaged = keys = tuple(make_trial_key() for _ in range(3))
    stored: list[str] = []
    try:
        verified = yield from _examine_round_trip(about, trial, written)
        stored.append(written)
        yield _condition(about, trial.create(new, b"only once", "text/plain"))
        stored.append(new)
        is_refused = trial.refuses_damaged(damaged)
        stored += [damaged] if is_refused is False else []
        yield from _examine_checksum(about, verified, is_refused)
    except ArchiverError as error:
        yield about.failure("put", error, _FIX)
    kept = [key for key in keys if not trial.remove(key)]
    yield _removal(about, [key for key in kept if key in stored])


def _remove_leftovers(trial: Trial) -> None:
    """Remove what a doctor left that was given up or killed; another may be at work just now."""
    newest_dead_at = datetime.now(UTC) - LONGEST_TRIAL
    for found in list(trial.list(TRIAL_PREFIX)):
        if found.modified_at <= newest_dead_at:
            trial.remove(found.key)


def _examine_round_trip(about: About, trial: Trial, key: str) -> Generator[Finding, None, str]:
    """Put a file and read it back; returns how the place has shown that it took it whole."""
    body = secrets.token_bytes(TRIAL_BYTES)
    began_at = time.monotonic()
    receipt = put(trial, key, [body], "application/octet-stream")
    seconds = time.monotonic() - began_at
    if read_whole(trial, key, TRIAL_BYTES) == body:
        yield about.ok("put", f"a file of 4 KiB was stored in {seconds:.2f} s and read back")
    else:
        yield about.problem(
            "put",
            "a file that was stored came back with other bytes",
            "trust nothing that is there before `archiver verify --all` has read it; check the "
            "disk, or ask whoever runs the store",
        )
    return receipt.verified


def _condition(about: About, created: Created) -> Finding:
    if created is Created.NEW:
        return about.ok("conditional put", "refuses to replace a file that must be new")
    return about.warning(
        "conditional put",
        "the store replaces a file even when it must be new: two machines that begin an archive "
        "at the same moment may both think it theirs, and archiver waits 5 s to see whose it is",
        "begin an archive from one machine, or use a store that keeps If-None-Match",
    )


def _examine_checksum(about: About, verified: str, is_refused: bool | None) -> Findings:
    """Say who notices a file that was changed on its way."""
    if is_refused is None:
        return
    shown = f"what it took is shown as {verified}" if verified != "size" else "it shows only sizes"
    if is_refused:
        yield about.ok("checksum", f"refuses a file that was changed on its way; {shown}")
    elif verified != "size":
        yield about.ok("checksum", f"takes a file that was changed on its way, but {shown}")
    else:
        yield about.warning(
            "checksum",
            f"takes a file that was changed on its way, and {shown}",
            "let `archiver verify` run: it reads every byte back; checksum = "
            '"when_supported" may make the store look',
        )


def _removal(about: About, left: Sequence[str]) -> Finding:
    if not left:
        return about.ok("delete", "what was tried is removed again")
    return about.warning(
        "delete",
        f"{len(left)} small files could not be removed again: {', '.join(left)}",
        "remove them by hand; nothing is wrong if the place is meant to keep everything (an "
        "object lock, credentials that may not delete): archiver itself never deletes",
    )
