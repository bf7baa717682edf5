"""Binary content of no known format: kept as it is, so that nothing is lost.

Nothing can be proven about it but that it is not empty; `recognise` has refused what is text.
"""

from archiver.fetch.containers.format import Format
from archiver.fetch.containers.media_types import UNKNOWN
from archiver.fetch.containers.stream import ByteStream, Steps


def sniff(head: bytes) -> None:
    """Claim nothing: unknown is what is left when no format has claimed a head."""


def walk(stream: ByteStream) -> Steps[None]:
    """Accept any body of at least one byte."""
    stream.missing = "any content"
    yield from stream.take(1)
    yield from stream.rest()


FORMAT = Format(name="File", media_types=(UNKNOWN,), sniff=sniff, walk=walk)
