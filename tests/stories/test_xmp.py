"""`archive.xmp = true`: a sidecar for photo tools beside each file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.stories.house import House, expected_hashes, media_tree, sidecars

DESCRIPTION = ".//{http://purl.org/dc/elements/1.1/}description//"


def test_every_media_file_gets_an_xmp_sidecar_and_stays_as_it_was(house: House) -> None:
    """It tells the prompt, no receipt is kept of it, and nothing takes it for a stranger."""
    house.has_xmp = True

    assert 0 == house.run().exit_code

    found = media_tree(house.disk)
    packets = {name for name in found if name.endswith(".xmp")}
    kept = {name: digest for name, digest in found.items() if name not in packets}
    assert {f"{name}.xmp" for name in kept} == packets
    assert expected_hashes(house.simulator) == sorted(kept.values())
    for document in sidecars(house.disk):
        for media in document["media"]:
            told = _description(house.disk / f"{media['path']}.xmp")
            assert (document["prompt"] or "").split() == told.split()
    assert 0 == house.archiver("verify", "--all").exit_code


def _description(path: Path) -> str:
    packet = ElementTree.parse(path)  # noqa: S314  # our own file
    return "".join(element.text or "" for element in packet.iterfind(DESCRIPTION)).strip()
