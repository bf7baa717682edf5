"""Reads one copy back, and tells a copy that is wrong from a destination that is away.

A destination that does not answer, or that is not the archive any more (a disk that was
unmounted), has no missing copies: nothing is known of them. So before a copy is called missing
or unreadable, the marker of its destination is read again.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

from archiver import sidecar
from archiver.actions.archive import Clock
from archiver.actions.marker import read_marker
from archiver.errors import (
    CopyDamaged,
    CopyFrozen,
    CopyMissing,
    DestinationError,
    DestinationUnavailable,
    Interrupted,
    SidecarTooNew,
)
from archiver.index import census
from archiver.index.proofs import Held, Proof
from archiver.model import Digest, Fault
from archiver.storage.base import Destination


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one copy; `proof` is None where nothing could be: away, or frozen.

    `content` is what a sidecar says, when it can be read as one; one that `is_too_new` can be read
    by a newer archiver only.
    """

    held: Held
    proof: Proof | None = None
    content: sidecar.Sidecar | None = None
    is_frozen: bool = False
    is_too_new: bool = False


class Source:
    """One destination that is read from, by several threads. `away` says why it no longer is."""

    def __init__(
        self, destination: Destination, identity: str, clock: Clock, stopping: threading.Event
    ) -> None:
        self.destination = destination
        self.identity = identity
        self.away: DestinationError | None = None
        self._clock = clock
        self._stopping = stopping

    def check(self) -> None:
        """Raise DestinationError unless the archive is still there."""
        if read_marker(self.destination) != self.identity:
            raise DestinationUnavailable(
                f"{self.destination.name} does not hold its archive any more: was it unmounted?"
            )

    def look(self, held: Held) -> Look:
        """Read one copy, twice when the first time fails and the destination still answers."""
        for _ in range(2):
            if self.away is not None:
                return Look(held)
            try:
                return self._read(held)
            except CopyFrozen:
                return Look(held, is_frozen=True)
            except DestinationError as error:
                if not self._answers():
                    return Look(held)
                if isinstance(error, CopyMissing):
                    return Look(held, self._prove(held, Fault.MISSING, None))
        return Look(held, self._prove(held, Fault.UNREADABLE, None))

    def is_young(self, path: str) -> bool:
        """Tell whether a run may just be writing a file, or nothing can be said of it now."""
        try:
            stored = self.destination.stat(path)
        except DestinationError:
            return not self._answers()
        return stored is not None and census.is_young(stored.modified_at, self._clock())

    def _answers(self) -> bool:
        try:
            self.check()
        except DestinationError as error:
            self.away = error
        return self.away is None

    def _read(self, held: Held) -> Look:
        """Hash a copy; of a sidecar, keep what it says. A wrong copy is DAMAGED, to be judged."""
        sha256, size_bytes, body = hashlib.sha256(), 0, bytearray()
        with self.destination.read(held.path) as chunks:
            for chunk in chunks:
                self.refuse_if_stopped()
                sha256.update(chunk)
                size_bytes += len(chunk)
                if held.is_sidecar and len(body) <= sidecar.MAX_BYTES:
                    body += chunk
        found = Digest(size_bytes=size_bytes, sha256=sha256.hexdigest())
        fault = None if found == held.digest else Fault.DAMAGED
        proof = self._prove(held, fault, found)
        if not held.is_sidecar:
            return Look(held, proof)
        try:
            return Look(held, proof, sidecar.decode(bytes(body), held.path))
        except SidecarTooNew:
            return Look(held, proof, is_too_new=True)
        except CopyDamaged:
            return Look(held, proof)

    def _prove(self, held: Held, fault: Fault | None, found: Digest | None) -> Proof:
        return Proof(held=held, fault=fault, found=found, looked_at=self._clock())

    def refuse_if_stopped(self) -> None:
        """Raise Interrupted when somebody asked the program to stop."""
        if self._stopping.is_set():
            raise Interrupted("stopped; what was proven so far is written down")
