"""Recognise media by content, and prove while it streams that its container is whole.

Keeps promise 1 of SPEC.md (an error page, an empty body or a truncated file is never stored as
media, even without a Content-Length), promise 8 (an extension comes from an allow-list, by
content) and promise 10 (memory does not grow with the body).

    media_type = recognise(first_bytes)     # NotMedia: a page, a document, nothing at all
    checker = Checker(media_type)
    checker.feed(chunk)                     # Damaged: as soon as the structure is broken
    checker.finish()                        # Damaged: the end of the container never came

Looking to add a format? Write one module in `formats`, whose docstring names the format's source,
what it proves and what it cannot, and add its line to the table in `formats/__init__.py`.
"""

from archiver.fetch.containers.checker import Checker
from archiver.fetch.containers.faults import Damaged, NotMedia
from archiver.fetch.containers.media_types import UNKNOWN, MediaType
from archiver.fetch.containers.recognise import HEAD_BYTES, recognise

__all__ = ["HEAD_BYTES", "UNKNOWN", "Checker", "Damaged", "MediaType", "NotMedia", "recognise"]
