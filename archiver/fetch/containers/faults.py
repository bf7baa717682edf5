"""The two ways in which a body fails: it was never media, or it is not whole.

    ValueError
    ├── NotMedia    what came instead: a page, a document, compressed data, nothing
    └── Damaged     media, but cut short or broken

The text is a plain reason; the caller knows the item and adds it.
"""


class NotMedia(ValueError):
    """The body is not a media file."""


class Damaged(ValueError):
    """The body is a media file whose structure is broken or incomplete."""
