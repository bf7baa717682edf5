from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import xmp
from archiver.model import Digest, Generation, Kind, Media, Role, Status
from tests.conftest import require

DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
BY_TRAINED_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
GENERATION = Generation(
    provider="geminigen",
    account="studio",
    id="hist_1",
    kind=Kind.IMAGE,
    status=Status.COMPLETED,
    created_at=datetime(2026, 3, 8, 12, tzinfo=UTC),
    model="imagen-pro",
    name="Küste",
    prompt='猫 & <dogs> "by" the sea ]]> \n 🌊',
    negative_prompt="rain",
)
MEDIA = Media(
    key="output",
    role=Role.OUTPUT,
    kind=Kind.IMAGE,
    path="geminigen/studio/2026/03/08/hist_1.png",
    original_name=None,
    media_type="image/png",
    digest=Digest(size_bytes=1, sha256="0" * 64),
    source_url="https://cdn.example.com/1.png",
    source_etag=None,
    fetched_at=datetime(2026, 3, 9, tzinfo=UTC),
)


def parse(packet: bytes) -> ElementTree.Element:
    """Read a packet as strict XML in UTF-8; raises on anything else."""
    return ElementTree.fromstring(packet.decode("utf-8"))  # noqa: S314  # we wrote it ourselves


def texts(packet: bytes) -> dict[str, str]:
    """The text of every property of a packet; of a language list, its only item."""
    about = parse(packet).find(f"{RDF}RDF/{RDF}Description")
    assert about is not None
    return {
        element.tag: (element.findtext(f"{RDF}Alt/{RDF}li") or element.text or "")
        for element in about
    }


def exiftool(folder: Path, generation: Generation, media: Media = MEDIA) -> dict[str, Any]:
    """What exiftool reads out of a packet, by group and name."""
    program = shutil.which("exiftool")
    require("exiftool", program, "exiftool (libimage-exiftool-perl) is not installed")
    file = folder / "hist_1.png.xmp"
    file.write_bytes(xmp.encode(generation, media))
    command = [str(program), "-json", "-G1", "-n", "-charset", "UTF8", str(file)]
    done = subprocess.run(command, capture_output=True, check=True)
    [document] = json.loads(done.stdout)
    return dict(document)


def test_packet_says_what_was_asked_for_and_that_a_model_made_it() -> None:
    """Prompt, model, time and the IPTC properties for generated media, under their own names."""
    said = texts(xmp.encode(GENERATION, MEDIA))

    assert {
        f"{DC}format": "image/png",
        f"{DC}identifier": "geminigen/studio/hist_1",
        f"{DC}title": "Küste",
        f"{DC}description": GENERATION.prompt,
        "{http://ns.adobe.com/xap/1.0/}CreateDate": "2026-03-08T12:00:00Z",
        "{http://ns.adobe.com/xap/1.0/}CreatorTool": "imagen-pro (geminigen)",
        f"{IPTC}DigitalSourceType": BY_TRAINED_MODEL,
        f"{IPTC}AISystemUsed": "imagen-pro (geminigen)",
        f"{IPTC}AIPromptInformation": f"{GENERATION.prompt}\nNegative prompt: rain",
    } == said


def test_what_a_provider_did_not_tell_is_left_out() -> None:
    """No property is empty, and none is made up."""
    bare = replace(
        GENERATION, model=None, name=None, prompt=None, negative_prompt=None, created_at=None
    )
    said = texts(xmp.encode(bare, MEDIA))

    assert "geminigen" == said[f"{IPTC}AISystemUsed"]
    assert f"{DC}description" not in said
    assert f"{IPTC}AIPromptInformation" not in said
    assert all(said.values())


@pytest.mark.parametrize("role", [Role.REFERENCE, Role.MASK])
def test_file_that_the_user_gave_is_not_called_generated(role: Role) -> None:
    """A reference or a mask may be a photograph: neither a model nor a prompt made it."""
    said = texts(xmp.encode(GENERATION, replace(MEDIA, role=role)))
    assert {f"{DC}format", f"{DC}identifier"} == set(said)


def test_description_is_the_default_of_its_languages() -> None:
    """XMP wants dc:description as a list of languages, with x-default first."""
    [item] = parse(xmp.encode(GENERATION, MEDIA)).findall(f".//{DC}description/{RDF}Alt/{RDF}li")
    assert {"{http://www.w3.org/XML/1998/namespace}lang": "x-default"} == item.attrib


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        ("a\0b\x1b[31m\x85", "a\ufffdb\ufffd[31m\x85"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("whole \ud83c\udf0a pair", "whole 🌊 pair"),
        ("no\uffffcharacter", "no\ufffdcharacter"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
    ],
)
def test_what_xml_cannot_say_is_marked_in_its_place(prompt: str, kept: str) -> None:
    """A control character or half a surrogate pair must not make the packet unreadable."""
    said = texts(xmp.encode(replace(GENERATION, prompt=prompt), MEDIA))
    assert kept == said[f"{DC}description"]


@given(text=st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_text_makes_a_packet_that_can_be_read(text: str) -> None:
    """Whatever strangers write, the XML is well-formed UTF-8; equal input gives equal bytes."""
    hostile = replace(GENERATION, id=text, model=text, name=text, prompt=text, negative_prompt=text)
    packet = xmp.encode(hostile, MEDIA)
    parse(packet)
    assert packet == xmp.encode(hostile, MEDIA)


def test_exiftool_reads_what_was_written(tmp_path: Path) -> None:
    """The tool most photo programs lean on finds each property, without a warning."""
    read = exiftool(tmp_path, GENERATION)

    assert {
        "XMP-dc:Description": GENERATION.prompt,
        "XMP-dc:Title": "Küste",
        "XMP-dc:Format": "image/png",
        "XMP-dc:Identifier": "geminigen/studio/hist_1",
        "XMP-xmp:CreateDate": "2026:03:08 12:00:00Z",
        "XMP-xmp:CreatorTool": "imagen-pro (geminigen)",
        "XMP-iptcExt:DigitalSourceType": BY_TRAINED_MODEL,
        "XMP-iptcExt:AISystemUsed": "imagen-pro (geminigen)",
        "XMP-iptcExt:AIPromptInformation": f"{GENERATION.prompt}\nNegative prompt: rain",
    } == {name: value for name, value in read.items() if name.startswith("XMP-")}
    assert not [name for name in read if "Warning" in name or "Error" in name]


def test_exiftool_reads_a_hostile_prompt(tmp_path: Path) -> None:
    """A prompt that XML cannot say is still a readable description for others."""
    read = exiftool(tmp_path, replace(GENERATION, prompt="a\0b\ud800 </rdf:li> 𝕏"))
    assert "a\ufffdb\ufffd </rdf:li> 𝕏" == read["XMP-dc:Description"]
