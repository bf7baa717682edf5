"""Judges what was read of copies: right, wrong and how, or just being written by a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archiver.actions.verifying.reading import Look, Source
from archiver.actions.verifying.sidecar import names_other_files, says_other
from archiver.index import Index, proofs, queries
from archiver.index.proofs import Held, Proof
from archiver.model import Digest, Fault

Contents = Mapping[str, set[tuple[int, str]]]
"""By SHA-256 the copies that have this content, as generation number and asset key."""


class Judge:
    """Holds what was read against the index; `under_way` counts what a run is just writing."""

    def __init__(self, index: Index, sources: Mapping[str, Source]) -> None:
        self.under_way = 0
        self._index = index
        self._sources = sources

    def judge(self, looks: Sequence[Look]) -> list[Proof]:
        """Say how copies were found; what looks wrong is first looked up again."""
        right, wrong = list[Proof](), list[Look]()
        for look in looks:
            if look.proof is not None and self._is_right(look):
                right.append(look.proof)
            elif (again := self._look_again(look)) is not None:
                wrong.append(again)
        found = {one.proof.found for one in wrong if one.proof is not None}
        contents = proofs.known_contents(
            self._index, {digest.sha256 for digest in found if digest is not None}
        )
        judged = (self._judge(look, contents) for look in wrong)
        return [*right, *(one for one in judged if one is not None)]

    def _is_right(self, look: Look) -> bool:
        """Whether the bytes are the expected ones and, for a sidecar, what they say is known."""
        if look.proof is None or look.proof.fault is not None:
            return False
        if not look.held.is_sidecar or not look.held.is_settled:
            return True
        if look.content is None:
            return False
        known = queries.load(self._index, look.held.number)
        return not names_other_files(look.content, known, self._held_with(look.held))

    def _held_with(self, held: Held) -> set[str]:
        """Name the assets of the same generation that the same destination has."""
        return {
            copy.asset_key
            for copy in queries.copies(self._index, held.number)
            if copy.receipt.destination == held.destination
        }

    def _look_again(self, look: Look) -> Look | None:
        """Look at a copy anew that was replaced since it was read; None when it is gone."""
        again = proofs.load_again(self._index, look.held)
        if again is None:
            return None
        if (again.digest, again.stored_at) != (look.held.digest, look.held.stored_at):
            return self._sources[again.destination].look(again)
        return replace(look, held=again, proof=look.proof and replace(look.proof, held=again))

    def _judge(self, look: Look, contents: Contents) -> Proof | None:
        """Name what is wrong with a copy; None when nothing can be said of it now."""
        proof = look.proof
        if proof is None or proof.found is None or self._is_right(look):
            return proof
        if look.is_too_new:
            return replace(proof, fault=Fault.TOO_NEW)
        if self._is_under_way(look):
            self.under_way += 1
            return None
        return replace(proof, fault=self._name(look, proof.found, contents))

    def _is_under_way(self, look: Look) -> bool:
        """Whether this is the new sidecar of a generation whose row still has to follow."""
        held = look.held
        if look.content is None or held.is_settled:
            return False
        generation = look.content.generation
        is_its_own = (generation.account, generation.id) == (held.account, held.generation_id)
        return is_its_own and self._sources[held.destination].is_young(held.path)

    def _name(self, look: Look, found: Digest, contents: Contents) -> Fault:
        """Name what is wrong with a copy that could be read whole."""
        held = look.held
        is_other = found != held.digest
        if is_other and contents.get(found.sha256, set()) - {(held.number, held.asset_key)}:
            return Fault.SWAPPED
        if look.content is not None:
            known = queries.load(self._index, held.number)
            if says_other(look.content, known, self._held_with(held)):
                return Fault.DISAGREES
        is_short = found.size_bytes < held.digest.size_bytes
        return Fault.TRUNCATED if is_short else Fault.DAMAGED
