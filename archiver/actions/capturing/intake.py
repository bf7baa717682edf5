"""One file's way in: every chunk goes to the hash, the type check and all destinations.

Nothing is kept but the head, which tells the type and so the final name; a destination that
fails is left behind and the others go on (promises 1, 5 and 10).

Where the provider states an image, a video or sound and something else comes, it is doubtful:
binary data of no known format cannot be proven whole, and a picture in place of a film is most
often a placeholder. The first tries refuse it, so that what was a slip is healed by the next
one. What then stays so is kept, with a warning and as what it is (unknown data as `.bin`, a
picture as a picture): it may be a format that nobody knew, and refusing it until its link is
over would lose it for good. docs/reliability.md tells users the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

from archiver.errors import DestinationError, DestinationUnavailable, MediaRejected
from archiver.fetch.containers import (
    HEAD_BYTES,
    UNKNOWN,
    Checker,
    Damaged,
    MediaType,
    NotMedia,
    recognise,
)
from archiver.fibers import together
from archiver.model import Digest, Kind, Receipt
from archiver.storage.base import Target, Upload

LARGE_BYTES = 64 << 10
"""What is more is brought to its end at all destinations at the same time."""
_DOUBTFUL = {
    Kind.IMAGE: (Kind.OTHER,),
    Kind.VIDEO: (Kind.OTHER, Kind.IMAGE),
    Kind.AUDIO: (Kind.OTHER, Kind.IMAGE),
}
"""By what a provider states, what would be odd. Sound and film share their containers, and a
film in place of a picture is an animation: neither is."""


class Intake:
    """A `Receiver` for the media engine that ends in `commit` or `abort`.

    `make_key` makes the final name from the extension that the content asks for. `stated` is
    what the provider says the file is; what is doubtful by it is taken only when told so, and
    then `warning` says what came.
    """

    def __init__(
        self,
        destinations: Mapping[str, Target],
        make_key: Callable[[str], str],
        *,
        stated: Kind = Kind.OTHER,
        takes_doubtful: bool = False,
    ) -> None:
        self._destinations = destinations
        self._make_key = make_key
        self._stated = stated
        self._takes_doubtful = takes_doubtful
        self._uploads: dict[str, Upload] = {}
        self.failures: dict[str, DestinationError] = {}
        self.restart()

    def restart(self) -> None:
        """Forget every byte so far."""
        self.abort()
        self.failures.clear()
        self._head = bytearray()
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0
        self._checker: Checker | None = None
        self.media_type: MediaType | None = None
        self.key: str | None = None
        self.warning: str | None = None

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; raises MediaRejected as soon as they cannot be the file."""
        if self._checker is None:
            self._head += chunk
            if len(self._head) < HEAD_BYTES:
                return
            chunk = self._open()
        self._pass_on(chunk)

    def commit(self) -> tuple[Digest, tuple[Receipt, ...]]:
        """End the file: check that it is whole, then make it visible everywhere.

        Returns its digest and the receipts of the destinations that hold it; `failures` names
        the others. Raises MediaRejected for a file that is not whole, DestinationUnavailable
        when no destination took it.
        """
        if self._checker is None:
            self._pass_on(self._open())
        try:
            if self._checker is not None:
                self._checker.finish()
        except Damaged as error:
            raise MediaRejected(f"the file is not whole: {error}") from None
        digest = Digest(size_bytes=self._size_bytes, sha256=self._sha256.hexdigest())
        receipts: list[Receipt] = []
        self._attempt(
            lambda upload: receipts.append(upload.commit(digest)),
            is_long=self._size_bytes > LARGE_BYTES,
        )
        return digest, tuple(receipts)

    def abort(self) -> None:
        """Leave nothing behind of what was not committed. May be called at any time."""
        for upload in self._uploads.values():
            upload.abort()
        self._uploads = {}

    def _open(self) -> bytes:
        """Recognise the head, begin an upload at every destination, hand the head on."""
        head = bytes(self._head)
        self._head.clear()
        try:
            self.media_type = recognise(head[:HEAD_BYTES])
        except NotMedia as error:
            raise MediaRejected(f"this is no media file: {error}") from None
        self._compare(self.media_type)
        self._checker = Checker(self.media_type)
        self.key = key = self._make_key(self.media_type.extension)
        for name, destination in self._destinations.items():
            try:
                self._uploads[name] = destination.begin(key, self.media_type.media_type)
            except DestinationError as error:
                self.failures[name] = error
        self._require_one()
        return head

    def _compare(self, found: MediaType) -> None:
        """Hold what came against what the provider states."""
        if found.kind not in _DOUBTFUL.get(self._stated, ()):
            return
        what = found.media_type if found is not UNKNOWN else "data of no known format"
        doubt = f"{what} came where the provider stated {self._stated}"
        if not self._takes_doubtful:
            raise MediaRejected(f"{doubt}: it is kept only if it stays so")
        self.warning = doubt

    def _pass_on(self, chunk: bytes) -> None:
        self._size_bytes += len(chunk)
        try:
            if self._checker is not None:
                self._checker.feed(chunk)
        except Damaged as error:
            raise MediaRejected(f"the file is damaged: {error}") from None
        self._attempt(
            lambda upload: upload.write(chunk),
            is_long=not all(one.takes(len(chunk)) for one in self._uploads.values()),
            beside=lambda: self._sha256.update(chunk),
        )

    def _attempt(
        self,
        step: Callable[[Upload], None],
        *,
        is_long: bool,
        beside: Callable[[], None] = lambda: None,
    ) -> None:
        """Take a step of all uploads, and leave those behind that fail; what is long, at once."""
        uploads = list(self._uploads.items())
        steps: list[Callable[[], None]] = [beside, *(partial(step, one) for _, one in uploads)]
        _, *ends = together(steps, is_long=is_long)
        for (name, upload), end in zip(uploads, ends, strict=True):
            if isinstance(end, DestinationError):
                self.failures[name] = end
                del self._uploads[name]
                upload.abort()
            elif isinstance(end, Exception):
                raise end
        self._require_one()

    def _require_one(self) -> None:
        if not self._uploads:
            reasons = "; ".join(str(error) for error in self.failures.values())
            raise DestinationUnavailable(f"no destination takes the file: {reasons}")
