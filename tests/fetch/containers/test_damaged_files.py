"""Cut and broken files are refused, but for what the formats' docstrings say cannot be proven."""

import random
from collections.abc import Iterable

import pytest

from archiver.fetch.containers import HEAD_BYTES, Checker, Damaged, NotMedia, recognise
from archiver.fetch.containers.media_types import MP3, PNG

from .encoders import image
from .samples import UNPROVEN, WHOLE, body_of, box, check, endless_wav

ALL_CUTS_UP_TO_BYTES = 5000
EDGE_CUTS = 300
INNER_CUTS = 800


def cuts(body: bytes) -> Iterable[int]:
    """Choose lengths at which to cut: all of a small file, else both ends and some between."""
    size = len(body)
    if size <= ALL_CUTS_UP_TO_BYTES:
        return range(size)
    inner = random.Random(size).sample(range(size), INNER_CUTS)
    return sorted({*range(EDGE_CUTS), *inner, *range(size - EDGE_CUTS, size)})


def accepted(body: bytes) -> bool:
    """Tell whether a body passes for a whole media file."""
    try:
        check(body)
    except (NotMedia, Damaged):
        return False
    return True


@pytest.mark.parametrize("name", WHOLE)
def test_every_cut_is_refused(name: str) -> None:
    """A truncated file is never accepted, wherever it ends."""
    body = body_of(name)

    assert [size for size in cuts(body) if accepted(body[:size])] == []


@pytest.mark.parametrize("name", UNPROVEN)
def test_unproven_cuts_are_no_more_than_stated(name: str) -> None:
    """Where a cut cannot be proven, no more cuts pass than the table states."""
    body = body_of(name)

    passed = [size for size in cuts(body) if accepted(body[:size])]

    assert len(passed) <= UNPROVEN[name].passing_cuts, UNPROVEN[name].reason


def test_every_flipped_bit_of_a_png_is_refused() -> None:
    """The checksums of a PNG show every single damaged bit."""
    body = image("PNG")
    for at in range(len(body)):
        flipped = bytes([body[at] ^ 1 << at % 8])
        with pytest.raises((NotMedia, Damaged)):
            checker = Checker(PNG)
            checker.feed(body[:at] + flipped + body[at + 1 :])
            checker.finish()


@pytest.mark.parametrize("at_share", [0.3, 0.6, 0.95])
def test_flipped_bits_of_an_ogg_are_refused(at_share: float) -> None:
    """The checksums of Ogg pages show damaged bits."""
    body = bytearray(body_of("ogg, opus"))
    body[int(len(body) * at_share)] ^= 4

    with pytest.raises(Damaged, match="checksum of a page"):
        check(bytes(body))


@pytest.mark.parametrize(
    "name", ["mp3, CBR", "aac", "flac", "ogg, opus", "glb", "mp4", "jxl, container"]
)
def test_harmful_trailing_bytes_are_refused(name: str) -> None:
    """Foreign bytes behind a format that needs its last unit whole are damage."""
    with pytest.raises(Damaged):
        check(body_of(name) + b"<html>Service Unavailable</html>")


def test_missing_frame_of_a_flac_is_refused() -> None:
    """Frames are numbered: one that is missing between others is damage."""
    body = body_of("flac")
    second = body.index(b"\xff\xf8", body.index(b"\xff\xf8") + 16)
    third = body.index(b"\xff\xf8", second + 16)

    with pytest.raises(Damaged):
        check(body[:second] + body[third:])


def test_boxes_out_of_fragments_are_refused() -> None:
    """A file of movie fragments ends with the data of its last one."""
    body = body_of("mp4, fragmented")

    with pytest.raises(Damaged, match="mdat box of its last fragment"):
        check(body + box(b"moof", bytes(16)))


def test_mp4_without_movie_is_refused() -> None:
    """Media data without the `moov` box that explains it cannot be played."""
    with pytest.raises(Damaged, match="a moov box"):
        check(box(b"ftyp", b"isom\x00\x00\x02\x00mp41") + box(b"mdat", bytes(100)))


def test_wav_without_data_is_refused() -> None:
    """A streaming encoder that died before its first sample left a header only."""
    body = endless_wav(0xFFFFFFFF)

    with pytest.raises(Damaged, match="data chunk"):
        check(body[: body.index(b"data") + 8])


def test_zeros_in_place_of_chunks_are_no_end_before_the_stated_size() -> None:
    """A sloppy writer pads with zeros, but inside its own size: less than that is a cut."""
    body = body_of("webp, lossy") + bytes(4000)
    padded = body[:4] + (len(body) - 8).to_bytes(4, "little") + body[8:]

    check(padded)
    with pytest.raises(Damaged, match="the rest of its chunks"):
        check(padded[:-1000])


def test_reason_says_what_is_missing_and_where() -> None:
    """The reason can be shown to the user as it is."""
    body = image("PNG")

    with pytest.raises(Damaged) as caught:
        check(body[:-12])

    assert str(caught.value) == f"PNG ends without its IEND chunk after {len(body) - 12:,} bytes"


def test_damage_is_reported_early_and_again() -> None:
    """A broken body is refused while it is fed, and stays refused."""
    checker = Checker(recognise(image("PNG")[:HEAD_BYTES]))
    checker.feed(image("PNG")[:33])

    for _ in range(2):
        with pytest.raises(Damaged, match="no chunk begins here"):
            checker.feed(bytes(100))
    with pytest.raises(Damaged, match="no chunk begins here"):
        checker.finish()


def test_nothing_is_not_a_file() -> None:
    """A checker that was fed nothing refuses."""
    with pytest.raises(Damaged, match="MP3 or AAC ends without any audio after 0 bytes"):
        Checker(MP3).finish()
