"""The names in a bucket, a thousand a request, with their sizes and times (promises 7 and 10).

A listing that ends early would call files missing that are there: whatever is no whole page is an
error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from archiver.errors import DestinationUnavailable

if TYPE_CHECKING:
    from archiver.storage.s3.bucket import Bucket

PAGE_KEYS = 1000
_ROOT = "ListBucketResult"


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing: name, size and time of objects, and how to ask for the next part."""

    objects: list[tuple[str, int, datetime]]
    next_token: str | None


def list_objects(bucket: Bucket, prefix: str) -> Iterator[tuple[str, int, datetime]]:
    """Name all objects whose name starts with `prefix`, one page in memory at a time."""
    token: dict[str, str] = {}
    while True:
        with bucket.errors():
            text = bucket.wire.fetch(
                "ListObjectsV2", EncodingType="url", MaxKeys=PAGE_KEYS, Prefix=prefix, **token
            )
        page = _read(bucket, text)
        yield from page.objects
        if page.next_token is None:
            return
        if token.get("ContinuationToken") == page.next_token:
            raise DestinationUnavailable(f"{bucket.where}: the listing goes in circles")
        token = {"ContinuationToken": page.next_token}


def _read(bucket: Bucket, text: bytes) -> Page:
    try:
        return read_page(text)
    except (ElementTree.ParseError, ValueError, KeyError) as error:
        raise DestinationUnavailable(
            f"{bucket.where}: the listing cannot be read ({error}); it is tried again later"
        ) from error


def read_page(text: bytes) -> Page:
    """Read the answer to ListObjectsV2; raises ValueError, KeyError or ParseError.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    if b"<!DOCTYPE" in text:
        raise ValueError("it defines words of its own")
    root = ElementTree.fromstring(text)  # noqa: S314 - without entities there is nothing to attack
    if _tag(root) != _ROOT:
        raise ValueError(f"it is <{_tag(root)}>, not <{_ROOT}>")
    told: dict[str, str] = {}
    found = []
    for child in root:
        if child.tag.endswith("Contents"):
            found.append({one.tag.rpartition("}")[2]: one.text or "" for one in child})
        else:
            told[_tag(child)] = child.text or ""
    is_quoted = told.get("EncodingType") == "url"
    objects = [
        (
            unquote_plus(one["Key"]) if is_quoted else one["Key"],
            int(one["Size"]),
            datetime.fromisoformat(one["LastModified"]),
        )
        for one in found
    ]
    is_cut = told.get("IsTruncated") == "true"
    return Page(objects, told["NextContinuationToken"] if is_cut else None)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
