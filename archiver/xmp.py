"""The XMP sidecar: what photo tools read beside a file, so that the file itself is never touched.

One packet for one media file: what it shows (its prompt), when and by what it was made, and
that a trained model made it. Adding the same to the file would break embedded C2PA signatures.

Sources: XMP, ISO 16684-1:2019 (the packet, dc: and xmp:); IPTC Photo Metadata 2025.1,
https://iptc.org/std/photometadata/specification/IPTC-PhotoMetadata (the AI properties); IPTC
digital source types, https://cv.iptc.org/newscodes/digitalsourcetype/.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from archiver.model import Generation, Media, Role
from archiver.units import format_time

MEDIA_TYPE = "application/rdf+xml"
_NAMESPACES = {
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    "xmlns:xmp": "http://ns.adobe.com/xap/1.0/",
    "xmlns:Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MADE_BY_TRAINED_MODEL = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"  # their own http
)
_INPUTS = (Role.REFERENCE, Role.MASK)
"""Files that the user gave and no model made: nothing of the sort is claimed of them."""
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (2.2) has no way to write, and CR, which a reader would turn into LF."""


def encode(generation: Generation, media: Media) -> bytes:
    """Write the XMP packet of one file: UTF-8, newline at the end; equal input, equal bytes."""
    packet = ElementTree.Element("x:xmpmeta", {"xmlns:x": "adobe:ns:meta/"})
    rdf = ElementTree.SubElement(packet, "rdf:RDF", {"xmlns:rdf": _RDF})
    about = ElementTree.SubElement(rdf, "rdf:Description", {"rdf:about": "", **_NAMESPACES})
    _add(about, "dc:format", media.media_type)
    _add(about, "dc:identifier", f"{generation.provider}/{generation.account}/{generation.id}")
    if media.role not in _INPUTS:
        _describe(about, generation)
    ElementTree.indent(packet)
    body: bytes = ElementTree.tostring(packet, encoding="utf-8", xml_declaration=False)
    return body + b"\n"


def _describe(about: ElementTree.Element, generation: Generation) -> None:
    """Say what a model was asked for, and that it made this."""
    tool = _name_tool(generation)
    created_at = generation.created_at
    _add_in_default_language(about, "dc:title", generation.name)
    _add_in_default_language(about, "dc:description", generation.prompt)
    _add(about, "xmp:CreateDate", None if created_at is None else format_time(created_at))
    _add(about, "xmp:CreatorTool", tool)
    _add(about, "Iptc4xmpExt:DigitalSourceType", _MADE_BY_TRAINED_MODEL)
    _add(about, "Iptc4xmpExt:AISystemUsed", tool)
    _add(about, "Iptc4xmpExt:AIPromptInformation", _join_prompts(generation))


def _name_tool(generation: Generation) -> str:
    """Name the model and who ran it: "flux-dev (oxen)". No provider tells a version apart."""
    return (
        f"{generation.model} ({generation.provider})" if generation.model else generation.provider
    )


def _join_prompts(generation: Generation) -> str | None:
    """Join what was asked for and what was ruled out, as the property's user note allows."""
    if not generation.negative_prompt:
        return generation.prompt
    ruled_out = f"Negative prompt: {generation.negative_prompt}"
    return f"{generation.prompt}\n{ruled_out}" if generation.prompt else ruled_out


def _add(parent: ElementTree.Element, name: str, text: str | None) -> None:
    if text:
        ElementTree.SubElement(parent, name).text = _storable(text)


def _add_in_default_language(parent: ElementTree.Element, name: str, text: str | None) -> None:
    """Add a text of no stated language, as XMP's "Language Alternative" wants it."""
    if text:
        choices = ElementTree.SubElement(ElementTree.SubElement(parent, name), "rdf:Alt")
        ElementTree.SubElement(choices, "rdf:li", {"xml:lang": "x-default"}).text = _storable(text)


def _storable(text: str) -> str:
    """Keep what XML can say; each other character becomes U+FFFD, so that its place shows."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _NOT_IN_XML.sub("\ufffd", whole.replace("\r\n", "\n").replace("\r", "\n"))
