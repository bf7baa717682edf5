"""Archives made by hand: as many generations as wanted, in a moment, with files of any name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver import keys, sidecar
from archiver.model import Digest, Generation, Kind, Media, Role, Status

BEGINNING = datetime(2025, 9, 27, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One generation of an image: its files by key, the sidecar among them."""

    id: str
    account: str
    created_at: datetime
    files: dict[str, bytes]
    media_key: str

    @property
    def body(self) -> bytes:
        """The bytes of its image."""
        return self.files[self.media_key]


def make(
    number: int, name: str | None = None, account: str = "studio", prompt: str = "a quiet river"
) -> Made:
    """Make a generation; equal arguments give equal bytes."""
    created_at = BEGINNING + timedelta(minutes=97 * number)
    generation = Generation(
        provider="geminigen",
        account=account,
        id=f"hist_{number:08d}",
        kind=Kind.IMAGE,
        status=Status.COMPLETED,
        created_at=created_at,
        model="nano-banana-pro",
        prompt=f"{prompt} {number}",
        parameters={"aspect_ratio": "16:9"},
        raw={"list": {"uuid": f"hist_{number:08d}", "status": 2}},
    )
    body = f"{account} {number} ".encode() * (20 + number % 50)
    stem = keys.make_stem(keys.DEFAULT_LAYOUT, generation)
    media = Media(
        key="output/0",
        role=Role.OUTPUT,
        kind=Kind.IMAGE,
        path=keys.make_file_key(stem, Role.OUTPUT, 1, "png"),
        original_name=name,
        media_type="image/png",
        digest=Digest(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest()),
        source_url="https://cdn.example.com/image.png",
        source_etag=None,
        fetched_at=created_at + timedelta(minutes=1),
    )
    document = sidecar.Sidecar(
        generation=generation,
        media=(media,),
        missing=(),
        archived_at=created_at + timedelta(minutes=2),
    )
    files = {media.path: body, keys.make_sidecar_key(stem): sidecar.encode(document)}
    return Made(
        id=generation.id,
        account=account,
        created_at=created_at,
        files=files,
        media_key=media.path,
    )


def write(folder: Path, generations: Iterable[Made]) -> dict[str, str]:
    """Put generations into a folder; returns the SHA-256 of each file by its key."""
    hashes: dict[str, str] = {}
    for key, body in files_of(generations):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        hashes[key] = hashlib.sha256(body).hexdigest()
    return hashes


def files_of(generations: Iterable[Made]) -> Iterator[tuple[str, bytes]]:
    """All files by key, one generation after the other."""
    for one in generations:
        yield from one.files.items()
