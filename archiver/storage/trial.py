"""The port of `doctor`: a destination that is tried out, and left as it was found.

A `Destination` cannot delete, and no verb should be able to. What is put there only to see what
the place does has to go again, so a place is opened for that on its own, as a `Trial`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Protocol

from archiver.errors import KeyInvalid
from archiver.keys import OWN_FOLDER, validate_key
from archiver.storage.base import Destination

TRIAL_PREFIX = f"{OWN_FOLDER}trial-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a place tells of itself while nothing is written; None where it does not say.

    `place`: its address, as a person knows it. `is_there`: a directory may still have to be made,
    in `parent`, and `can_be_made` there. `wants_lock`: the config has an object lock. `has_lock`:
    the bucket can lock. `locks_all`: it locks what it is given by itself.
    """

    place: str
    is_there: bool = True
    can_be_made: bool = True
    parent: str | None = None
    free_bytes: int | None = None
    total_bytes: int | None = None
    free_files: int | None = None
    total_files: int | None = None
    wants_lock: bool = False
    has_lock: bool | None = None
    locks_all: bool = False


class Trial(Destination, Protocol):
    """A destination that is tried out.

    `prepare` MUST NOT create the place, nor leave anything there. What is put under a key of
    `make_trial_key` MUST NOT be locked because the config asks for a lock.
    """

    @property
    def clock_skew_seconds(self) -> float | None:
        """How far ahead of this machine's clock the place's was at its last answer, if it told."""

    def look_around(self) -> Surroundings:
        """Tell what can be told without writing; MUST NOT fail because the place is not there."""

    def refuses_damaged(self, key: str) -> bool | None:
        """Try to store bytes that differ from the checksum that goes with them.

        True where the place refuses them, False where it takes them (a file is left under `key`
        then), None where there is no way on which bytes could change.
        """

    def remove(self, key: str) -> bool:
        """Remove what was tried under `key`; False where the place keeps it all the same.

        MUST raise KeyInvalid, and touch nothing, for a key that `make_trial_key` did not make.
        """


def make_trial_key() -> str:
    """Make a key that nobody else uses."""
    return f"{TRIAL_PREFIX}{secrets.token_hex(8)}"


def check_trial_key(key: str) -> str:
    """Return the key, or raise KeyInvalid: nothing else may ever be removed."""
    if not validate_key(key).startswith(TRIAL_PREFIX):
        raise KeyInvalid(f"{key[:80]!r} was not made to be tried out: it is not removed")
    return key
