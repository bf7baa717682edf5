"""The text of a bag: BagIt 1.0, RFC 8493, with SHA-256.

A manifest has a line for each file, so it grows in a temporary file and memory stays flat
however much is exported (promise 10).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from typing import IO

from archiver.model import Digest

PAYLOAD_FOLDER = "data"
MANIFEST_NAME = "manifest-sha256.txt"
DECLARATION_NAME = "bagit.txt"
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
INFO_NAME = "bag-info.txt"
TAG_MANIFEST_NAME = "tagmanifest-sha256.txt"
_KEPT_IN_MEMORY_BYTES = 1 << 20
_ENCODED = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
"""RFC 8493, 2.1.3: these and no others. The bagit library 1.9.0 does not read "%25" back."""


class Manifest:
    """The payload's manifest while it grows, and the sums that bag-info.txt tells."""

    def __init__(self) -> None:
        self._text = tempfile.SpooledTemporaryFile(_KEPT_IN_MEMORY_BYTES)  # noqa: SIM115  # see `close`
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0
        self.files = 0
        self.payload_bytes = 0

    def add(self, key: str, digest: Digest) -> None:
        """Enter one file of the payload, by its path below `data/`."""
        line = make_line(f"{PAYLOAD_FOLDER}/{key}", digest.sha256)
        self._text.write(line)
        self._sha256.update(line)
        self._size_bytes += len(line)
        self.files += 1
        self.payload_bytes += digest.size_bytes

    @property
    def digest(self) -> Digest:
        """What the manifest is as a file, as far as it was written."""
        return Digest(size_bytes=self._size_bytes, sha256=self._sha256.hexdigest())

    def rewind(self) -> IO[bytes]:
        """Give the text, to be read from its beginning."""
        self._text.seek(0)
        return self._text

    def close(self) -> None:
        """Give the temporary file back."""
        self._text.close()


def make_line(path: str, sha256: str) -> bytes:
    """Write one line of a manifest; `path` is relative to the bag."""
    return f"{sha256}  {path.translate(_ENCODED)}\n".encode()


def make_info(elements: Iterable[tuple[str, str]]) -> bytes:
    """Write bag-info.txt: one line an element; a label may come again (RFC 8493, 2.2.2)."""
    return "".join(f"{label}: {' '.join(value.split())}\n" for label, value in elements).encode()


def make_digest(body: bytes) -> Digest:
    """Tell what a small file is."""
    return Digest(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
