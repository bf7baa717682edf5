"""The table of samples: one or more whole files of each format, and what their cuts can show."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from archiver.fetch.containers import HEAD_BYTES, Checker, MediaType, recognise
from archiver.fetch.containers import media_types as types

from .encoders import film, image

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
INDEXED = {"movflags": "frag_keyframe+dash+global_sidx"}
CONSTANT_QUALITY = {"flags": "+qscale", "global_quality": "500"}
PLAIN_MP3 = {"write_xing": "0", "id3v2_version": "0"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One whole file: what it is, and how to make it."""

    media_type: MediaType
    make: Callable[[], bytes]


def box(kind: bytes, payload: bytes) -> bytes:
    """Build a box of ISO/IEC 14496-12."""
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def glb() -> bytes:
    """Build a GLB of an empty scene with 64 bytes of data."""
    text = b'{"asset":{"version":"2.0"}} '
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", 64, b"BIN\x00") + bytes(range(64))
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def jxl_container() -> bytes:
    """Build a JPEG XL container whose codestream comes in two parts."""
    opening = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \x00\x00\x00\x00jxl ")
    parts = (struct.pack(">I", number) + bytes(range(200)) for number in (0, 1 | 1 << 31))
    return opening + b"".join(box(b"jxlp", part) for part in parts)


def endless_wav(size: int) -> bytes:
    """Make a WAV as a streaming encoder leaves it, with a placeholder for both sizes."""
    whole = film("wav", audio="pcm_s16le", seconds=0.05, muxer={"fflags": "+bitexact"})
    at = whole.index(b"data") + 4
    placeholder = struct.pack("<I", size)
    return whole[:4] + placeholder + whole[8:at] + placeholder + whole[at + 4 :]


def endless_flac() -> bytes:
    """Make a FLAC as a streaming encoder leaves it, with a total of 0 samples in STREAMINFO."""
    whole = film("flac", audio="flac")
    at = 8 + 13  # marker and block header, then the 36 bits before the MD5
    return whole[:at] + bytes([whole[at] & 0xF0]) + bytes(4) + whole[at + 5 :]


def mp4(to: str = "memory", muxer: dict[str, str] | None = None) -> bytes:
    """Make an MP4 with both picture and sound."""
    return film("mp4", video="libx264", audio="aac", to=to, muxer=muxer)


WHOLE: dict[str, Sample] = {
    "png": Sample(types.PNG, lambda: image("PNG")),
    "png, 16 bit grey": Sample(types.PNG, lambda: image("PNG", mode="I;16")),
    "png, animated": Sample(types.PNG, lambda: image("PNG", frames=3)),
    "jpeg": Sample(types.JPEG, lambda: image("JPEG")),
    "jpeg, grey": Sample(types.JPEG, lambda: image("JPEG", mode="L")),
    "jpeg, progressive": Sample(types.JPEG, lambda: image("JPEG", progressive=True)),
    "jpeg, restarts": Sample(types.JPEG, lambda: image("JPEG", restart_marker_blocks=1)),
    "jpeg, with profile": Sample(types.JPEG, lambda: image("JPEG", icc_profile=b"\xff\xd9" * 50)),
    "gif": Sample(types.GIF, lambda: image("GIF")),
    "gif, animated": Sample(types.GIF, lambda: image("GIF", frames=3)),
    "webp, lossy": Sample(types.WEBP, lambda: image("WEBP")),
    "webp, lossless": Sample(types.WEBP, lambda: image("WEBP", lossless=True)),
    "webp, alpha": Sample(types.WEBP, lambda: image("WEBP", mode="RGBA", exif=b"Exif\0\0MM")),
    "webp, animated": Sample(types.WEBP, lambda: image("WEBP", frames=3)),
    "avif": Sample(types.AVIF, lambda: image("AVIF")),
    "avif, animated": Sample(types.AVIF, lambda: image("AVIF", frames=3)),
    "heic": Sample(types.HEIC, lambda: image("AVIF").replace(b"avif", b"heic", 1)),
    "jxl, container": Sample(types.JXL, jxl_container),
    "bmp": Sample(types.BMP, lambda: image("BMP")),
    "bmp, 1 bit": Sample(types.BMP, lambda: image("BMP", mode="1")),
    "tiff": Sample(types.TIFF, lambda: image("TIFF")),
    "tiff, LZW": Sample(types.TIFF, lambda: image("TIFF", compression="tiff_lzw")),
    "mp4": Sample(types.MP4, mp4),
    "mp4, sound only": Sample(types.MP4, lambda: film("mp4", audio="aac")),
    "mp4, faststart": Sample(types.MP4, lambda: mp4(to="file", muxer={"movflags": "faststart"})),
    "m4v": Sample(types.M4V, lambda: film("ipod", video="libx264", audio="aac")),
    "mov": Sample(types.MOV, lambda: film("mov", video="mpeg4", audio="pcm_s16le")),
    "3gp": Sample(types.THREE_GP, lambda: film("3gp", video="mpeg4", audio="aac")),
    "m4a": Sample(types.M4A, lambda: film("ipod", audio="aac")),
    "webm": Sample(types.WEBM, lambda: film("webm", video="libvpx", audio="libopus")),
    "webm, sound only": Sample(types.WEBM, lambda: film("webm", audio="libopus")),
    "mkv": Sample(types.MKV, lambda: film("matroska", video="libx264", audio="flac")),
    "avi": Sample(types.AVI, lambda: film("avi", video="mpeg4", audio="libmp3lame")),
    "mp3, CBR": Sample(types.MP3, lambda: film("mp3", audio="libmp3lame")),
    "mp3, VBR": Sample(
        types.MP3,
        lambda: film(
            "mp3", audio="libmp3lame", encoder=CONSTANT_QUALITY, metadata={"title": "Vier"}
        ),
    ),
    "wav": Sample(types.WAV, lambda: film("wav", audio="pcm_s16le")),
    "wav, RF64": Sample(
        types.WAV, lambda: film("wav", audio="pcm_s16le", muxer={"rf64": "always"})
    ),
    "aiff": Sample(types.AIFF, lambda: film("aiff", audio="pcm_s16be")),
    "flac": Sample(types.FLAC, lambda: film("flac", audio="flac")),
    "ogg, opus": Sample(types.OGG, lambda: film("ogg", audio="libopus")),
    "ogg, flac": Sample(types.OGG, lambda: film("ogg", audio="flac")),
    "glb": Sample(types.GLB, glb),
}
"""Files whose every cut is proven."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What cannot be proven of a file: why, and how many of its cuts may pass."""

    sample: Sample
    reason: str
    passing_cuts: float


