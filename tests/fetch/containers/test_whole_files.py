"""Whole files are accepted, however they are split."""

import random

import pytest

from archiver.fetch.containers import HEAD_BYTES, Checker, recognise
from archiver.fetch.containers.formats import FORMATS
from archiver.fetch.containers.media_types import UNKNOWN

from .encoders import film, image
from .samples import SAMPLES, body_of, check


@pytest.mark.parametrize("name", SAMPLES)
def test_whole_file_is_accepted(name: str) -> None:
    """A whole file is recognised by its content and accepted."""
    assert check(body_of(name)) == SAMPLES[name].media_type


@pytest.mark.parametrize("name", SAMPLES)
def test_single_bytes_are_enough(name: str) -> None:
    """A file that arrives byte by byte is accepted like one that arrives at once."""
    body = body_of(name)
    checker = Checker(recognise(body[:HEAD_BYTES]))

    for at in range(len(body)):
        checker.feed(memoryview(body)[at : at + 1])
    checker.finish()

    assert checker.size_bytes == len(body)


@pytest.mark.parametrize("name", SAMPLES)
def test_any_split_is_accepted(name: str) -> None:
    """Where the chunks of a body begin and end makes no difference."""
    body = body_of(name)
    rng = random.Random(name)
    for _ in range(10):
        checker = Checker(recognise(body[:HEAD_BYTES]))
        start = 0
        while start < len(body):
            end = start + rng.choice((0, 1, 2, 3, 7, 100, 1000, 5000))
            checker.feed(body[start:end])
            start = end
        checker.finish()


def test_every_format_has_a_sample() -> None:
    """Each media type of the table is proven with a sample (Theora has no encoder here)."""
    known = {media_type.extension for each in FORMATS for media_type in each.media_types}

    sampled = {sample.media_type.extension for sample in SAMPLES.values()}

    assert known - sampled == {"ogv", UNKNOWN.extension}


def test_buffer_is_released() -> None:
    """A checker does not hold on to the caller's buffer after `feed` returns."""
    buffer = bytearray(body_of("png")[:100])
    checker = Checker(recognise(bytes(buffer)))

    checker.feed(buffer)

    buffer.clear()  # BufferError if a view of it were alive


LAME_TAGS = (
    b"TAG" + bytes(125),
    b"APETAGEX" + bytes([0xD0, 7, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xA0]) + bytes(8 + 40),
    b"LYRICSBEGIN" + b"IND00002" + b"10" + b"000021LYRICS200",
    bytes(301),
)


@pytest.mark.parametrize("tag", LAME_TAGS, ids=["ID3v1", "APEv2", "Lyrics3", "zeros"])
def test_tags_behind_mp3_are_accepted(tag: bytes) -> None:
    """The tags in use may stand behind the frames of an MP3, alone or together."""
    body = body_of("mp3, no length")

    assert check(body + tag).extension == "mp3"
    assert check(body + tag + LAME_TAGS[0]).extension == "mp3"


def test_glued_mp3_is_accepted() -> None:
    """Speech services glue whole MP3 files together, tags included."""
    assert check(body_of("mp3, VBR") + body_of("mp3, CBR")).extension == "mp3"


def test_chained_ogg_is_accepted() -> None:
    """An Ogg file may be several, one after another (RFC 3533, 4)."""
    assert check(body_of("ogg, opus") + body_of("ogg, flac")).extension == "ogg"


def test_flac_between_id3_tags_is_accepted() -> None:
    """Some taggers put ID3 tags around FLAC, though the format has its own."""
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x05hello"

    assert check(tag + body_of("flac") + LAME_TAGS[0]).extension == "flac"


@pytest.mark.parametrize(
    "name", ["png", "jpeg", "gif", "webp, lossy", "wav", "bmp", "webm", "avi", "aiff"]
)
def test_harmless_trailing_bytes_are_accepted(name: str) -> None:
    """Bytes behind a container that states its own end do not make it less whole."""
    assert check(body_of(name) + b"appended").extension == SAMPLES[name].media_type.extension


@pytest.mark.parametrize("name", ["mp4", "mov", "avif"])
def test_zero_padding_behind_boxes_is_accepted(name: str) -> None:
    """Boxes may be followed by zeros, which some writers leave."""
    assert check(body_of(name) + bytes(100)).extension == SAMPLES[name].media_type.extension


def test_wav_sizes_of_a_sloppy_writer_are_accepted() -> None:
    """A RIFF size that is smaller than its data chunk is not believed."""
    body = body_of("wav")

    assert check(body[:4] + bytes([36, 0, 0, 0]) + body[8:]).extension == "wav"


def test_quicktime_without_brand_is_accepted() -> None:
    """Old QuickTime files have no `ftyp` box."""
    body = body_of("mov")

    assert check(body[int.from_bytes(body[:4], "big") :]).extension == "mov"


def test_64_bit_and_open_boxes_are_accepted() -> None:
    """A box may state a 64-bit size, or 0 for "to the end of the file"."""
    body = film("mp4", video="libx264", to="file", muxer={"movflags": "faststart"})
    at = body.index(b"mdat")
    size = int.from_bytes(body[at - 4 : at], "big")
    wide = bytes([0, 0, 0, 1]) + b"mdat" + (size + 8).to_bytes(8, "big")

    assert check(body[: at - 4] + wide + body[at + 4 :]).extension == "mp4"
    assert check(body[: at - 4] + bytes(4) + body[at:]).extension == "mp4"


def test_stray_bytes_between_jpeg_segments_are_accepted() -> None:
    """Decoders pass over stray bytes before a marker, and so do we."""
    body = image("JPEG")

    assert check(body[:20] + b"\x00stray" + body[20:]).extension == "jpg"
