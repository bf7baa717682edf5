"""What a store has shown to hold: checksums that are sent, and how its answers prove them.

Promise 1 with stores that differ: some return the SHA-256 they were given, most return an MD5
as the tag, some neither. A receipt names the best that was shown, never what was only sent.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archiver.storage.base import Chunk

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

Body = Sequence[Chunk]
"""Bytes in pieces: they are hashed and sent as they lie."""

_MD5_TAG = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """The one checksum that a request carries."""

    md5: bytes = b""
    sha256: bytes = b""

    @classmethod
    def of(cls, body: Body, *, sends_sha256: bool) -> Checksum:
        """Compute it over a body."""
        made = hashlib.sha256() if sends_sha256 else hashlib.md5(usedforsecurity=False)
        for piece in body:
            made.update(piece)
        return cls(sha256=made.digest()) if sends_sha256 else cls(md5=made.digest())

    @property
    def parameters(self) -> dict[str, Any]:
        """Say it as boto3's arguments."""
        if self.sha256:
            return {"ChecksumSHA256": _base64(self.sha256)}
        return {"ContentMD5": _base64(self.md5)}

    def proven_by(self, answer: Mapping[str, Any]) -> str:
        """Name the checksum that the store has shown for the same bytes, or ""."""
        if self.sha256 and answer.get("ChecksumSHA256") == _base64(self.sha256):
            return "sha256"
        return "md5" if self.md5 and tag_of(answer) == self.md5.hex() else ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part that the store has taken, and how that was proven."""

    number: int
    tag: str
    checksum: Checksum
    proof: str

    def as_listed(self) -> CompletedPartTypeDef:
        """Name it as the completing request does."""
        listed: CompletedPartTypeDef = {"PartNumber": self.number, "ETag": f'"{self.tag}"'}
        if self.checksum.sha256:
            listed["ChecksumSHA256"] = _base64(self.checksum.sha256)
        return listed


def prove_parts(parts: list[Part], answer: Mapping[str, Any]) -> str:
    """Say what the store has shown: that it took each part whole, and joined exactly these."""
    count = len(parts)
    proofs = {part.proof for part in parts}
    joined = hashlib.sha256(b"".join(part.checksum.sha256 for part in parts)).digest()
    shown = answer.get("ChecksumSHA256")
    if proofs == {"sha256"} and shown in (f"{_base64(joined)}-{count}", _base64(joined)):
        return "sha256 of parts by store"
    # The tag of a joined object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    tags = b"".join(bytes.fromhex(part.tag) for part in parts if _MD5_TAG.fullmatch(part.tag))
    joined_tag = f"{hashlib.md5(tags, usedforsecurity=False).hexdigest()}-{count}"
    if len(tags) == 16 * count and len(proofs) == 1 and tag_of(answer) == joined_tag:
        proof = proofs.pop()
        return f"{proof} of parts by store" if proof else "size"
    return "size"


def tag_of(answer: Mapping[str, Any]) -> str:
    """Return the ETag without its quotes, or ""."""
    return str(answer.get("ETag") or "").strip('"')


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