UNPROVEN: dict[str, Limit] = {
    "jpeg, two pictures": Limit(
        Sample(types.JPEG, lambda: image("MPO", frames=2)), "what follows the first EOI", math.inf
    ),
    "jxl, bare": Limit(
        Sample(types.JXL, lambda: b"\xff\x0a" + bytes(range(200))), "it has no structure", math.inf
    ),
    "mp4, fragmented": Limit(
        Sample(types.MP4, lambda: mp4(to="pipe", muxer=FRAGMENTED)),
        "a cut exactly between fragments",
        3,
    ),
    "mp4, indexed": Limit(
        Sample(types.MP4, lambda: mp4(to="file", muxer=INDEXED)),
        "a cut exactly before the index at the end (mfra)",
        1,
    ),
    "webm, live": Limit(
        Sample(types.WEBM, lambda: film("webm", video="libvpx", audio="libopus", to="pipe")),
        "a cut exactly between elements",
        3,
    ),
    "avi, piped": Limit(
        Sample(types.AVI, lambda: film("avi", video="mpeg4", audio="libmp3lame", to="pipe")),
        "a cut exactly between chunks",
        40,
    ),
    "mp3, no length": Limit(
        Sample(types.MP3, lambda: film("mp3", audio="libmp3lame", muxer=PLAIN_MP3)),
        "a cut exactly between frames",
        18,
    ),
    "mp3, ID3v1": Limit(
        Sample(
            types.MP3,
            lambda: film(
                "mp3", audio="libmp3lame", muxer={"write_id3v1": "1"}, metadata={"title": "Vier"}
            ),
        ),
        "a cut exactly before the tag",
        1,
    ),
    "aac": Limit(
        Sample(types.AAC, lambda: film("adts", audio="aac")), "a cut exactly between frames", 20
    ),
    "flac, piped": Limit(
        Sample(types.FLAC, endless_flac),
        "a cut exactly between frames",
        4,
    ),
    "wav, sizes 0xFFFFFFFF": Limit(
        Sample(types.WAV, lambda: endless_wav(0xFFFFFFFF)), "no size is stated", math.inf
    ),
    "wav, sizes 0": Limit(Sample(types.WAV, lambda: endless_wav(0)), "no size is stated", math.inf),
}
"""Files with cuts that cannot be proven, as the docstrings of their formats say."""

SAMPLES: dict[str, Sample] = WHOLE | {name: limit.sample for name, limit in UNPROVEN.items()}


@cache
def body_of(name: str) -> bytes:
    """Return the file of a sample, made once."""
    return SAMPLES[name].make()


def check(body: bytes) -> MediaType:
    """Recognise and check a body in one piece, as a download would be."""
    media_type = recognise(body[:HEAD_BYTES])
    checker = Checker(media_type)
    checker.feed(body)
    checker.finish()
    return media_type
