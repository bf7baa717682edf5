"""Copies one file from a destination to another, proving on the way that it is the right one."""

from __future__ import annotations

import hashlib

from archiver.errors import CopyDamaged
from archiver.model import Digest, Receipt
from archiver.storage.base import Destination


def copy_file(
    source: Destination,
    target: Destination,
    key: str,
    digest: Digest,
    media_type: str,
    target_key: str | None = None,
) -> Receipt:
    """Copy a file; raises CopyDamaged, and leaves nothing, when the source holds another one."""
    upload = target.begin(target_key or key, media_type)
    sha256, size_bytes = hashlib.sha256(), 0
    try:
        with source.read(key) as chunks:
            for chunk in chunks:
                sha256.update(chunk)
                size_bytes += len(chunk)
                upload.write(chunk)
        if (size_bytes, sha256.hexdigest()) != (digest.size_bytes, digest.sha256):
            raise CopyDamaged(f"{source.name}: {key} is not what was stored there")
        return upload.commit(digest)
    finally:
        upload.abort()


def holds(destination: Destination, key: str, digest: Digest) -> bool:
    """Tell whether a destination already holds exactly this file; reads it only if sizes agree."""
    stored = destination.stat(key)
    if stored is None or stored.size_bytes != digest.size_bytes:
        return False
    sha256 = hashlib.sha256()
    with destination.read(key) as chunks:
        for chunk in chunks:
            sha256.update(chunk)
    return sha256.hexdigest() == digest.sha256


def holds_other(destination: Destination, key: str, digest: Digest) -> bool:
    """Tell whether a destination holds some other file under this key."""
    return destination.stat(key) is not None and not holds(destination, key, digest)
