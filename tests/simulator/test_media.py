"""The simulator's media are real: decoders take them whole and refuse them cut."""

from __future__ import annotations

import io
import subprocess
import sys

import av
import pytest
from av.error import FFmpegError
from PIL import Image

from archiver.simulator.media import FORMATS, MEDIA_TYPES, SMALLEST_BYTES, fitting_size, media

COM_EDGES = [2 * 65_537 + 2400 + edge for edge in range(5)]
SIZES = [0, 10_001, *COM_EDGES, 1_000_000]
FRAMES = {"png": 1, "jpg": 1, "webp": 1, "mp4": 12}


def count_frames(data: bytes) -> int:
    """Decode every frame with libav, and let any complaint be an error."""
    with av.open(io.BytesIO(data), "r", options={"err_detect": "explode"}) as container:
        return len(list(container.decode(container.streams[0])))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("wanted", SIZES)
def test_every_file_has_its_size_and_decodes_whole(file_format: str, wanted: int) -> None:
    """A file of any format and size is exactly that large, and every frame of it decodes."""
    size = fitting_size(file_format, wanted)
    data = media(file_format, size, f"seed {wanted}").read()
    assert len(data) == size
    assert count_frames(data) >= FRAMES.get(file_format, 2)
    if MEDIA_TYPES[file_format].startswith("image/"):
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == (320, 180)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_cut_file_does_not_decode(file_format: str) -> None:
    """A file without its last third is broken for a decoder, so that a cut one is not harmless."""
    data = media(file_format, fitting_size(file_format, 100_000), "whole").read()
    with pytest.raises(FFmpegError):
        count_frames(data[: len(data) * 2 // 3])


@pytest.mark.parametrize("file_format", FORMATS)
def test_seed_and_size_decide_the_bytes(file_format: str) -> None:
    """The same seed text gives the same bytes, and another seed text gives others."""
    size = fitting_size(file_format, 20_000)
    first = media(file_format, size, "one").sha256()
    media.cache_clear()
    assert first == media(file_format, size, "one").sha256()
    assert first != media(file_format, size, "two").sha256()


@pytest.mark.parametrize("file_format", FORMATS)
def test_small_wishes_are_raised(file_format: str) -> None:
    """The smallest file of a format has room for an original of it."""
    assert fitting_size(file_format, 1) == SMALLEST_BYTES[file_format]


def test_a_video_may_be_larger_than_memory() -> None:
    """A video of a hundred gigabytes is made at once, and any part of it can be read."""
    payload = media("mp4", 100 * 10**9, "large")
    assert payload.size_bytes == 100 * 10**9
    assert payload.read(0, 12)[4:] == b"ftypisom"
    assert b"moov" in payload.read(payload.size_bytes - 2000)


def test_a_format_has_its_limit() -> None:
    """A size that the format cannot state is refused."""
    with pytest.raises(ValueError, match="cannot hold"):
        fitting_size("wav", 2**33)


def test_import_needs_no_pyav() -> None:
    """The package can be imported, and says what to install, when PyAV is missing."""
    program = """
import sys
sys.modules["av"] = None
from archiver.simulator import Simulator
from archiver.simulator.media import media
try:
    media("png", 5000, "x")
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install 'archiver[demo]'" in done.stdout


def test_import_is_light() -> None:
    """Importing the package does not load PyAV."""
    program = "import sys, archiver.simulator; print('av' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
